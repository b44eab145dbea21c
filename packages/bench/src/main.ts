// npm run bench: ours and what a user would pick instead, side by side, or ours before and after.
// Every row verifies order, loss and repetitions, and fails otherwise.
import { readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { changesOf } from "./against/change.ts";
import { type AgainstReport, againstText, exitCodeOf } from "./against/report.ts";
import { resultsOf, sidedRows } from "./against/sided.ts";
import { openSides } from "./against/sides.ts";
import { writeCapacity } from "./capacity/write-capacity.ts";
import { writeCost } from "./cost/write-cost.ts";
import { compare, hold } from "./frame/compare.ts";
import { backAndForth, type Results, runRounds } from "./frame/rounds.ts";
import type { Measured, Row } from "./frame/row.ts";
import { measure } from "./measure.ts";
import { optionsOf, program } from "./options.ts";
import { figuresOf, type Report } from "./report/figures.ts";
import { tablesOf } from "./report/tables.ts";
import { bars, comparisons } from "./scenarios/comparisons.ts";
import { loadOf, missing, type Selection, select } from "./selection.ts";

const options = optionsOf(process.argv.slice(2));
const { messages, bytes, keys, queues, window, rounds } = options;
const { chosen, rows, skipped } = selected();
const head = {
  load: { messages, warmUpPercent: options.warmUp, bytes, keys, queues, window },
  rounds,
  node: process.version,
  cores: cpus().length,
  skipped,
};

process.once("SIGINT", () => process.exit(130)); // servers and folders are removed at exit
process.once("SIGTERM", () => process.exit(143));
process.once("SIGHUP", () => process.exit(129));

if (options.list === true) list();
else if (rows.length === 0) program.error("no row is left to run; --list shows them");
else if (options.against !== undefined) await beforeAndAfter(options.against);
else await sideBySide();

function selected(): Selection {
  try {
    return select(options);
  } catch (error) {
    return refuse(error);
  }
}
function refuse(error: unknown): never {
  return program.error(error instanceof Error ? error.message : String(error));
}
function list(): void {
  for (const row of chosen) {
    const needs = missing(row) ? `, needs the Debian package ${row.program?.debianPackage}` : "";
    console.log(`${row.scenario}  ${row.name}  (durable before the ack: ${row.durable}${needs})`);
  }
}

async function sideBySide(): Promise<void> {
  const reportOf = (results: Results): Report => ({
    ...head,
    rows: figuresOf(rows, results, (row) => loadOf(row, options).messages),
    ratios: compare(comparisons, results),
    bars: hold(bars, results),
    failures: results.failures,
  });
  const run = (): Promise<Report> =>
    inRounds(backAndForth(rows), (row) => measure(row, loadOf(row, options)), reportOf);
  const report =
    options.from === undefined ? await run() : (JSON.parse(await readFile(options.from, "utf8")) as Report);
  console.log(tablesOf(report));
  if (options.charts !== undefined) {
    const { writeCharts } = await import("./report/write-charts.ts");
    const page = options.charts === true ? "docs/performance.md" : options.charts;
    for (const file of await writeCharts(report, page)) console.log(`wrote ${file}`);
  }
  if (options.capacity !== undefined) {
    const page = options.capacity === true ? "docs/capacity.md" : options.capacity;
    await writeCapacity(report, page);
    console.log(`wrote ${page}`);
  }
  if (options.cost !== undefined) {
    const page = options.cost === true ? "docs/security.md" : options.cost;
    await writeCost(report, page, options.note);
    console.log(`wrote ${page}`);
  }
  if (options.json === true) console.log(JSON.stringify(report));
  if (report.failures.length > 0) process.exitCode = 1;
}

async function beforeAndAfter(commitish: string): Promise<void> {
  const sides = await openSides(commitish, console.error).catch(refuse);
  const programs = { before: sides.before, after: sides.after, "before again": sides.before };
  const besidePeers = (results: Results, side: "before" | "after") =>
    compare(comparisons, resultsOf(rows, results, side)).filter(({ theirs }) =>
      rows.some(({ name, ours }) => !ours && name === theirs),
    );
  const reportOf = (results: Results): AgainstReport => ({
    ...head,
    commit: sides.commit,
    today: sides.today,
    withinPercent: options.within,
    changes: changesOf(rows, results, options.within / 100),
    beside: { before: besidePeers(results, "before"), after: besidePeers(results, "after") },
    failures: results.failures,
  });
  const report = await inRounds(
    (round) => sidedRows(rows, round),
    (row) => measure(row, loadOf(row, options), row.side && programs[row.side]),
    reportOf,
  );
  await sides.remove();
  console.log(againstText(report));
  if (options.json === true) console.log(JSON.stringify(report));
  process.exitCode = exitCodeOf(report);
}

/** Runs the rounds, telling of each run, and of all so far in the file after each round. */
async function inRounds<R extends Row, T>(
  rowsOf: (round: number) => readonly R[],
  run: (row: R) => Promise<Measured>,
  reportOf: (results: Results) => T,
): Promise<T> {
  const file = typeof options.json === "string" ? options.json : undefined;
  const results = await runRounds(
    rowsOf,
    rounds,
    run,
    ({ row, round, outcome }) =>
      console.error(
        `round ${round}/${rounds}  ${row.name}: ${outcome instanceof Error ? `FAILED: ${outcome.message}` : inShort(outcome)}`,
      ),
    async (soFar) => {
      if (file !== undefined) await writeFile(file, `${JSON.stringify(reportOf(soFar), null, 2)}\n`);
    },
  );
  return reportOf(results);
}
function inShort({ messagesPerSecond: rate, latency, figures }: Measured): string {
  if (latency !== undefined) return `p50 ${latency.p50Ms.toFixed(2)} ms, p99 ${latency.p99Ms.toFixed(2)} ms`;
  if (rate !== undefined) return `${Math.round(rate).toLocaleString("en")} msgs/s`;
  return Object.entries(figures ?? {})
    .map(([name, value]) => `${name}: ${Math.round(value).toLocaleString("en")}`)
    .join("; ");
}
