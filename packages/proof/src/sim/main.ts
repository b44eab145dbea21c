// npm run sim -- --seeds 1000 --from 1        runs a range of seeds
// npm run sim -- --seeds 1000 --drawn         runs seeds drawn from the commit's hash; `--minutes 5`: as many as come
// npm run sim -- --seed 4711 --trace          runs one, with its whole history
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { describePlan, type RunResult, runPlan, SOMETIMES, shrink } from "@seriatim/testing";
import { SingleBar } from "cli-progress";
import { Command } from "commander";
import { type DrawSource, drawSource } from "../draw-source.ts";
import { drawnSeeds } from "../drawn.ts";
import { numberAbove0, numberFrom } from "../number-option.ts";
import { provenance } from "../provenance.ts";
import { planOf, type SeedJob, type SeedOutcome } from "./seed-outcome.ts";
import { runSeeds } from "./seed-pool.ts";
import { Totals } from "./totals.ts";

interface Options {
  readonly seeds: number;
  readonly from: number;
  readonly drawn?: string | true;
  readonly seed?: number;
  readonly minutes?: number;
  readonly list: boolean;
  readonly messages?: number;
  readonly threads: number;
  readonly trace: boolean;
  readonly hashes: boolean;
  readonly shrink: boolean;
  readonly keepGoing: boolean;
  readonly json?: string;
}
/** With this many seeds, each rare situation has to have come up. */
const ENOUGH_SEEDS = 1_000;
const FAILURES_MAX = 10;
/** Shrinking takes some dozens of runs: for the first few that fail. */
const SHRUNK_MAX = 3;

const program = new Command("sim")
  .description("Runs Seriatim in a deterministic simulation, under faults, and holds every run against the promises.")
  .option("--seeds <n>", "how many seeds", numberFrom(0), 100)
  .option("--from <seed>", "the first one", numberFrom(0), 1)
  .option("--drawn [hash]", "instead of a range: drawn from this hash (default: the commit's), always the same ones")
  .option("--seed <seed>", "only this one", numberFrom(0))
  .option("--minutes <n>", "begin none after so long", numberAbove0)
  .option("--list", "print the seeds, and run none", false)
  .option("--messages <n>", "messages of each run (default: as its plan says)", numberFrom(0))
  .option("--threads <n>", "threads; 0: none but the main one", numberFrom(0), availableParallelism())
  .option("--trace", "with --seed: print the history of the run", false)
  .option("--hashes", "print each seed's trace hash, and nothing else", false)
  .option("--no-shrink", "do not look for smaller plans that fail the same way")
  .option("--keep-going", `do not stop at the ${FAILURES_MAX}th seed that fails`, false)
  .option("--json <file>", "write the totals there")
  .parse();
process.on("unhandledRejection", (error) => {
  console.error("\nunhandled rejection", error);
  process.exitCode = 1;
});
const options = program.opts<Options>();
process.exitCode = options.seed === undefined ? await runMany(options) : await runOne(options, options.seed);

async function runOne({ messages, trace, shrink: smaller }: Options, seed: number): Promise<number> {
  const result = await runPlan(planOf({ seed, messages: messages ?? null }));
  if (trace) for (const line of result.history) console.log(JSON.stringify(line));
  console.log(`${describePlan(result.plan)}\ntrace hash ${result.traceHash}, ${result.virtualMs} virtual ms`);
  if (result.problems.length === 0) {
    console.log("every promise was kept");
    return 0;
  }
  tellProblems(result.problems);
  if (smaller) tellShrunk(await shrink(result));
  return 1;
}

async function runMany(options: Options) {
  const { seeds, from, minutes, messages, threads, hashes, shrink: smaller, keepGoing, json } = options;
  const started = performance.now();
  const source = drawn(options);
  const chosen = [...seedsOf(options, source?.hash)];
  const about = source === null ? `from ${from}` : `drawn from ${source.of}`;
  if (options.list) {
    console.log(chosen.join("\n"));
    return 0;
  }
  const isOver = (): boolean => minutes !== undefined && performance.now() - started > minutes * 60_000;
  const madeOn = json === undefined ? null : provenance();
  const totals = new Totals();
  const bar =
    process.stderr.isTTY && !hashes
      ? new SingleBar({ format: "{bar} {value} of {total} seeds, {failed} failed, {eta_formatted} to go" })
      : null;
  bar?.start(seeds, 0, { failed: 0 });
  await runSeeds(jobs(), Math.min(threads, seeds), (outcome) => {
    totals.add(outcome);
    if (hashes) console.log(`${outcome.seed} ${outcome.traceHash}`);
    if (outcome.problems.length > 0) tell(outcome);
    bar?.update(totals.seeds, { failed: totals.failed.length });
    return !isOver() && (keepGoing || totals.failed.length < FAILURES_MAX);
  });
  bar?.stop();
  const seconds = (performance.now() - started) / 1_000;
  const { failed, never } = totals;
  const missed = totals.seeds >= ENOUGH_SEEDS ? never : [];
  if (json !== undefined) {
    const which = source === null ? { from } : { drawnFrom: source.hash };
    const all = { ...madeOn, ...which, asked: seeds, ...totals, never, seconds, threads };
    writeFileSync(json, `${JSON.stringify(all, null, 2)}\n`);
  }
  if (!hashes) {
    const verdict =
      failed.length === 0 ? "every promise was kept" : `FAILED ${failed.map(({ seed }) => seed).join(", ")}`;
    console.log(
      `${totals.seeds} seeds ${about}${totals.seeds < seeds ? ` (of ${seeds})` : ""}, ${totals.messages} messages, ${totals.historyLines} history lines, ${(totals.virtualMs / 3_600_000).toFixed(1)} virtual h in ${seconds.toFixed(1)} s: ${verdict}`,
    );
    console.log(SOMETIMES.map((name) => `${name} ${totals.sometimes[name]}`).join("  "));
    if (never.length > 0)
      console.log(
        `never: ${never.join(", ")}${missed.length > 0 ? ": FAILED, so many seeds must meet everything" : ""}`,
      );
  }
  return failed.length === 0 && missed.length === 0 ? 0 : 1;

  function* jobs(): Generator<SeedJob> {
    for (const seed of chosen)
      yield { seed, messages: messages ?? null, shrink: smaller && totals.failed.length < SHRUNK_MAX };
  }
  function tell({ seed, problems, shrunk }: SeedOutcome): void {
    console.log(`\n${describePlan(planOf({ seed, messages: messages ?? null }))}`);
    tellProblems(problems);
    if (shrunk !== null) tellShrunk(shrunk);
    console.log(
      `  replay: npm run sim -- --seed ${seed}${messages === undefined ? "" : ` --messages ${messages}`} --trace`,
    );
  }
}

/** What the seeds are drawn from; `null`: they are a range. */
function drawn({ drawn: from }: Options): DrawSource | null {
  if (from === undefined) return null;
  return drawSource(from === true ? null : from);
}
function* seedsOf({ seeds, from }: Options, hash: string | undefined): Generator<number> {
  const draw = hash === undefined ? null : drawnSeeds(hash);
  for (let n = 0; n < seeds; n++) yield draw === null ? from + n : draw.next().value;
}

function tellShrunk({ plan, problems }: Pick<RunResult, "plan" | "problems">): void {
  console.log(`\nthe same with less:\n${describePlan(plan)}`);
  tellProblems(problems);
}
function tellProblems(problems: RunResult["problems"]): void {
  for (const { promise, text, atMs } of problems.slice(0, 5))
    console.log(`  ${promise}${atMs === null ? "" : ` at ${atMs} ms`}: ${text}`);
  if (problems.length > 5) console.log(`  … and ${problems.length - 5} more`);
}
