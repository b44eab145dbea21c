import type { Plan } from "./plan.ts";
import { type RunResult, runPlan } from "./run-plan.ts";

const MESSAGES_MIN = 10;

/**
 * A smaller plan that breaks the same promise: without the faults, orders and processes that do not matter, and with fewer messages.
 * Tries at most `runsMax` runs; each step keeps what still fails.
 */
export async function shrink(failed: RunResult, runsMax = 60): Promise<RunResult> {
  const promise = failed.problems[0]?.promise;
  let best = failed;
  let runs = 0;
  const attempt = async (plan: Plan): Promise<boolean> => {
    if (runs++ >= runsMax) return false;
    const result = await runPlan(plan);
    if (!result.problems.some((problem) => problem.promise === promise)) return false;
    best = result;
    return true;
  };
  for (let before: Plan | null = null; before !== best.plan && runs < runsMax; ) {
    before = best.plan;
    for (let at = best.plan.faults.length - 1; at >= 0; at--)
      await attempt({ ...best.plan, faults: best.plan.faults.filter((_, index) => index !== at) });
    if (best.plan.orders.length > 0) await attempt({ ...best.plan, orders: [] });
    for (let at = best.plan.orders.length - 1; at >= 0; at--)
      await attempt({ ...best.plan, orders: best.plan.orders.filter((_, index) => index !== at) });
    for (let at = best.plan.consumers.length - 1; at > 0; at--)
      await attempt({ ...best.plan, consumers: best.plan.consumers.filter((_, index) => index !== at) });
    for (let at = best.plan.producers.length - 1; at > 0; at--)
      await attempt({ ...best.plan, producers: best.plan.producers.filter((_, index) => index !== at) });
    const { messages } = best.plan.load;
    if (messages > MESSAGES_MIN)
      await attempt({ ...best.plan, load: { ...best.plan.load, messages: Math.floor(messages / 2) } });
  }
  return best;
}
