import { expect, it } from "vitest";
import { Backoff } from "./backoff.ts";

const waits = (random: number, times: number): number[] => {
  const backoff = new Backoff({ random: () => random }, { initialMs: 100, maxMs: 1_000 });
  return Array.from({ length: times }, () => backoff.next());
};

it("doubles up to the longest, for ever", () => {
  expect(waits(1, 6)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  expect(waits(1, 5_000).at(-1)).toBe(1_000);
});
it("waits at least half, so that those who failed together do not try together", () => {
  expect(waits(0, 5)).toEqual([50, 100, 200, 400, 500]);
});
it("begins anew once it did not fail", () => {
  const backoff = new Backoff({ random: () => 1 }, { initialMs: 100, maxMs: 1_000 });
  for (let n = 0; n < 5; n++) backoff.next();
  expect(backoff.failures).toBe(5);
  backoff.reset();
  expect([backoff.failures, backoff.next()]).toEqual([0, 100]);
});
