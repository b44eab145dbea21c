import { describe, expect, it } from "vitest";
import { makePlan, runPlan } from "../index.ts";

/**
 * Seeds whose producers have `memory` receipts and little room, on a store that fails for a while: what they hold fills
 * their buffers, so they send nothing
 * from which they could learn that it was lost. Only progress is judged: places that failed commits take back are given
 * to others, for which a history has no words.
 */
const SEEDS = [3, 5, 6, 7, 8, 9, 25, 30];

describe("producers with memory receipts, when commits fail", () => {
  it.each(SEEDS)("are told, and go on (seed %i)", async (seed) => {
    const plan = makePlan(seed);
    const { problems } = await runPlan({
      ...plan,
      producers: plan.producers.map((each) => ({ ...each, durability: "memory", bufferMessagesMax: 4 })),
      faults: [{ atMs: plan.load.overMs - 1_500, kind: "failStore", rate: 1, forMs: 900 }],
      load: { ...plan.load, messages: 200 },
      orders: [],
    });
    expect(problems.filter(({ promise }) => promise === "P8" || promise === "P11")).toEqual([]);
  });
});
