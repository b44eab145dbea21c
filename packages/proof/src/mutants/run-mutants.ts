import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleMutants } from "./bundle.ts";
import type { Mutant, MutantTest } from "./mutant.ts";
import { runTests } from "./test-trial.ts";
import { type TrialOptions, Trials } from "./trial.ts";

/** What became of one mutant. */
export interface MutantResult {
  readonly name: string;
  readonly breaks: string;
  readonly promises: readonly string[];
  readonly file: string;
  readonly caught: boolean;
  /** Seeds run: the last of them caught it, if any did. 0 of one that its test has to catch. */
  readonly seeds: number;
  /** The promise that was broken first, or `test`: its test has failed. */
  readonly caughtBy: string | null;
  readonly evidence: string | null;
  readonly seconds: number;
}
export interface MutantsRun {
  readonly root: string;
  readonly mutants: readonly Mutant[];
  /** At most so many for each. */
  readonly seeds: number;
  /** In each seed's run. */
  readonly messages: number;
  /** Seeds that the unchanged product has to pass first. */
  readonly controlSeeds: number;
  readonly atOnce: number;
  readonly onResult: (result: MutantResult) => void;
  /** Aborted when the time is over: mutants that were not tried to the end by then have no result. */
  readonly signal: AbortSignal;
  readonly trial?: TrialOptions;
}
type Caught = Pick<MutantResult, "seeds" | "caughtBy" | "evidence">;

/**
 * Runs each mutant's seeds, or its test, in this order.
 * @throws when the unchanged product has a problem at a seed that counts, or fails a test that does:
 * then nothing is proved about the mutants
 */
export async function runMutants(run: MutantsRun): Promise<MutantResult[]> {
  const { root, mutants, seeds, messages, signal } = run;
  const folder = await mkdtemp(join(tmpdir(), "seriatim-mutants-"));
  const started: Trials[] = [];
  const stop = (): void => {
    for (const each of started) each.close();
  };
  signal.addEventListener("abort", stop);
  try {
    const bundle = await bundleMutants(
      root,
      mutants.filter(({ test }) => test === undefined),
      folder,
    );
    const requireClean = async (trials: Trials, from: number, count: number): Promise<void> => {
      const { caughtBy, seeds: at } = await trials.run({ mutant: null, from, seeds: count, messages });
      if (caughtBy !== null && !signal.aborted)
        throw new Error(`the unchanged product breaks ${caughtBy.promise} at seed ${at}: ${caughtBy.text}`);
    };
    /** A mutant is caught only where the product without it passes. */
    const controls = new Map<number, Promise<void>>();
    const control = (trials: Trials, seed: number): Promise<void> => {
      const known = controls.get(seed) ?? requireClean(trials, seed, 1);
      controls.set(seed, known);
      return known;
    };
    const bySeeds = async (trials: Trials, { name }: Mutant): Promise<Caught> => {
      const { caughtBy, seeds: run } = await trials.run({ mutant: name, from: 1, seeds, messages });
      if (caughtBy !== null && !signal.aborted) await control(trials, run);
      return { seeds: run, caughtBy: caughtBy?.promise ?? null, evidence: caughtBy?.text.split("\n")[0] ?? null };
    };
    const byTest = async (mutant: Mutant, test: MutantTest): Promise<Caught> => {
      const [outcome] = await runTests(root, [test], mutant, signal);
      const failure = outcome?.failure ?? null;
      return { seeds: 0, caughtBy: failure === null ? null : "test", evidence: failure };
    };
    const results: MutantResult[] = [];
    const queue = [...mutants];
    const work = async (trials: Trials): Promise<void> => {
      for (let mutant = queue.shift(); mutant !== undefined && !signal.aborted; mutant = queue.shift()) {
        const from = performance.now();
        const { name, breaks, promises, file, test } = mutant;
        const caught = await (test === undefined ? bySeeds(trials, mutant) : byTest(mutant, test)).catch(unlessOver);
        if (caught === undefined || signal.aborted) return;
        const seconds = Math.round((performance.now() - from) / 100) / 10;
        const result = { name, breaks, promises, file, caught: caught.caughtBy !== null, ...caught, seconds };
        results.push(result);
        run.onResult(result);
      }
    };
    /** What was stopped may fail in any way. */
    const unlessOver = (error: unknown): undefined => {
      if (!signal.aborted) throw error;
    };
    const trials = (): Trials => {
      const each = new Trials(bundle, run.trial);
      started.push(each);
      return each;
    };
    const first = trials();
    await requireClean(first, 1, run.controlSeeds);
    for (let seed = 1; seed <= run.controlSeeds; seed++) controls.set(seed, Promise.resolve());
    await requirePassing(run).catch(unlessOver);
    await Promise.all(Array.from({ length: run.atOnce }, (_, index) => work(index === 0 ? first : trials())));
    return mutants.flatMap(({ name }) => results.filter((result) => result.name === name));
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
    await rm(folder, { recursive: true, force: true });
  }
}
/** A test shows a mutant only if it passes without. */
async function requirePassing({ root, mutants, signal }: MutantsRun): Promise<void> {
  const tests = mutants.flatMap(({ test }) => (test === undefined ? [] : [test]));
  if (tests.length === 0) return;
  const outcomes = await runTests(root, tests, null, signal);
  for (const [index, { failure }] of outcomes.entries())
    if (failure !== null) throw new Error(`the unchanged product fails "${tests[index]?.title}": ${failure}`);
}
