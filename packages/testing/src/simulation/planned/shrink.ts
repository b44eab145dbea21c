import { fewest } from "../engine/fewest.ts";
import type { Plan } from "./plan.ts";
import { type RunResult, runPlan } from "./run-plan.ts";

const MESSAGES_MIN = 10;

/**
 * A smaller plan that breaks the same promise: without the faults, orders and processes that do not matter, and with
 * fewer messages.
 * Tries at most `runsMax` runs; each step keeps what still fails.
 */
export async function shrink(failed: RunResult, runsMax = 60): Promise<RunResult> {
  const promise = failed.problems[0]?.promise;
  let best = failed;
  let runs = 0;
  const fails = async (changed: Partial<Plan>): Promise<boolean> => {
    if (runs++ >= runsMax) return false;
    const result = await runPlan({ ...best.plan, ...changed });
    if (!result.problems.some((problem) => problem.promise === promise)) return false;
    best = result;
    return true;
  };
  for (let before: Plan | null = null; before !== best.plan && runs < runsMax; ) {
    before = best.plan;
    await fewest(best.plan.faults, (faults) => fails({ faults }));
    if (best.plan.orders.length > 0) await fails({ orders: [] });
    await fewest(best.plan.orders, (orders) => fails({ orders }));
    // one of each stays
    const [consumer, ...consumers] = best.plan.consumers;
    if (consumer !== undefined) await fewest(consumers, (others) => fails({ consumers: [consumer, ...others] }));
    const [producer, ...producers] = best.plan.producers;
    if (producer !== undefined) await fewest(producers, (others) => fails({ producers: [producer, ...others] }));
    const { messages, overMs } = best.plan.load;
    if (messages > MESSAGES_MIN) await fails({ load: { messages: Math.floor(messages / 2), overMs } });
  }
  return best;
}
