import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleSimulation } from "./bundle.ts";
import type { Mutant } from "./mutant.ts";
import { runTrial, type TrialOptions } from "./trial.ts";

/** What became of one mutant. */
export interface MutantResult {
  readonly name: string;
  readonly breaks: string;
  readonly promises: readonly string[];
  readonly file: string;
  readonly caught: boolean;
  /** Seeds run: the last of them caught it, if any did. */
  readonly seeds: number;
  /** The promise that was broken first. */
  readonly caughtBy: string | null;
  readonly evidence: string | null;
  readonly seconds: number;
}
export interface MutantsRun {
  readonly root: string;
  readonly mutants: readonly Mutant[];
  /** At most so many for each. */
  readonly seeds: number;
  /** Seeds that the unchanged product has to pass first. */
  readonly controlSeeds: number;
  readonly atOnce: number;
  readonly onResult: (result: MutantResult) => void;
  readonly trial?: TrialOptions;
}

/** Runs each mutant's seeds. @throws when the unchanged product has a problem at a seed that counts: then nothing is proved about the mutants */
export async function runMutants({ root, mutants, seeds, controlSeeds, ...run }: MutantsRun): Promise<MutantResult[]> {
  const folder = await mkdtemp(join(tmpdir(), "seriatim-mutants-"));
  try {
    const unchanged = await bundleSimulation(root, null, folder);
    const requireClean = async (from: number, count: number): Promise<void> => {
      const { caughtBy, seeds: at } = await runTrial(unchanged, count, { ...run.trial, from });
      if (caughtBy !== null)
        throw new Error(`the unchanged product breaks ${caughtBy.promise} at seed ${at}: ${caughtBy.text}`);
    };
    await requireClean(1, controlSeeds);
    /** A mutant is caught only where the product without it passes. */
    const controls = new Map<number, Promise<void>>();
    const control = (seed: number): Promise<void> => {
      const known = controls.get(seed) ?? (seed <= controlSeeds ? Promise.resolve() : requireClean(seed, 1));
      controls.set(seed, known);
      return known;
    };
    const results: MutantResult[] = [];
    const queue = [...mutants];
    const work = async (): Promise<void> => {
      for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
        const started = performance.now();
        const bundle = await bundleSimulation(root, mutant, folder);
        const trial = await runTrial(bundle, seeds, run.trial);
        if (trial.caughtBy !== null) await control(trial.seeds);
        const { name, breaks, promises, file } = mutant;
        const result: MutantResult = {
          name,
          breaks,
          promises,
          file,
          caught: trial.caughtBy !== null,
          seeds: trial.seeds,
          caughtBy: trial.caughtBy?.promise ?? null,
          evidence: trial.caughtBy?.text.split("\n")[0] ?? null,
          seconds: Math.round((performance.now() - started) / 100) / 10,
        };
        results.push(result);
        run.onResult(result);
      }
    };
    await Promise.all(Array.from({ length: run.atOnce }, work));
    return mutants.flatMap(({ name }) => results.filter((result) => result.name === name));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
