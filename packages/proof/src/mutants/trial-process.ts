// usage: trial-process BUNDLE FROM SEEDS: runs the seeds of a bundled simulation until one has a problem, and tells its parent of each.
import { pathToFileURL } from "node:url";
import type { SeedReport } from "./trial-report.ts";

type Simulation = Pick<typeof import("@seriatim/actors/testing"), "makePlan" | "runPlan">;

const [bundle = "", from = "1", seeds = "1"] = process.argv.slice(2);
let seed = Number(from);
const last = seed + Number(seeds) - 1;
const tell = (report: SeedReport): Promise<void> =>
  new Promise((resolve) => {
    process.send?.(report, () => resolve());
  });
/** What nobody caught would have ended a real process. */
const crashed = (error: unknown): void => {
  const text = `nobody caught ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  void tell({ seed, problem: { promise: "P11", text } }).then(() => process.exit(0));
};
process.on("unhandledRejection", crashed);
process.on("uncaughtException", crashed);

const { makePlan, runPlan }: Simulation = await import(pathToFileURL(bundle).href);
for (; seed <= last; seed++) {
  const { problems } = await runPlan(makePlan(seed));
  const [first] = problems;
  await tell({ seed, problem: first === undefined ? null : { promise: first.promise, text: first.text } });
  if (first !== undefined) break;
}
process.disconnect?.();
