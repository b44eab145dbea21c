import { describe, expect, it } from "vitest";
import { receiptAgainMs, servedAgainMs } from "./recovery.ts";

describe("servedAgainMs", () => {
  const lease = (type: "granted" | "released" | "lost", process: string, queue: number, at: number) => ({
    type,
    process,
    queue,
    at,
  });
  const victim = { process: "consumer-1#1", at: 100 };

  it("waits for the last of the queues that the victim held", () => {
    const leases = [lease("granted", "consumer-1#1", 0, 10), lease("granted", "consumer-1#1", 1, 11), lease("granted", "consumer-2#1", 2, 12),
      lease("granted", "consumer-2#1", 0, 300), lease("granted", "consumer-3#1", 1, 450), lease("granted", "consumer-3#1", 2, 900)]; // biome-ignore format: a table
    expect(servedAgainMs(leases, victim)).toBe(350);
  });
  it("is null when a queue stays without a holder, or none was held", () => {
    expect(
      servedAgainMs([lease("granted", "consumer-1#1", 0, 10), lease("granted", "consumer-2#1", 5, 300)], victim),
    ).toBeNull();
    expect(
      servedAgainMs([lease("granted", "consumer-1#1", 0, 10), lease("released", "consumer-1#1", 0, 20)], victim),
    ).toBeNull();
  });
});

describe("receiptAgainMs", () => {
  const receipt = (at: number, logEpoch: number) => ({ at, logEpoch });
  it("is the time to the successor's first receipt; those of the dead broker that are still read do not count", () => {
    expect(receiptAgainMs([receipt(10, 1), receipt(90, 1), receipt(101, 1), receipt(640, 2)], 100)).toBe(540);
    expect(receiptAgainMs([receipt(10, 1), receipt(101, 1)], 100)).toBeNull();
  });
});
