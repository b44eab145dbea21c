import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openLmdbStore } from "@seriatim/store-lmdb";
import { describe, expect, it } from "vitest";
import { trafficOf, trafficPerMessage } from "./traffic.ts";

describe("traffic", () => {
  it("is what each message took between two readings, without what nobody can tell", () => {
    const before = { producerBytes: 100, consumerBytes: 0, diskBytes: Number.NaN, transactions: 2 };
    const after = { producerBytes: 700, consumerBytes: 300, diskBytes: Number.NaN, transactions: 3 };
    expect(trafficPerMessage(before, after, 2)).toEqual({ producerBytes: 300, consumerBytes: 150, transactions: 0.5 });
  });
  it("counts the transactions of a store, those of its journal too", async () => {
    const folder = mkdtempSync(join(tmpdir(), "seriatim-bench-"));
    const store = await openLmdbStore({ path: folder });
    const processes = { folder, producer: undefined, consumers: [], broker: undefined };
    try {
      const commit = async () => {
        await store.writer().commit([{ kind: "put", key: "k", value: new Uint8Array(700) }]).synced;
        return (await trafficOf(processes)).transactions;
      };
      const before = await commit();
      const deadline = performance.now() + 10_000;
      while (!readdirSync(folder).some((name) => name.endsWith(".1")) && performance.now() < deadline) await sleep(5);
      for (let n = 1; n <= 5; n++) expect(await commit()).toBe(before + n);
    } finally {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
  it.runIf(process.platform === "linux")("reads what a process has read and written", async () => {
    const processes = { folder: "absent", producer: process.pid, consumers: [], broker: undefined };
    const { producerBytes, diskBytes, transactions } = await trafficOf(processes);
    expect(producerBytes).toBeGreaterThan(0);
    expect([diskBytes, transactions]).toEqual([Number.NaN, Number.NaN]);
  });
});
