// npm run bench: ours and what a user would pick instead, side by side. Every row verifies order, loss and repetitions, and fails otherwise.
import { writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { Command, InvalidArgumentError } from "commander";
import { compare } from "./frame/compare.ts";
import { measure } from "./frame/measure.ts";
import { BODY_BYTES_MIN } from "./frame/message.ts";
import { find } from "./frame/programs.ts";
import { runRounds } from "./frame/rounds.ts";
import type { Row } from "./frame/row.ts";
import type { Load } from "./frame/system.ts";
import { figuresOf, type Report } from "./report/figures.ts";
import { tablesOf } from "./report/tables.ts";
import { comparisons } from "./scenarios/comparisons.ts";
import { latency } from "./scenarios/latency.ts";
import { size } from "./scenarios/size.ts";
import { throughput } from "./scenarios/throughput.ts";

const from = (least: number) => (text: string) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least)
    throw new InvalidArgumentError(`expected a whole number from ${least}`);
  return value;
};
const program = new Command("bench")
  .description(
    "Measures ordered messages, ours beside every peer that is installed. Every row verifies order and loss.",
  )
  .option("--messages <n>", "messages per run", from(1), 100_000)
  .option("--bytes <n>", `bytes of a body, at least ${BODY_BYTES_MIN}`, from(BODY_BYTES_MIN), 200)
  .option("--keys <n>", "ordering keys", from(1), 64)
  .option("--queues <n>", "queues of the topic", from(1), 8)
  .option("--window <n>", "sends not yet acknowledged", from(1), 1_024)
  .option("--seconds <n>", "length of a latency row", from(1), 10)
  .option("--rounds <n>", "rounds; the rows of a round run one after another", from(1), 5)
  .option("--scenario <names>", "throughput, latency, size; separated by commas", "throughput,latency")
  .option("--only <texts>", "only rows whose names have one of these texts in them; separated by semicolons")
  .option("--list", "print the rows and what they need, and end")
  .option("--charts [folder]", "write SVG charts there (default: docs/charts)")
  .option("--json [file]", "write the figures as one JSON object there, or print them as the last line")
  .parse();
const options = program.opts<{
  messages: number;
  bytes: number;
  keys: number;
  queues: number;
  window: number;
  seconds: number;
  rounds: number;
  scenario: string;
  only?: string;
  list?: true;
  charts?: string | true;
  json?: string | true;
}>();
const { messages, bytes, keys, queues, window, rounds } = options;

const scenarios: Readonly<Record<string, readonly Row[]>> = {
  throughput,
  latency: latency(options.seconds),
  size: size(messages),
};
const asked = options.scenario.split(",").flatMap((name) => {
  const rows = scenarios[name.trim()];
  return rows ?? program.error(`which scenario? expected ${Object.keys(scenarios).join(", ")}, found "${name}"`);
});
const only = options.only?.split(";").map((text) => text.trim().toLowerCase());
const chosen = asked.filter(({ name }) => only?.some((text) => name.toLowerCase().includes(text)) ?? true);
const missing = (row: Row): boolean => row.program !== undefined && find(row.program) === undefined;
const rows = chosen.filter((row) => !missing(row));
const skipped = chosen
  .filter(missing)
  .map((row) => ({ row: row.name, debianPackage: row.program?.debianPackage ?? "" }));
const loadOf = (row: Row): Load => ({
  messages: Math.max(1, Math.round(messages * (row.share ?? 1))),
  bytes,
  keys,
  queues,
  window,
  strict: false,
  perSecond: 0,
  warmUp: 0,
  ...row.load,
});

process.once("SIGINT", () => process.exit(130)); // servers and folders are removed at exit
process.once("SIGTERM", () => process.exit(143));

if (options.list === true) {
  for (const row of chosen) {
    const needs = missing(row) ? `, needs the Debian package ${row.program?.debianPackage}` : "";
    console.log(`${row.scenario}  ${row.name}  (durable before the ack: ${row.durable}${needs})`);
  }
} else if (rows.length === 0) {
  program.error("no row is left to run; --list shows them");
} else {
  const results = await runRounds(
    rows,
    rounds,
    (row) => measure(row, loadOf(row)),
    ({ row, round, outcome }) =>
      console.error(
        `round ${round}/${rounds}  ${row.name}: ${
          outcome instanceof Error
            ? `FAILED: ${outcome.message}`
            : outcome.latency === undefined
              ? `${Math.round(outcome.messagesPerSecond).toLocaleString("en")} msgs/s`
              : `p50 ${outcome.latency.p50Ms.toFixed(2)} ms, p99 ${outcome.latency.p99Ms.toFixed(2)} ms`
        }`,
      ),
  );
  const report: Report = {
    load: { messages, bytes, keys, queues },
    rounds,
    node: process.version,
    cores: cpus().length,
    rows: figuresOf(rows, results, (row) => loadOf(row).messages),
    ratios: compare(comparisons, results),
    skipped,
    failures: results.failures,
  };
  console.log(tablesOf(report));
  if (options.charts !== undefined) {
    const { writeCharts } = await import("./report/charts.ts");
    for (const file of await writeCharts(report, options.charts === true ? "docs/charts" : options.charts))
      console.log(`wrote ${file}`);
  }
  if (typeof options.json === "string") await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
  else if (options.json === true) console.log(JSON.stringify(report));
  if (results.failures.length > 0) process.exitCode = 1;
}
