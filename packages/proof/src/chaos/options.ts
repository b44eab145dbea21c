import { Command, CommanderError } from "commander";
import { numberFrom } from "../number-option.ts";

export interface ChaosOptions {
  readonly minutes: number;
  /** So many rounds, however long they take; `null`: by the time. */
  readonly rounds: number | null;
  readonly seed: number;
  readonly rate: number;
  /** Goes on past the minutes until each kind of fault that can be done here has struck. */
  readonly everyKind: boolean;
  /** First round of the seed's plan. */
  readonly from: number;
  /** Failing rounds after which it gives up. */
  readonly failuresMax: number;
  readonly json: string | null;
  readonly keep: string | null;
  /** Whether a small file system may be mounted for the disk that gets full. */
  readonly mount: boolean;
}
/**
 * `null`: help was asked for and printed.
 * Throws a `CommanderError` when an option is wrong, which has been printed too.
 */
export function parseOptions(args: readonly string[]): ChaosOptions | null {
  const command = new Command("npm run chaos --")
    .description(
      "Replays a real event log through real processes, rounds on end, while they are killed, frozen, cut off, and their disk fills and\nfails; holds every round's history against the promises. Ends with status 0 only when every promise was kept.",
    )
    .option(
      "--minutes <n>",
      "how long; the last round is played to its end, and never less than two, whose plans have every kind of fault",
      numberFrom(0.1, 10_000, "any"),
      5,
    )
    .option(
      "--seed <n>",
      "decides the faults and the failures of handlers (default: random, and printed)",
      numberFrom(0, 2 ** 31 - 1),
    )
    .option("--rate <n>", "messages a second over all producers", numberFrom(10, 100_000, "any"), 1_500)
    .option("--from <round>", "begin with this round of the seed's plan", numberFrom(1, 1_000_000), 1)
    .option("--rounds <n>", "so many rounds, instead of --minutes", numberFrom(1, 1_000_000))
    .option(
      "--every-kind",
      "go on past the minutes until each kind of fault has struck; on a slow machine some come too late",
      false,
    )
    .option("--failures-max <n>", "failing rounds after which it gives up", numberFrom(1, 1_000), 3)
    .option("--no-mount", "no file system of its own for the full disk: the store's capacity is made small instead")
    .option("--keep <dir>", "where rounds that failed leave their histories and data (default: a temporary folder)")
    .option("--json <file>", "write the figures to this file as one JSON object")
    .allowExcessArguments(false)
    .exitOverride();
  try {
    command.parse(args, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && error.code === "commander.helpDisplayed") return null;
    throw error;
  }
  const given = command.opts<
    Omit<ChaosOptions, "json" | "keep" | "seed" | "rounds"> & {
      rounds?: number;
      json?: string;
      keep?: string;
      seed?: number;
    }
  >();
  return {
    ...given,
    seed: given.seed ?? Math.floor(Math.random() * 1_000_000),
    rounds: given.rounds ?? null,
    json: given.json ?? null,
    keep: given.keep ?? null,
  };
}
