import type { HistoryEvent } from "../../history/history-event.ts";
import type { PromiseId } from "../../history/verdict.ts";

/** What a seed came to grief on: a promise of the framework, the `check`, or what a process threw. */
export interface SimulationProblem {
  readonly broken: PromiseId | "check" | "process";
  readonly text: string;
  /** Virtual ms since the start; of what only showed at the end: null. */
  readonly atMs: number | null;
  /** What was thrown, by `check` or by a process. */
  readonly cause?: unknown;
}

/** A seed failed. Its message names the seed, what was broken, the plan and the line that runs it again. */
export class SimulationError extends Error {
  override readonly name = "SimulationError";
  readonly code = "SIMULATION_FAILED";
  readonly retryable = false;
  readonly seed: number;
  /** At least one. */
  readonly problems: readonly SimulationProblem[];
  /** As it is printed. */
  readonly plan: string;
  readonly traceHash: string;
  readonly history: readonly HistoryEvent[];

  constructor(of: {
    readonly seed: number;
    readonly problems: readonly SimulationProblem[];
    readonly plan: string;
    readonly traceHash: string;
    readonly history: readonly HistoryEvent[];
    /** Running the same seed again took another course. */
    readonly isUnsteady: boolean;
  }) {
    const [first] = of.problems;
    super(describe(of), first !== undefined && "cause" in first ? { cause: first.cause } : undefined);
    this.seed = of.seed;
    this.problems = of.problems;
    this.plan = of.plan;
    this.traceHash = of.traceHash;
    this.history = of.history;
  }
}

const SHOWN = 3;
const BROKEN: Readonly<Record<string, string>> = { check: "the check failed", process: "a process failed" };

function describe(of: ConstructorParameters<typeof SimulationError>[0]): string {
  const { seed, problems, plan, isUnsteady } = of;
  const lines = [`seed ${seed} fails (${problems.length === 1 ? "1 problem" : `${problems.length} problems`})`];
  for (const { broken, text, atMs } of problems.slice(0, SHOWN))
    lines.push(`${BROKEN[broken] ?? `${broken} broken`}${atMs === null ? "" : ` at ${Math.round(atMs)} ms`}: ${text}`);
  lines.push(`the plan of ${plan}`, `run it again with: seeds: [${seed}]`);
  if (isUnsteady)
    lines.push(
      "But it took another course when it was run again: something in these processes takes real time, real randomness, or keeps state outside shared().",
    );
  return lines.join("\n");
}
