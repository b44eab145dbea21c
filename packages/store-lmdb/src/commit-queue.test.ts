import type { StoreWrite } from "@seriatim/actors";
import { describe, expect, it } from "vitest";
import { CommitQueue } from "./commit-queue.ts";

const put = (bytes: number): StoreWrite => ({ kind: "put", key: "k", value: new Uint8Array(bytes) });

describe("commit queue", () => {
  it("takes everything in the order it was made when it fits", () => {
    const queue = new CommitQueue(1e6, () => {});
    const [a, b] = [queue.writer(), queue.writer()];
    for (const writer of [a, b, b, a, b]) writer.commit([put(1)]);
    expect(queue.take().map(({ writer }) => (writer === a ? "a" : "b"))).toEqual(["a", "b", "b", "a", "b"]);
    expect([queue.isEmpty, queue.waitingBytes, queue.take()]).toEqual([true, 0, []]);
  });

  it("serves writers in turn once there is more than fits, each in its own order", () => {
    const queue = new CommitQueue(1e6, () => {});
    const flood = queue.writer();
    for (let n = 0; n < 1_000; n++) flood.commit([put(20_000)]);
    const others = [1, 2, 3].map(() => queue.writer());
    for (let n = 0; n < 10; n++) for (const writer of others) writer.commit([put(100)]);
    const first = queue.take();
    for (const other of others) expect(first.filter(({ writer }) => writer === other)).toHaveLength(10);
    expect(first.filter(({ writer }) => writer === flood).length).toBeLessThan(60);
    const orders: number[] = [];
    for (let taken = first; taken.length > 0; taken = queue.take()) {
      expect(taken.reduce((sum, { cost }) => sum + cost, 0)).toBeLessThan(1.1e6);
      orders.push(...taken.filter(({ writer }) => writer === flood).map(({ order }) => order));
    }
    expect(orders).toEqual([...orders].sort((a, b) => a - b));
    expect(orders).toHaveLength(1_000);
  });

  it("gives those a turn first who had none in the last transaction", () => {
    const queue = new CommitQueue(50_000, () => {});
    const writers = [1, 2, 3, 4].map(() => queue.writer());
    for (let n = 0; n < 3; n++) for (const writer of writers) writer.commit([put(100_000)]);
    const turns = Array.from({ length: 12 }, () =>
      queue.take().map(({ writer }) => writers.indexOf(writer as (typeof writers)[0])),
    );
    expect(turns.flat()).toEqual([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]);
  });
});
