import { describe, expect, it, vi } from "vitest";
import type { QueueLog } from "../log/queue-log.ts";
import { QueueBench } from "../queue/queue.fixture.ts";
import { copiesOf, scanLog } from "./log-scan.ts";

/** A log of batches of two messages each. */
async function log(batches: number, bytes = 10): Promise<QueueLog> {
  const bench = await QueueBench.open();
  for (let n = 0; n < batches; n++) {
    bench.append(["a", "b"], bytes);
    await bench.settle();
  }
  return bench.queue.log;
}

describe("a scan", () => {
  it("sees what lies in the span, in order, and nothing else", async () => {
    const seen: [number, string | null][] = [];
    await scanLog(await log(4), 1, 6, (offset, { key }) => seen.push([offset, key]));
    expect(seen).toEqual([
      [1, "b"],
      [2, "a"],
      [3, "b"],
      [4, "a"],
      [5, "b"],
    ]);
    await scanLog(await log(1), 0, 9, (offset) => seen.push([offset, null])); // the log ends before
    expect(seen.slice(5)).toEqual([
      [0, null],
      [1, null],
    ]);
  });
  it("reads a piece at a time and rests between two; a rest that fails ends it", async () => {
    const of = await log(8, 100_000);
    const rests = vi.fn(async () => {});
    await scanLog(of, 0, 16, () => {}, rests);
    expect(rests.mock.calls.length).toBeGreaterThanOrEqual(6);
    const seen: number[] = [];
    const gone = vi.fn(() => Promise.reject(new Error("gone")));
    await expect(scanLog(of, 0, 16, (offset) => seen.push(offset), gone)).rejects.toThrow("gone");
    expect([seen.length, gone.mock.calls.length]).toEqual([2, 1]);
  });
  it("for one message reads the batch that it is in, and no more", async () => {
    const of = await log(4);
    const reads = vi.spyOn(of, "read");
    const copies = await copiesOf(of, 3, 4, () => true);
    expect(copies.map(({ offset }) => offset)).toEqual([3]);
    expect(reads.mock.calls).toEqual([[3, 1]]);
  });
});
