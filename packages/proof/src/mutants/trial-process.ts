// usage: trial-process BUNDLE: runs the seeds it is told to, each time until one has a problem, and tells its parent of
// each. One process for many: warm code is several times as fast.
import { pathToFileURL } from "node:url";
import type { SeedReport, TrialOrder } from "./trial-report.ts";

type Simulation = Pick<typeof import("@seriatim/testing"), "makePlan" | "runPlan"> & {
  readonly putIn: (mutant: string | null) => void;
};

const [bundle = ""] = process.argv.slice(2);
// errors are the everyday matter of these runs, and nobody reads where they came from
Error.stackTraceLimit = 0;
let seed = 0;
let isOver = false;
const tell = (report: SeedReport): Promise<void> =>
  new Promise((resolve) => {
    process.send?.({ ...report, type: "seed" }, () => resolve());
  });
/** What nobody caught would have ended a real process. */
const crashed = (error: unknown): void => {
  isOver = true;
  const text = `nobody caught ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  void tell({ seed, problem: { promise: "P11", text } }).then(() => process.exit(0));
};
process.on("unhandledRejection", crashed);
process.on("uncaughtException", crashed);

const simulation = import(pathToFileURL(bundle).href) as Promise<Simulation>;
process.on("message", (order: TrialOrder) => void run(order));

async function run({ mutant, from, seeds, messages }: TrialOrder): Promise<void> {
  seed = from;
  const { makePlan, runPlan, putIn } = await simulation;
  putIn(mutant);
  for (; seed < from + seeds; seed++) {
    const plan = makePlan(seed);
    const { problems } = await runPlan({ ...plan, load: { ...plan.load, messages } });
    await new Promise((resolve) => void setImmediate(resolve)); // what is thrown last is its seed's matter too
    if (isOver) return;
    const [first] = problems;
    await tell({ seed, problem: first === undefined ? null : { promise: first.promise, text: first.text } });
    if (first !== undefined) return;
  }
}
