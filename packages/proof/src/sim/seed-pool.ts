import { Worker } from "node:worker_threads";
import { runSeed, type SeedJob, type SeedOutcome } from "./seed-outcome.ts";

/** Young generation of a thread, MB: a run's history and packets die young. */
const YOUNG_MB = 64;

/**
 * Runs the jobs on `threads` threads, or on this one when it is 0.
 * Outcomes come as they are ready; stops taking jobs once `onOutcome` returns false.
 */
export async function runSeeds(
  jobs: Iterable<SeedJob>,
  threads: number,
  onOutcome: (outcome: SeedOutcome) => boolean,
): Promise<void> {
  const queue = jobs[Symbol.iterator]();
  let open = true;
  const take = (): SeedJob | undefined => {
    if (!open) return undefined;
    const { value, done } = queue.next();
    return done === true ? undefined : value;
  };
  const tell = (outcome: SeedOutcome): void => {
    if (open && !onOutcome(outcome)) open = false;
  };
  if (threads === 0) {
    for (let job = take(); job !== undefined; job = take()) tell(await runSeed(job));
    return;
  }
  await Promise.all(Array.from({ length: threads }, () => runThread(take, tell)));
}

function runThread(take: () => SeedJob | undefined, tell: (outcome: SeedOutcome) => void): Promise<void> {
  const worker = new Worker(new URL("./seed-worker.js", import.meta.url), {
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
  return new Promise((resolve, reject) => {
    let current: SeedJob | undefined;
    const next = (): void => {
      current = take();
      if (current === undefined) void worker.terminate().then(() => resolve());
      else worker.postMessage(current);
    };
    worker.on("message", (outcome: SeedOutcome) => {
      tell(outcome);
      next();
    });
    worker.on("error", (cause) =>
      reject(new Error(`seed ${current?.seed} ended its thread: ${cause.message}`, { cause })),
    );
    next();
  });
}
