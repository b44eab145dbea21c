import { makePlan, type Plan, type RunResult, runPlan, type Sometimes, shrink } from "@seriatim/testing";

/** What a run of one seed came to, small enough to be handed from thread to thread. */
export interface SeedOutcome {
  readonly seed: number;
  readonly traceHash: string;
  readonly historyLines: number;
  readonly messages: number;
  readonly virtualMs: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly sometimes: Readonly<Record<Sometimes, number>>;
  readonly problems: RunResult["problems"];
  /** A smaller plan that breaks the same promise; only where there are problems and one was looked for. */
  readonly shrunk: { readonly plan: Plan; readonly problems: RunResult["problems"] } | null;
}
export interface SeedJob {
  readonly seed: number;
  /** Instead of what the plan says. */
  readonly messages: number | null;
  readonly shrink: boolean;
}

export function planOf({ seed, messages }: Pick<SeedJob, "seed" | "messages">): Plan {
  const plan = makePlan(seed);
  return messages === null ? plan : { ...plan, load: { ...plan.load, messages } };
}
export async function runSeed(job: SeedJob): Promise<SeedOutcome> {
  const result = await runPlan(planOf(job));
  const smaller = result.problems.length > 0 && job.shrink ? await shrink(result) : null;
  const faults: Record<string, number> = {};
  for (const { kind } of result.plan.faults) faults[kind] = (faults[kind] ?? 0) + 1;
  return {
    seed: job.seed,
    traceHash: result.traceHash,
    historyLines: result.history.length,
    messages: result.plan.load.messages,
    virtualMs: result.virtualMs,
    faults,
    sometimes: result.sometimes,
    problems: result.problems,
    shrunk: smaller === null ? null : { plan: smaller.plan, problems: smaller.problems },
  };
}
