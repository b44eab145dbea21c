import { TraceHash } from "../chance/trace-hash.ts";
import type { FaultPlan } from "../engine/fault-plan.ts";
import { fewest } from "../engine/fewest.ts";
import { SOMETIMES, type Sometimes } from "../watch/sometimes.ts";
import {
  describeSimulation,
  drawPlan,
  nameOfFault,
  SIMULATED_FAULTS,
  type SimulatedFault,
  type SimulationPlan,
} from "./draw-plan.ts";
import { type CheckedOptions, checkOptions, type SimulatedRun, type SimulationOptions } from "./options.ts";
import { runPrograms, type SimulationResult } from "./run-programs.ts";
import { SimulationError } from "./simulation-error.ts";

/** What all seeds together came to, when they passed. */
export interface SimulationReport {
  readonly runs: readonly SimulatedRun[];
  /** Of a single seed its own; of several, over theirs. */
  readonly traceHash: string;
  /** How often each rare situation came up: what stays at 0 was not tested. */
  readonly sometimes: Readonly<Record<Sometimes, number>>;
  /** How often each fault struck. */
  readonly faults: Readonly<Record<SimulatedFault, number>>;
  readonly historyLines: number;
  readonly virtualMs: number;
}

/**
 * Runs your processes with a broker in one simulated world, seed by seed: no real time, no real network; first faults
 * that the seed draws, then all is healed and
 * everything has to be dealt with. Holds each run's history against the promises, and calls your `check`.
 *
 * @throws (as rejection) `SimulationError` (`SIMULATION_FAILED`) of the first seed that fails; `OPTION_INVALID`
 */
export async function simulate<Shared = undefined>(options: SimulationOptions<Shared>): Promise<SimulationReport> {
  const checked = checkOptions(options);
  const processes = new Map<string, string>();
  for (const [kind, { count = 1 }] of Object.entries(checked.processes))
    for (let at = 1; at <= count; at++) processes.set(`${kind}-${at}`, kind);
  const runs: SimulatedRun[] = [];
  const sometimes = zeros(SOMETIMES);
  const faults = zeros(SIMULATED_FAULTS);
  for (const seed of checked.seeds) {
    const result = await runPrograms(drawPlan(seed, { ...checked, processes }), checked, checked.onLine);
    if (result.problems.length > 0) throw await failure(result, checked);
    const { traceHash, history, virtualMs, plan } = result;
    for (const name of SOMETIMES) sometimes[name] += result.sometimes[name];
    for (const fault of plan.faults) faults[nameOfFault(fault)]++;
    const run = { seed, traceHash, historyLines: history.length, virtualMs };
    runs.push(run);
    checked.onRun?.(run);
  }
  return {
    runs,
    traceHash: hashOf(runs),
    sometimes,
    faults,
    historyLines: sum(runs.map(({ historyLines }) => historyLines)),
    virtualMs: sum(runs.map(({ virtualMs }) => virtualMs)),
  };
}

/** Runs a failed seed again, to see that it takes the same course, and then without each of its faults. */
async function failure<Shared>(failed: SimulationResult, options: CheckedOptions<Shared>): Promise<SimulationError> {
  const { plan, problems, traceHash, history } = failed;
  const again = options.shrink === false ? failed : await runPrograms(plan, options);
  const isUnsteady = again.traceHash !== traceHash;
  const needed = options.shrink === false || isUnsteady ? null : await neededFaults(failed, options);
  const text = describeSimulation(plan, needed);
  return new SimulationError({ seed: plan.seed, problems, plan: text, traceHash, history, isUnsteady });
}
async function neededFaults<Shared>(
  { plan, problems }: SimulationResult,
  options: CheckedOptions<Shared>,
): Promise<readonly FaultPlan[]> {
  const broken = problems[0]?.broken;
  const fails = async (faults: readonly FaultPlan[]): Promise<boolean> => {
    const smaller: SimulationPlan = { ...plan, faults };
    return (await runPrograms(smaller, options)).problems.some((problem) => problem.broken === broken);
  };
  return (await fails([])) ? [] : fewest(plan.faults, fails);
}

function hashOf(runs: readonly SimulatedRun[]): string {
  const [first] = runs;
  if (first !== undefined && runs.length === 1) return first.traceHash;
  const hash = new TraceHash();
  for (const { traceHash } of runs) hash.text(traceHash);
  return hash.digest;
}
const zeros = <Name extends string>(names: readonly Name[]): Record<Name, number> =>
  Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
const sum = (of: readonly number[]): number => of.reduce((all, each) => all + each, 0);
