#!/usr/bin/env node
// check-history: holds the history that a run has written (all *.jsonl of one folder) against the promises P1 to P11.
// Exit code 0: nothing broken; 1: a promise is broken; 2: there is no history that could be checked.
import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import {
  checkHistory,
  type HistoryEvent,
  HistoryFormatError,
  PROMISES,
  type PromiseId,
  parseHistory,
  type Verdict,
} from "@seriatim/testing";
import Table from "cli-table3";
import { Command, CommanderError } from "commander";
import colors from "picocolors";

const IN_WORDS: Readonly<Record<PromiseId, string>> = {
  P1: "send order",
  P2: "no duplicate appends",
  P3: "no loss",
  P4: "exclusive",
  P5: "serial",
  P6: "no skipping",
  P7: "fenced",
  P8: "progress",
  P9: "accounted for",
  P10: "effectively once",
  P11: "refuses clearly",
};

/** Said in one line, without a stack: the folder or what is in it cannot be checked. */
class UnreadableHistory extends Error {}

/** What was read, counted on its way through. */
interface Reading {
  files: number;
  events: number;
  readonly processes: Set<string>;
}

async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = "";
  // Not readline: it also breaks lines at U+2028, which JSON text may hold.
  for await (const chunk of createReadStream(file, "utf8")) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}

async function* eventsIn(folder: string, reading: Reading): AsyncGenerator<HistoryEvent> {
  const names = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    throw new UnreadableHistory(
      cause.code === "ENOENT" ? `${folder} does not exist` : `${folder} cannot be read: ${cause.message}`,
    );
  });
  const files = names.filter((name) => name.endsWith(".jsonl")).sort();
  if (files.length === 0) throw new UnreadableHistory(`${folder} holds no history (no *.jsonl file)`);
  for (const name of files) {
    reading.files++;
    try {
      for await (const event of parseHistory(linesOf(join(folder, name)))) {
        reading.events++;
        reading.processes.add(event.process);
        yield event;
      }
    } catch (cause) {
      if (cause instanceof HistoryFormatError) throw new UnreadableHistory(`${name}, ${cause.message}`, { cause });
      throw cause;
    }
  }
  if (reading.events === 0)
    throw new UnreadableHistory(`${folder} holds no history (its ${files.length} *.jsonl files are empty)`);
}

function printVerdict(verdict: Verdict, shownMax: number): void {
  const table = new Table({
    head: ["promise", "", "checks", "violations"],
    colAligns: ["left", "left", "right", "right"],
    style: { head: [], border: [], compact: true },
  });
  for (const promise of PROMISES) {
    const [checks, broken] = [verdict.checks[promise], verdict.violationCounts[promise]];
    table.push([
      promise,
      IN_WORDS[promise],
      checks === 0 ? colors.yellow("0") : counted(checks),
      broken === 0 ? colors.green("0") : colors.red(counted(broken)),
    ]);
  }
  console.log(table.toString());
  for (const promise of PROMISES) {
    const violations = verdict.violations.filter((each) => each.promise === promise);
    for (const { text, events } of violations.slice(0, shownMax)) {
      console.log(`\n${colors.red(promise)} ${text}`);
      for (const event of events) console.log(colors.dim(`   ${JSON.stringify(event)}`));
    }
    const more = verdict.violationCounts[promise] - Math.min(shownMax, violations.length);
    if (more > 0) console.log(`\n${colors.red(promise)} and ${counted(more)} more`);
  }
}

function printSummary(verdict: Verdict, reading: Reading): void {
  const read = `${counted(reading.events)} events of ${counted(reading.processes.size)} processes in ${counted(reading.files)} files`;
  if (!verdict.clean) {
    const broken = PROMISES.filter((promise) => verdict.violationCounts[promise] > 0);
    console.log(`\n${read}: ${colors.red(`broken: ${broken.join(", ")}`)}`);
    return;
  }
  const silent = PROMISES.filter((promise) => verdict.checks[promise] === 0);
  const said = silent.length === 0 ? "" : ` (nothing said about ${silent.join(", ")})`;
  console.log(`\n${read}: ${colors.green("no promise broken")}${said}`);
}

function counted(count: number): string {
  return count.toLocaleString("en-US");
}

async function check(folder: string, shownMax: number): Promise<number> {
  const reading: Reading = { files: 0, events: 0, processes: new Set() };
  const verdict = await checkHistory(eventsIn(folder, reading));
  printVerdict(verdict, shownMax);
  printSummary(verdict, reading);
  return verdict.clean ? 0 : 1;
}

async function main(): Promise<number> {
  const command = new Command("check-history")
    .description("Holds the history of a run (all *.jsonl in a folder) against the promises P1 to P11.")
    .argument("<folder>", "where the run has written its history")
    .option("--show <count>", "violations to show of each promise", "10")
    .exitOverride();
  try {
    command.parse();
    const show = Number(command.opts<{ show: string }>().show);
    if (!Number.isSafeInteger(show) || show < 0)
      throw new UnreadableHistory(`--show takes a whole number, found ${command.opts()["show"]}`);
    return await check(command.args[0]!, show);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!(error instanceof UnreadableHistory || error instanceof HistoryFormatError)) throw error;
    console.error(`check-history: ${error.message}`);
    return 2;
  }
}

process.exitCode = await main();
