import { describe, expect, it } from "vitest";
import { describePlan, FAULT_KINDS, planRounds, type RoundPlan } from "./timed-plan.ts";

function rounds(seed: number, count: number): RoundPlan[] {
  const plans: RoundPlan[] = [];
  for (const plan of planRounds(seed)) {
    plans.push(plan);
    if (plans.length === count) break;
  }
  return plans;
}
const kindsOf = (plans: readonly RoundPlan[]) =>
  plans.flatMap(({ phases }) => phases).flatMap(({ faults }) => faults.map(({ kind }) => kind));

describe("planRounds", () => {
  it("gives a seed the same plan each time, and another seed another", () => {
    expect(rounds(7, 5)).toEqual(rounds(7, 5));
    expect(rounds(7, 5)).not.toEqual(rounds(8, 5));
  });
  it("has every kind come up within two rounds, whatever the seed", () => {
    for (let seed = 0; seed < 200; seed++)
      expect(new Set(kindsOf(rounds(seed, 2))), `seed ${seed}`).toEqual(new Set(FAULT_KINDS));
  });
  it("strikes inside its phase, in the order of time, and freezes for longer than a lease", () => {
    for (const { phases } of rounds(3, 50))
      for (const { faults, lengthMs } of phases) {
        expect(faults.map(({ atMs }) => atMs)).toEqual(faults.map(({ atMs }) => atMs).toSorted((a, b) => a - b));
        for (const { atMs, kind, forMs } of faults) {
          expect(atMs).toBeLessThan(lengthMs);
          if (kind.startsWith("freeze")) expect(forMs).toBeGreaterThan(3_000);
        }
      }
  });
  it("plans enough for an hour of 60 rounds: 200 kills, 60 freezes, 60 cuts", () => {
    const kinds = kindsOf(rounds(1, 60));
    const count = (part: string): number => kinds.filter((kind) => kind.includes(part)).length;
    expect(count("kill")).toBeGreaterThan(200);
    expect(count("freeze")).toBeGreaterThan(60);
    expect(count("cut")).toBeGreaterThan(60);
  });
  it("is told in one line a phase", () => {
    const [plan] = rounds(1, 1);
    const lines = describePlan(plan as RoundPlan).split("\n");
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^round 1, phase 1: \d+\.\d [a-z-]+/);
  });
});
