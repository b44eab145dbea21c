import { describePlan, type Plan, runPlan } from "@seriatim/testing";
import { describe, it } from "vitest";
import { REGRESSIONS } from "./regressions.ts";

const run = async (plan: Plan) => {
  const result = await runPlan(plan);
  if (result.problems.length > 0) {
    const problems = result.problems.slice(0, 3).map(({ promise, text }) => `${promise}: ${text}`);
    throw new Error(`${problems.join("\n")}\n${describePlan(result.plan)}`);
  }
  return result;
};

describe("under simulated faults", () => {
  it.each(REGRESSIONS)("$promise held, where it once did not: $broke (seed $plan.seed)", async ({ plan }) => {
    await run(plan);
  });
});
