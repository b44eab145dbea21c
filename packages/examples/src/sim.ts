// npm run sim -- --seeds 1000 --from 1        runs a range of seeds
// npm run sim -- --seed 4711 --trace          runs one, with its whole history
// npm run sim -- --seed 4711 --shrink         looks for a smaller plan that fails the same way
import {
  describePlan,
  makePlan,
  type RunResult,
  runPlan,
  SOMETIMES,
  type Sometimes,
  shrink,
} from "@seriatim/actors/testing";
import { Command, InvalidArgumentError } from "commander";

interface Options {
  readonly seeds: number;
  readonly from: number;
  readonly seed?: number;
  readonly trace: boolean;
  readonly shrink: boolean;
  readonly keepGoing: boolean;
}

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError("a whole number, 0 or more");
  return value;
};
const program = new Command("sim")
  .description("Runs Seriatim in a deterministic simulation, under faults, and holds every run against the promises.")
  .option("--seeds <n>", "how many seeds", whole, 100)
  .option("--from <seed>", "the first one", whole, 1)
  .option("--seed <seed>", "only this one", whole)
  .option("--trace", "print the history of the run", false)
  .option("--shrink", "look for a smaller plan that fails the same way", false)
  .option("--keep-going", "do not stop at the tenth seed that fails", false)
  .parse();
process.exitCode = await run(program.opts<Options>());

async function run(options: Options): Promise<number> {
  const totals = Object.fromEntries(SOMETIMES.map((name) => [name, 0])) as Record<Sometimes, number>;
  const count = options.seed === undefined ? options.seeds : 1;
  const from = options.seed ?? options.from;
  const started = performance.now();
  const failures: number[] = [];
  let lines = 0;
  process.on("unhandledRejection", (error) => {
    console.error("\nunhandled rejection", error);
    process.exitCode = 1;
  });
  for (let seed = from; seed < from + count; seed++) {
    const result = await runPlan(makePlan(seed));
    lines += result.history.length;
    for (const name of SOMETIMES) totals[name] += result.sometimes[name];
    if (options.trace) for (const line of result.history) console.log(JSON.stringify(line));
    if (result.problems.length > 0) {
      failures.push(seed);
      clearProgress();
      tell(result);
      if (options.shrink) tell(await shrink(result));
      if (failures.length === 10 && !options.keepGoing) break;
    } else if (count === 1)
      console.log(`${describePlan(result.plan)}\ntrace hash ${result.traceHash}, ${result.virtualMs} virtual ms`);
    progress(seed - from + 1, count, failures.length);
  }
  clearProgress();
  const took = (performance.now() - started) / 1_000;
  console.log(
    `${count} seeds from ${from}, ${lines} history lines, ${took.toFixed(1)} s: ${failures.length === 0 ? "every promise was kept" : `FAILED ${failures.join(", ")}`}`,
  );
  const never = SOMETIMES.filter((name) => totals[name] === 0);
  console.log(
    SOMETIMES.filter((name) => totals[name] > 0)
      .map((name) => `${name} ${totals[name]}`)
      .join("  "),
  );
  if (never.length > 0) console.log(`never: ${never.join(", ")}`);
  return failures.length === 0 ? 0 : 1;
}

function tell({ plan, problems, traceHash }: RunResult): void {
  console.log(`\n${describePlan(plan)}\ntrace hash ${traceHash}`);
  for (const { promise, text, atMs } of problems.slice(0, 5))
    console.log(`  ${promise}${atMs === null ? "" : ` at ${atMs} ms`}: ${text}`);
  if (problems.length > 5) console.log(`  … and ${problems.length - 5} more`);
  console.log(`  replay: npm run sim -- --seed ${plan.seed} --trace`);
}
function progress(done: number, count: number, failed: number): void {
  if (process.stderr.isTTY)
    process.stderr.write(`\r${done} of ${count} seeds${failed === 0 ? "" : `, ${failed} failed`} `);
}
function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K");
}
