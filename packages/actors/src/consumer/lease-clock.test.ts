import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LeaseClock } from "./lease-clock.ts";

describe("a lease's clock", () => {
  it("is over, or what is left moves the clock: nobody waits for a moment that never comes (seed 9097 of the simulation)", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1e7, noNaN: true }),
        fc.integer({ min: 1_000, max: 60_000 }),
        fc.integer({ min: -3, max: 3 }),
        (sentAt, ttlMs, ulps) => {
          let now = sentAt;
          const clock = new LeaseClock({ now: () => now, wallNow: () => now } as never);
          clock.grant({ now: sentAt, wallNow: sentAt }, ttlMs);
          now = sentAt + ttlMs * 0.9 + ulps * Number.EPSILON * sentAt;
          const left = clock.remainingMs;
          expect(clock.over || now + left > now).toBe(true);
        },
      ),
    );
  });
  it("lasts nine tenths of the TTL, on whichever clock shows more time gone", () => {
    let now = 50;
    let wallNow = 1_000;
    const clock = new LeaseClock({ now: () => now, wallNow: () => wallNow } as never);
    clock.grant({ now, wallNow }, 1_000);
    expect(clock.remainingMs).toBe(900);
    now += 100;
    wallNow += 300;
    expect(clock.remainingMs).toBe(600);
    wallNow += 600;
    expect(clock.over).toBe(true);
    wallNow -= 600;
    expect([clock.over, clock.remainingMs]).toEqual([true, 0]);
  });
});
