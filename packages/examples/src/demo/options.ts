import { ProgramError } from "@seriatim/rig";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import type { DemoOptions } from "./settings.ts";

/** A number in a range, or one clear line. */
const number =
  (from: number, to: number, kind: "whole" | "any" = "whole") =>
  (text: string): number => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    if (!(value >= from && value <= to) || (kind === "whole" && !Number.isInteger(value)))
      throw new InvalidArgumentError(`It must be a ${kind === "whole" ? "whole " : ""}number from ${from} to ${to}.`);
    return value;
  };
const path = (text: string): string => {
  if (text.trim() === "") throw new InvalidArgumentError("It must be a path.");
  return text;
};

const command = (): Command =>
  new Command("npm start --")
    .description(
      "Replays an event log through real processes (one broker, producers, consumers), strikes them with faults while\n" +
        "it runs, and holds what happened against the promises P1 to P9. Ends with status 0 only when every promise was kept.",
    )
    .option("--producers <n>", "producer processes; each owns a share of the keys", number(1, 32), 2)
    .option("--consumers <n>", "consumer processes, all in one group", number(1, 32), 3)
    .option("--queues <n>", "queues of the topic", number(1, 256), 8)
    .option("--concurrency <n>", "different keys of one queue handled side by side", number(1, 256), 1)
    .option("--fail-rate <share>", "share of handler calls that fail, from 0 to 1", number(0, 1, "any"), 0.01)
    .option("--poison <n>", "keys that carry a message no handler can manage", number(0, 10_000), 3)
    .addOption(
      new Option("--exhausted <policy>", "what happens to a message whose attempts are used up")
        .choices(["park", "dead-letter", "halt"])
        .default("park"),
    )
    .option("--no-faults", "leave the processes alone")
    .addOption(
      new Option("--transport <name>", "ws: processes over WebSocket; memory: the same actors in one process")
        .choices(["ws", "memory"])
        .default("ws"),
    )
    .addOption(
      new Option("--durability <level>", "when a send counts as done")
        .choices(["memory", "flushed", "synced"])
        .default("flushed"),
    )
    .option(
      "--rate <n>",
      "messages a second over all producers (default: chosen from the number of events)",
      number(1, 1_000_000),
    )
    .option(
      "--seed <n>",
      "decides the log, the failures, the poison and the faults (default: random, and printed)",
      number(0, 2 ** 31 - 1),
    )
    .option(
      "--orders <n>",
      "orders to generate when there is no --input, about 12 events each",
      number(1, 100_000),
      2_000,
    )
    .option("--input <file>", "replay this CSV file instead; needs --key and --time", path)
    .option("--key <column>", "column of --input that holds the ordering key")
    .option("--time <column>", "column of --input that holds the time of the event")
    .option("--out <dir>", "keep history/*.jsonl and report.json here", path)
    .option("--data <dir>", "keep the broker's data here (default: a temporary folder, removed at the end)", path)
    .option("--port <n>", "port of the broker (default: any free one)", number(1, 65_535))
    .option("--json", "print the report as one line of JSON, last", false)
    .allowExcessArguments(false)
    .showSuggestionAfterError(false)
    .exitOverride();

/** The options, `help` (already printed), or a `FLAG_INVALID` error of one line. */
export function parseOptions(args: readonly string[]): DemoOptions | "help" {
  let complaint = "";
  const program = command().configureOutput({ writeErr: (text) => (complaint += text) });
  try {
    program.parse(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.helpDisplayed") return "help";
    throw new ProgramError("FLAG_INVALID", oneLine(complaint || error.message), { cause: error });
  }
  return checked(program.opts());
}
const oneLine = (text: string): string =>
  text
    .replace(/^error: /, "")
    .trim()
    .replaceAll(/\s*\n\s*/g, " ");

type Given = Omit<DemoOptions, "input" | "rate" | "port" | "out" | "data" | "seed"> & {
  readonly [Name in "rate" | "port" | "seed"]?: number;
} & { readonly [Name in "input" | "key" | "time" | "out" | "data"]?: string };

function checked(given: Given): DemoOptions {
  const { input, key, time, ...rest } = given;
  if (input === undefined && (key !== undefined || time !== undefined))
    throw new ProgramError("FLAG_INVALID", `--${key === undefined ? "time" : "key"} needs --input`);
  if (input !== undefined && (key === undefined || time === undefined))
    throw new ProgramError(
      "FLAG_INVALID",
      `--input needs ${key === undefined ? "--key" : "--time"}: the column that holds the ${key === undefined ? "ordering key" : "time of the event"}`,
    );
  return {
    ...rest,
    rate: given.rate ?? null,
    port: given.port ?? null,
    seed: given.seed ?? Math.floor(Math.random() * 1_000_000),
    out: given.out ?? null,
    data: given.data ?? null,
    input: input === undefined ? null : { file: input, key: key as string, time: time as string },
  };
}
