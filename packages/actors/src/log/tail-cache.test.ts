import { expect, it } from "vitest";
import type { LogBatch } from "./stored-batch.ts";
import { TailBudget, TailCache } from "./tail-cache.ts";

const MIB = 1024 * 1024;
const batch = (first: number): LogBatch =>
  ({ first, count: 10, appendedAtMs: 0, messages: new Uint8Array(0) }) as unknown as LogBatch;
const firsts = (cache: TailCache, from: number) => cache.read(from, 1_000, MIB)?.map(({ first }) => first);

it("keeps the newest batches of a queue, up to 2 MiB, and the newest one in any case", () => {
  const budget = new TailBudget();
  const cache = new TailCache(budget);
  for (let n = 0; n < 5; n++) cache.push(batch(n * 10), MIB * 0.75);
  expect(firsts(cache, 30)).toEqual([30, 40]);
  expect(cache.read(29, 1_000, MIB)).toBeUndefined();
  expect(budget.bytes).toBe(1.5 * MIB);
  cache.push(batch(50), 3 * MIB);
  expect(firsts(cache, 50)).toEqual([50]);
  expect(budget.bytes).toBe(3 * MIB);
});

it("lets go of what retention has removed, and takes part again afterwards", () => {
  const budget = new TailBudget();
  const cache = new TailCache(budget);
  for (let n = 0; n < 4; n++) cache.push(batch(n * 10), 1_000);
  cache.dropBelow(25); // the batch that holds 25 stays
  expect(firsts(cache, 20)).toEqual([20, 30]);
  expect(budget.bytes).toBe(2_000);
  cache.dropBelow(40);
  expect(cache.read(40, 1_000, MIB)).toBeUndefined();
  expect(budget.bytes).toBe(0);
  cache.push(batch(40), 500);
  expect(firsts(cache, 40)).toEqual([40]);
  expect(budget.bytes).toBe(500);
});

it("of many queues, those that were written to longest ago give way", () => {
  const budget = new TailBudget(5 * MIB);
  const caches = Array.from({ length: 6 }, () => new TailCache(budget));
  for (const cache of caches.slice(0, 5)) cache.push(batch(0), MIB);
  caches[0]?.push(batch(10), MIB / 2); // now the second is the oldest
  caches[5]?.push(batch(0), MIB / 2);
  expect(caches.map((cache) => firsts(cache, 0))).toEqual([[0, 10], undefined, [0], [0], [0], [0]]);
  expect(budget.bytes).toBe(5 * MIB);
  caches[5]?.push(batch(10), 20 * MIB); // one alone keeps its newest batch, whatever it takes
  expect(caches.map((cache) => firsts(cache, 10))).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    [10],
  ]);
  expect(budget.bytes).toBe(20 * MIB);
});
