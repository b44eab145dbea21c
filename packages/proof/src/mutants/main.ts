// Each deliberate bug has to be caught: by its own test, or by the simulation within 200 seeds.
// npm run mutants                              all of them
// npm run mutants -- --only credit-leak        some of them
// npm run mutants -- --rules 14,22             those that break these rules of docs/protocol.md
// npm run mutants -- --minutes 5 --seed abc    as many as there is time for, in the order that this seed gives
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { SingleBar } from "cli-progress";
import Table from "cli-table3";
import { Command, InvalidArgumentError } from "commander";
import { numberAbove0, numberFrom } from "../number-option.ts";
import { provenance } from "../provenance.ts";
import { type Rule, readRules } from "../rules/rule-book.ts";
import { MUTANTS } from "./list/index.ts";
import type { Mutant } from "./mutant.ts";
import { type MutantResult, runMutants } from "./run-mutants.ts";

interface Options {
  readonly seeds: number;
  readonly messages: number;
  readonly controlSeeds: number;
  readonly only?: readonly string[];
  readonly rules?: readonly string[];
  readonly minutes?: number;
  readonly seed?: string;
  readonly atOnce: number;
  readonly json?: string;
}
const ROOT = fileURLToPath(new URL("../../../..", import.meta.url)).replace(/[\\/]$/, "");
const BREAKS_WIDTH = 70;
const RULES = readRules(readFileSync(new URL("../../../../docs/protocol.md", import.meta.url), "utf8"));

const names = (text: string): string[] => {
  const given = text.split(",");
  const unknown = given.filter((name) => !MUTANTS.some((mutant) => mutant.name === name));
  if (unknown.length > 0) throw new InvalidArgumentError(`there is no ${unknown.join(", ")}`);
  return given;
};
const ruleNames = (text: string): string[] => {
  const given = text.split(",");
  const unknown = given.filter((name) => !RULES.some((rule) => rule.name === name && rule.mutants.length > 0));
  if (unknown.length > 0)
    throw new InvalidArgumentError(`docs/protocol.md has no rule ${unknown.join(", ")} with mutants`);
  return given;
};
const program = new Command("mutants")
  .description(
    "Puts deliberate bugs into Seriatim, one at a time, and shows that the simulation, or the bug's own test, catches each.",
  )
  .option("--seeds <n>", "a mutant that none of so many seeds catches has escaped", numberFrom(1), 200)
  .option("--messages <n>", "so many in each seed's run: fewer cost less, and show less", numberFrom(1), 200)
  .option("--control-seeds <n>", "so many seeds of the unchanged product come first", numberFrom(1), 5)
  .option("--only <names>", "these mutants, separated by commas", names)
  .option("--rules <names>", "the mutants of these rules of docs/protocol.md, separated by commas", ruleNames)
  .option("--minutes <n>", "stop then; what was not tried by then is told, and is no failure", numberAbove0)
  .option("--seed <text>", "the order is drawn from this (default: that of the list)")
  .option("--at-once <n>", "mutants that run at the same time", numberFrom(1), availableParallelism())
  .option("--json <file>", "write the results there")
  .parse();
process.exitCode = await main(program.opts<Options>());

async function main(options: Options): Promise<number> {
  const { seeds, messages, controlSeeds, atOnce, json, minutes } = options;
  const started = performance.now();
  const madeOn = provenance();
  const mutants = chosen(options);
  const bar = process.stderr.isTTY
    ? new SingleBar({ format: "{bar} {value} of {total} mutants, {escaped} escaped; last: {last}" })
    : null;
  let escaped = 0;
  bar?.start(mutants.length, 0, { escaped, last: "-" });
  let results: readonly MutantResult[];
  try {
    const onResult = ({ name, caught }: MutantResult): void => {
      if (!caught) escaped++;
      bar?.increment(1, { escaped, last: name });
    };
    const signal =
      minutes === undefined ? new AbortController().signal : AbortSignal.timeout(Math.ceil(minutes * 60_000));
    results = await runMutants({ root: ROOT, mutants, seeds, messages, controlSeeds, atOnce, onResult, signal });
  } catch (error) {
    bar?.stop();
    console.error(error instanceof Error ? error.message : error);
    return 1;
  }
  bar?.stop();
  const caught = new Set(results.flatMap((result) => (result.caught ? [result.name] : [])));
  const away = results.filter((result) => !result.caught).map(({ name }) => name);
  const left = mutants.filter(({ name }) => !results.some((result) => result.name === name)).map(({ name }) => name);
  const rules = RULES.flatMap(({ name, mutants: own }) => {
    const tried = own.filter((mutant) => mutants.some((each) => each.name === mutant));
    return tried.length === 0 ? [] : [{ rule: name, shown: tried.filter((mutant) => caught.has(mutant)), of: tried }];
  });
  if (json !== undefined) {
    const report = { ...madeOn, seedsMax: seeds, messages, mutants: results, notReached: left, rules };
    writeFileSync(json, `${JSON.stringify(report, null, 2)}\n`);
  }
  console.log(tableOf(results));
  for (const { rule, shown, of } of rules)
    console.log(
      `${/^\d/.test(rule) ? `rule ${rule}` : rule}: ${shown.length} of ${of.length} shown (${of.join(", ")})`,
    );
  if (left.length > 0) console.log(`not reached: ${left.join(", ")}`);
  const took = ((performance.now() - started) / 1_000).toFixed(0);
  console.log(
    `${caught.size} of ${results.length} mutants caught, ${took} s${away.length > 0 ? `: ESCAPED ${away.join(", ")}` : ""}`,
  );
  return away.length === 0 ? 0 : 1;
}
/** The mutants that were asked for, in the order they are tried in. */
function chosen({ only, rules, seed }: Options): readonly Mutant[] {
  const ofRules = rules && new Set(RULES.flatMap((rule: Rule) => (rules.includes(rule.name) ? rule.mutants : [])));
  const mutants = MUTANTS.filter(({ name }) => (only?.includes(name) ?? true) && (ofRules?.has(name) ?? true));
  if (seed === undefined) return mutants;
  const draw = ({ name }: Mutant): string => createHash("sha256").update(`${seed} ${name}`).digest("hex");
  return mutants
    .map((mutant) => ({ mutant, place: draw(mutant) }))
    .sort((a, b) => (a.place < b.place ? -1 : 1))
    .map(({ mutant }) => mutant);
}

function tableOf(results: readonly MutantResult[]): string {
  const table = new Table({
    head: ["mutant", "what is wrong", "seeds", "caught by", "s"],
    colAligns: ["left", "left", "right", "left", "right"],
    colWidths: [null, BREAKS_WIDTH, null, null, null],
    wordWrap: true,
    style: { head: [], border: [] },
  });
  for (const { name, breaks, seeds, caughtBy, seconds } of results)
    table.push([name, breaks, seeds === 0 ? "its test" : seeds, caughtBy ?? "ESCAPED", seconds.toFixed(1)]);
  return table.toString();
}
