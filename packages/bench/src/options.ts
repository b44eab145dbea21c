import { Command, InvalidArgumentError } from "commander";
import { BODY_BYTES_MIN } from "./frame/message.ts";
import { scenariosOf, USUAL } from "./scenarios/scenarios.ts";

export interface Options {
  readonly messages: number;
  readonly warmUp: number;
  readonly bytes: number;
  readonly keys: number;
  readonly queues: number;
  readonly window: number;
  readonly seconds: number;
  readonly most: number;
  readonly backlogBytes: number;
  readonly rounds: number;
  readonly scenario: string;
  readonly only?: string;
  readonly list?: true;
  readonly charts?: string | true;
  readonly capacity?: string | true;
  readonly cost?: string | true;
  readonly note: string;
  readonly from?: string;
  readonly json?: string | true;
  readonly against?: string;
  readonly within: number;
  readonly peers?: true;
}
const ROUNDS = 5;
/** What "within 5 %" means takes at least as many. */
export const ROUNDS_AGAINST = 9;

const ROUNDS_MAX = 1_000;

const from = (least: number, most?: number) => (text: string) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least || value > (most ?? value))
    throw new InvalidArgumentError(`expected a whole number from ${least}${most === undefined ? "" : ` to ${most}`}`);
  return value;
};
const percent = (text: string): number => {
  const value = Number(text);
  if (!(value > 0 && value < 100)) throw new InvalidArgumentError("expected a number above 0 and below 100");
  return value;
};
const scenarioNames = Object.keys(scenariosOf({ messages: 1, seconds: 1, most: 1, backlogBytes: 1 })).join(", ");

export const program = new Command("bench")
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
  .option(
    "--rounds <n>",
    `rounds; the rows of a round run one after another (default: ${ROUNDS}, with --against ${ROUNDS_AGAINST})`,
    from(1, ROUNDS_MAX),
  )
  .option("--scenario <names>", `some of ${scenarioNames}, separated by commas; or all`, USUAL)
  .option("--only <texts>", "only rows whose names have one of these texts in them; separated by semicolons")
  .option("--list", "print the rows and what they need, and end")
  .option("--charts [page]", "write SVG charts beside that page, and show them in it (default: docs/performance.md)")
  .option("--capacity [page]", "write the tables of the capacity model into that page (default: docs/capacity.md)")
  .option("--cost [page]", "write the tables of the scenario cost into that page (default: docs/security.md)")
  .option("--note <text>", "with --cost: what its readers should know of the machine", "")
  .option("--from <file>", "take the figures of an earlier run from its JSON file, and run nothing")
  .option(
    "--json [file]",
    "write the figures as one JSON object there, after each round, or print them as the last line",
  )
  .option(
    "--against <commit>",
    "hold our rows against that commit, built aside: both run in every round, and the commit once more for the noise",
  )
  .option("--within <percent>", "with --against: what a row may lose", percent, 5)
  .option("--peers", "with --against: run the chosen rows of peers, too, once a round");

/** @param argv what follows the program's name */
export function optionsOf(argv: readonly string[]): Options {
  const given = program.parse([...argv], { from: "user" }).opts<Omit<Options, "rounds"> & { rounds?: number }>();
  const { against } = given;
  for (const name of ["charts", "capacity", "cost", "from"] as const)
    if (against !== undefined && given[name] !== undefined)
      program.error(`--${name} is about the rows of one code: leave out it or --against`);
  if (against === undefined && given.peers !== undefined)
    program.error("--peers goes with --against; without it the rows of peers run anyway");
  return { ...given, rounds: given.rounds ?? (against === undefined ? ROUNDS : ROUNDS_AGAINST) };
}
