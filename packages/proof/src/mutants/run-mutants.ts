import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleMutants } from "./bundle.ts";
import type { Mutant } from "./mutant.ts";
import { type TrialOptions, Trials } from "./trial.ts";

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
  /** In each seed's run. */
  readonly messages: number;
  /** Seeds that the unchanged product has to pass first. */
  readonly controlSeeds: number;
  readonly atOnce: number;
  readonly onResult: (result: MutantResult) => void;
  readonly trial?: TrialOptions;
}

/** Runs each mutant's seeds. @throws when the unchanged product has a problem at a seed that counts: then nothing is proved about the mutants */
export async function runMutants({ root, mutants, seeds, messages, ...run }: MutantsRun): Promise<MutantResult[]> {
  const folder = await mkdtemp(join(tmpdir(), "seriatim-mutants-"));
  const started: Trials[] = [];
  try {
    const bundle = await bundleMutants(root, mutants, folder);
    const requireClean = async (trials: Trials, from: number, count: number): Promise<void> => {
      const { caughtBy, seeds: at } = await trials.run({ mutant: null, from, seeds: count, messages });
      if (caughtBy !== null)
        throw new Error(`the unchanged product breaks ${caughtBy.promise} at seed ${at}: ${caughtBy.text}`);
    };
    /** A mutant is caught only where the product without it passes. */
    const controls = new Map<number, Promise<void>>();
    const control = (trials: Trials, seed: number): Promise<void> => {
      const known = controls.get(seed) ?? requireClean(trials, seed, 1);
      controls.set(seed, known);
      return known;
    };
    const results: MutantResult[] = [];
    const queue = [...mutants];
    const work = async (trials: Trials): Promise<void> => {
      for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
        const from = performance.now();
        const { name, breaks, promises, file } = mutant;
        const trial = await trials.run({ mutant: name, from: 1, seeds, messages });
        if (trial.caughtBy !== null) await control(trials, trial.seeds);
        const result: MutantResult = {
          name,
          breaks,
          promises,
          file,
          caught: trial.caughtBy !== null,
          seeds: trial.seeds,
          caughtBy: trial.caughtBy?.promise ?? null,
          evidence: trial.caughtBy?.text.split("\n")[0] ?? null,
          seconds: Math.round((performance.now() - from) / 100) / 10,
        };
        results.push(result);
        run.onResult(result);
      }
    };
    const trials = (): Trials => {
      const each = new Trials(bundle, run.trial);
      started.push(each);
      return each;
    };
    const first = trials();
    await requireClean(first, 1, run.controlSeeds);
    for (let seed = 1; seed <= run.controlSeeds; seed++) controls.set(seed, Promise.resolve());
    await Promise.all(Array.from({ length: run.atOnce }, (_, index) => work(index === 0 ? first : trials())));
    return mutants.flatMap(({ name }) => results.filter((result) => result.name === name));
  } finally {
    for (const each of started) each.close();
    await rm(folder, { recursive: true, force: true });
  }
}
