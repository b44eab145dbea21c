import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MessagingError } from "../message/errors.ts";
import { RetrySchedule } from "./retry-schedule.ts";

const settings = fc.record({
  attempts: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constant(Number.POSITIVE_INFINITY)),
  initialMs: fc.integer({ min: 0, max: 10_000 }),
  factor: fc.double({ min: 1, max: 10, noNaN: true }),
  maxMs: fc.integer({ min: 0, max: 100_000 }),
  jitter: fc.double({ min: 0, max: 1, noNaN: true }),
});
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
/** The wait without jitter, step by step. */
function ideal(retry: { initialMs: number; factor: number; maxMs: number }, attempts: number): number {
  let wait = retry.initialMs;
  for (let n = 1; n < attempts && wait < retry.maxMs; n++) wait *= retry.factor;
  return Math.min(wait, retry.maxMs);
}

describe("waits between attempts", () => {
  it("grow from the first to the longest, shortened by at most the jitter, and end after the last attempt", () => {
    fc.assert(
      fc.property(settings, random, fc.integer({ min: 1, max: 2_000 }), (retry, jitter, attempts) => {
        const wait = new RetrySchedule(retry, () => jitter).waitMs(attempts, new Error("x"));
        if (attempts >= retry.attempts) {
          expect(wait).toBeNull();
          return;
        }
        const full = ideal(retry, attempts);
        expect(wait).toBeGreaterThanOrEqual(full * (1 - retry.jitter) - full * 1e-9);
        expect(wait).toBeLessThanOrEqual(full * (1 + 1e-9));
      }),
      // an immediate retry that goes on for ever, once the power of its factor is Infinity
      {
        numRuns: 500,
        examples: [[{ attempts: Number.POSITIVE_INFINITY, initialMs: 0, factor: 2, maxMs: 1, jitter: 0 }, 0, 1_228]],
      },
    );
  });
  it("are at least what the error asks for, and there is none after one that says so, whatever was thrown", () => {
    fc.assert(
      fc.property(settings, random, fc.anything(), fc.nat(200_000), (retry, jitter, thrown, afterMs) => {
        const schedule = new RetrySchedule({ ...retry, attempts: 9 }, () => jitter);
        expect(schedule.waitMs(1, thrown)).toSatisfy((wait: number | null) => wait === null || wait >= 0);
        expect(schedule.waitMs(1, { afterMs })).toBeGreaterThanOrEqual(afterMs);
        expect(schedule.waitMs(1, { afterMs, retryable: false })).toBeNull();
        expect(schedule.waitMs(1, new MessagingError("CLOSED", "going away"))).not.toBeNull();
      }),
      { numRuns: 300 },
    );
  });
});
