// npm run mutants                              each deliberate bug has to be caught by the simulation within 200 seeds
// npm run mutants -- --only credit-leak        some of them
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { SingleBar } from "cli-progress";
import Table from "cli-table3";
import { Command, InvalidArgumentError } from "commander";
import { provenance } from "../provenance.ts";
import { MUTANTS } from "./list/index.ts";
import { type MutantResult, runMutants } from "./run-mutants.ts";

interface Options {
  readonly seeds: number;
  readonly messages: number;
  readonly controlSeeds: number;
  readonly only?: readonly string[];
  readonly atOnce: number;
  readonly json?: string;
}
const ROOT = fileURLToPath(new URL("../../../..", import.meta.url)).replace(/[\\/]$/, "");
const BREAKS_WIDTH = 70;

const positive = (text: string): number => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError("a whole number above 0");
  return value;
};
const names = (text: string): string[] => {
  const given = text.split(",");
  const unknown = given.filter((name) => !MUTANTS.some((mutant) => mutant.name === name));
  if (unknown.length > 0) throw new InvalidArgumentError(`there is no ${unknown.join(", ")}`);
  return given;
};
const program = new Command("mutants")
  .description("Puts deliberate bugs into Seriatim, one at a time, and shows that the simulation catches each.")
  .option("--seeds <n>", "a mutant that none of so many seeds catches has escaped", positive, 200)
  .option("--messages <n>", "so many in each seed's run: fewer cost less, and show less", positive, 200)
  .option("--control-seeds <n>", "so many seeds of the unchanged product come first", positive, 5)
  .option("--only <names>", "these mutants, separated by commas", names)
  .option("--at-once <n>", "mutants that run at the same time", positive, availableParallelism())
  .option("--json <file>", "write the results there")
  .parse();
process.exitCode = await main(program.opts<Options>());

async function main({ seeds, messages, controlSeeds, only, atOnce, json }: Options): Promise<number> {
  const started = performance.now();
  const madeOn = provenance();
  const mutants = MUTANTS.filter(({ name }) => only === undefined || only.includes(name));
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
    results = await runMutants({ root: ROOT, mutants, seeds, messages, controlSeeds, atOnce, onResult });
  } catch (error) {
    bar?.stop();
    console.error(error instanceof Error ? error.message : error);
    return 1;
  }
  bar?.stop();
  if (json !== undefined)
    writeFileSync(json, `${JSON.stringify({ ...madeOn, seedsMax: seeds, messages, mutants: results }, null, 2)}\n`);
  console.log(tableOf(results));
  const took = ((performance.now() - started) / 1_000).toFixed(0);
  const away = results.filter(({ caught }) => !caught).map(({ name }) => name);
  console.log(
    `${results.length - away.length} of ${results.length} mutants caught, ${took} s${away.length > 0 ? `: ESCAPED ${away.join(", ")}` : ""}`,
  );
  return away.length === 0 ? 0 : 1;
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
    table.push([name, breaks, seeds, caughtBy ?? "ESCAPED", seconds.toFixed(1)]);
  return table.toString();
}
