import { describe, expect, it } from "vitest";
import { makePlan, runPlan } from "../index.ts";

/** Both in one process: what the first left there must not show in the second. */
describe("the simulation", () => {
  it("does the same again for the same seed", async () => {
    const hashOf = async (seed: number): Promise<string> => {
      const { problems, traceHash } = await runPlan(makePlan(seed));
      expect(problems, `seed ${seed}`).toEqual([]);
      return traceHash;
    };
    for (const seed of [2, 11, 17, 24, 29]) expect(await hashOf(seed)).toBe(await hashOf(seed));
  });
});
