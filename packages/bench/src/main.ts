// npm run bench: ours and what a user would pick instead, side by side. Every row verifies order, loss and repetitions, and fails otherwise.
import { readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { Command, InvalidArgumentError } from "commander";
import { writeCapacity } from "./capacity/write-capacity.ts";
import { compare, hold } from "./frame/compare.ts";
import { BODY_BYTES_MIN } from "./frame/message.ts";
import { find } from "./frame/programs.ts";
import { type Results, runRounds } from "./frame/rounds.ts";
import type { Measured, Row } from "./frame/row.ts";
import { LOAD, type Load } from "./frame/system.ts";
import { measure } from "./measure.ts";
import { figuresOf, type Report } from "./report/figures.ts";
import { tablesOf } from "./report/tables.ts";
import { bars, comparisons } from "./scenarios/comparisons.ts";
import { rowsOf, scenariosOf, USUAL } from "./scenarios/scenarios.ts";

const from = (least: number) => (text: string) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least)
    throw new InvalidArgumentError(`expected a whole number from ${least}`);
  return value;
};
const scenarioNames = Object.keys(scenariosOf({ messages: 1, seconds: 1, most: 1, backlogBytes: 1 })).join(", ");
const program = new Command("bench")
  .description(
    "Measures ordered messages, ours beside every peer that is installed. Every row verifies order and loss.",
  )
  .option("--messages <n>", "messages per run", from(1), 100_000)
  .option(
    "--warm-up <percent>",
    "messages that a row sends before its clock starts, as % of those it measures",
    from(0),
    50,
  )
  .option("--bytes <n>", `bytes of a body, at least ${BODY_BYTES_MIN}`, from(BODY_BYTES_MIN), 200)
  .option("--keys <n>", "ordering keys", from(1), 64)
  .option("--queues <n>", "queues of the topic", from(1), 8)
  .option("--window <n>", "sends not yet acknowledged", from(1), 1_024)
  .option("--seconds <n>", "length of a latency row", from(1), 10)
  .option("--most <n>", "the most queues, keys or stored messages of rows that are about how many", from(1), 1_000_000)
  .option("--backlog-bytes <n>", "backlog beside which the broker's memory is watched", from(1), 2 ** 30)
  .option("--rounds <n>", "rounds; the rows of a round run one after another", from(1), 5)
  .option("--scenario <names>", `some of ${scenarioNames}, separated by commas; or all`, USUAL)
  .option("--only <texts>", "only rows whose names have one of these texts in them; separated by semicolons")
  .option("--list", "print the rows and what they need, and end")
  .option("--charts [page]", "write SVG charts beside that page, and show them in it (default: docs/performance.md)")
  .option("--capacity [page]", "write the tables of the capacity model into that page (default: docs/capacity.md)")
  .option("--from <file>", "take the figures of an earlier run from its JSON file, and run nothing")
  .option(
    "--json [file]",
    "write the figures as one JSON object there, after each round, or print them as the last line",
  )
  .parse();
const options = program.opts<{
  messages: number;
  warmUp: number;
  bytes: number;
  keys: number;
  queues: number;
  window: number;
  seconds: number;
  most: number;
  backlogBytes: number;
  rounds: number;
  scenario: string;
  only?: string;
  list?: true;
  charts?: string | true;
  capacity?: string | true;
  from?: string;
  json?: string | true;
}>();
const { messages, bytes, keys, queues, window, rounds } = options;

const asked = ((): readonly Row[] => {
  try {
    return rowsOf(options.scenario, options);
  } catch (error) {
    return program.error(error instanceof Error ? error.message : String(error));
  }
})();
const only = options.only?.split(";").map((text) => text.trim().toLowerCase());
const chosen = asked.filter(({ name }) => only?.some((text) => name.toLowerCase().includes(text)) ?? true);
const missing = (row: Row): boolean => row.program !== undefined && find(row.program) === undefined;
const rows = chosen.filter((row) => !missing(row));
const skipped = chosen
  .filter(missing)
  .map((row) => ({ row: row.name, debianPackage: row.program?.debianPackage ?? "" }));
function loadOf(row: Row): Load {
  const own = { messages: Math.max(1, Math.round(messages * (row.share ?? 1))), ...row.load };
  const warmUp = Math.round((own.messages * options.warmUp) / 100);
  return { ...LOAD, warmUp, bytes, keys, queues, window, ...own };
}
function inShort({ messagesPerSecond: rate, latency, figures }: Measured): string {
  if (latency !== undefined) return `p50 ${latency.p50Ms.toFixed(2)} ms, p99 ${latency.p99Ms.toFixed(2)} ms`;
  if (rate !== undefined) return `${Math.round(rate).toLocaleString("en")} msgs/s`;
  return Object.entries(figures ?? {})
    .map(([name, value]) => `${name}: ${Math.round(value).toLocaleString("en")}`)
    .join("; ");
}

const reportOf = (results: Results): Report => ({
  load: { messages, warmUpPercent: options.warmUp, bytes, keys, queues, window },
  rounds,
  node: process.version,
  cores: cpus().length,
  rows: figuresOf(rows, results, (row) => loadOf(row).messages),
  ratios: compare(comparisons, results),
  bars: hold(bars, results),
  skipped,
  failures: results.failures,
});

process.once("SIGINT", () => process.exit(130)); // servers and folders are removed at exit
process.once("SIGTERM", () => process.exit(143));

if (options.list === true) {
  for (const row of chosen) {
    const needs = missing(row) ? `, needs the Debian package ${row.program?.debianPackage}` : "";
    console.log(`${row.scenario}  ${row.name}  (durable before the ack: ${row.durable}${needs})`);
  }
} else {
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
  if (options.json === true) console.log(JSON.stringify(report));
  if (report.failures.length > 0) process.exitCode = 1;
}

async function run(): Promise<Report> {
  if (rows.length === 0) program.error("no row is left to run; --list shows them");
  const file = typeof options.json === "string" ? options.json : undefined;
  const results = await runRounds(
    rows,
    rounds,
    (row) => measure(row, loadOf(row)),
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
