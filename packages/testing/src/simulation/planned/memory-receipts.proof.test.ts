import { describe, expect, it } from "vitest";
import { Dice } from "../chance/dice.ts";
import type { FaultPlan } from "../engine/fault-plan.ts";
import { describePlan, makePlan, type Plan, runPlan } from "../index.ts";

/**
 * Each takes places back from `memory` receipts and gives them to others under the same `logEpoch`, for which a history
 * has no words.
 */
const WITHOUT_WORDS: ReadonlySet<FaultPlan["kind"]> = new Set(["failStore", "fillStore", "takeOver"]);
const RUNS = 50;

/**
 * A plan whose producers, or some of them, have `memory` receipts, and whose power fails between a flush and its sync.
 */
function withPowerLosses(seed: number): Plan {
  const plan = makePlan(seed);
  const dice = new Dice(1_000_000 + seed);
  const { overMs } = plan.load;
  const losses = Array.from({ length: dice.whole(1, 3) }, (): FaultPlan => {
    const atMs = dice.whole(300, overMs);
    const lostShare = dice.pick([1, 1, 0.5]);
    const { name } = dice.pick(plan.producers);
    return { atMs, kind: "powerLoss", downMs: dice.pick([0, 300, 2_000]), lostShare, onReceiptTo: name };
  });
  return {
    ...plan,
    broker: { ...plan.broker, syncMs: dice.pick([10, 60, 200]) },
    producers: plan.producers.map((each, index) => ({
      ...each,
      durability: index === 0 || dice.chance(0.5) ? "memory" : each.durability,
      sendTimeoutMs: 30_000,
    })),
    load: { messages: 200, overMs },
    faults: [
      // whoever is outlived before its first lane opens takes the name back: send order is then nobody's
      ...plan.faults.filter((each) => !WITHOUT_WORDS.has(each.kind) && !outlivesProducer(each)),
      ...losses,
    ].sort((a, b) => a.atMs - b.atMs),
  };
}
const outlivesProducer = (fault: FaultPlan): boolean => fault.kind === "outlive" && fault.target.startsWith("producer");

describe("producers with memory receipts, when the power fails", () => {
  it.each([1, 151])("lose nothing in silence (50 seeds from %i)", async (from) => {
    let lost = 0;
    let named = 0;
    for (let seed = from; seed < from + RUNS; seed++) {
      const plan = withPowerLosses(seed);
      const { problems, sometimes } = await runPlan(plan);
      lost += sometimes.powerLostUnsynced;
      named += sometimes.tailLost;
      const texts = problems.slice(0, 3).map(({ promise, text }) => `${promise}: ${text}`);
      expect(texts, `seed ${seed}: ${describePlan(plan)}`).toEqual([]);
    }
    expect(lost).toBeGreaterThan(RUNS / 2);
    expect(named).toBeGreaterThan(RUNS / 2);
  });
});
