import { describe, expect, it } from "vitest";
import { SIMULATED_FAULTS, type SimulationOptions, simulate } from "../index.ts";
import { FAST, ledger, noneTooEarly, run } from "./simulate.fixture.ts";

describe("simulate", () => {
  it("passes a consumer that is right, and reports what it went through", async () => {
    const seen: number[] = [];
    const report = await run({
      seeds: 100,
      check: ({ shared, history, seed }) => {
        noneTooEarly({ shared, history, seed });
        if (shared.paid.size < 10) throw new Error(`only ${shared.paid.size} orders were paid`);
      },
      onRun: ({ seed }) => seen.push(seed),
    });
    expect(seen).toEqual(Array.from({ length: 100 }, (_, at) => at + 1));
    expect(report.runs).toHaveLength(100);
    expect(Object.keys(report.faults).sort()).toEqual([...SIMULATED_FAULTS].sort());
    expect(Object.entries(report.faults).filter(([, times]) => times === 0)).toEqual([["powerLoss", 0]]);
    expect(report.sometimes.handledAgain).toBeGreaterThan(0);
    expect(report.virtualMs).toBeGreaterThan(100 * FAST.faultsForMs);
    expect(report.historyLines).toBe(report.runs.reduce((sum, { historyLines }) => sum + historyLines, 0));
  });
  it("an effect without a fence, and the fault it takes; with the fence it passes", async () => {
    /** Reads, works, writes what it read and one more: two of them at once lose one. */
    const tally = (fenced: boolean): Partial<SimulationOptions<{ fence: number; orders: string[] }>> => ({
      seeds: fenced ? 10 : 40,
      faults: ["freeze"],
      faultsForMs: 20_000,
      shared: () => ({ fence: 0, orders: [] }),
      processes: {
        shop: {
          start: async ({ client, sleep }) => {
            const producer = client.producer(ledger);
            for (let n = 0; n < 60; n++) {
              void producer.send({ type: "paid", orderId: "one" }, { id: `${n}` });
              await sleep(250);
            }
            await producer.flush();
          },
        },
        ledger: {
          count: 2,
          start: ({ client, shared, sleep }) =>
            client.consumer(ledger, { group: "stock", leaseTtlMs: 1_500 }).run(async ({ id }, { fence }) => {
              if (shared.orders.includes(id ?? "")) return;
              const before = shared.orders;
              await sleep(150);
              if (fenced && fence < shared.fence) throw new Error("somebody else has the lease");
              shared.fence = Math.max(shared.fence, fence);
              shared.orders = [...before, id ?? ""];
            }),
        },
      },
      check: ({ shared }) => {
        if (shared.orders.length !== 60) throw new Error(`${shared.orders.length} of 60`);
      },
    });
    const all = (fenced: boolean) =>
      simulate({ seeds: 1, topics: [ledger], processes: {}, heartbeatMs: 500, ...tally(fenced) });
    await expect(all(true)).resolves.toBeDefined();
    await expect(all(false)).rejects.toThrow(/of 60[\s\S]*\n\* at \d+ ms: freeze target=ledger-/);
  });
});
