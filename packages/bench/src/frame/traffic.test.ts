import { describe, expect, it } from "vitest";
import { trafficOf, trafficPerMessage } from "./traffic.ts";

describe("traffic", () => {
  it("is what each message took between two readings, without what nobody can tell", () => {
    const before = { producerBytes: 100, consumerBytes: 0, diskBytes: Number.NaN, transactions: 2 };
    const after = { producerBytes: 700, consumerBytes: 300, diskBytes: Number.NaN, transactions: 3 };
    expect(trafficPerMessage(before, after, 2)).toEqual({ producerBytes: 300, consumerBytes: 150, transactions: 0.5 });
  });
  it.runIf(process.platform === "linux")("reads what a process has read and written", async () => {
    const processes = { folder: "absent", producer: process.pid, consumers: [], broker: undefined };
    const { producerBytes, diskBytes, transactions } = await trafficOf(processes);
    expect(producerBytes).toBeGreaterThan(0);
    expect([diskBytes, transactions]).toEqual([Number.NaN, Number.NaN]);
  });
});
