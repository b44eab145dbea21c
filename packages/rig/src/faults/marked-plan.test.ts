import { describe, expect, it } from "vitest";
import { allowedBefore, planMarked } from "./marked-plan.ts";

describe("planMarked", () => {
  it("strikes each kind once, apart from each other, with the last fifth of the run left to recover", () => {
    for (let seed = 0; seed < 200; seed++) {
      const plan = planMarked(seed);
      expect(plan.map(({ kind }) => kind).toSorted()).toEqual(["freeze-consumer", "kill-broker", "kill-consumer"]);
      const marks = plan.map(({ mark }) => mark);
      expect(marks).toEqual(marks.toSorted((a, b) => a - b));
      expect(marks[0]).toBeGreaterThan(0.1);
      expect(marks[2]).toBeLessThan(0.8);
    }
  });
  it("is decided by the seed, and uses every order", () => {
    expect(planMarked(4)).toEqual(planMarked(4));
    const orders = Array.from({ length: 100 }, (_, seed) =>
      planMarked(seed)
        .map(({ kind }) => kind)
        .join(),
    );
    expect(new Set(orders).size).toBe(6);
  });
});

describe("allowedBefore", () => {
  it("holds producers back near the next fault, and not at all after the last", () => {
    expect(allowedBefore({ kind: "kill-broker", mark: 0.5, victim: 0 })).toBeCloseTo(0.6);
    expect(allowedBefore({ kind: "kill-broker", mark: 0.99, victim: 0 })).toBe(1);
    expect(allowedBefore(undefined)).toBe(1);
  });
});
