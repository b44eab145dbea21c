// npm run test:deep -- --minutes 60            the proof: everything that takes too long for `npm test`
// npm run test:deep -- --minutes 10 --only store,chaos
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { drawSource } from "../draw-source.ts";
import { drawnSeeds } from "../drawn.ts";
import { numberAbove0 } from "../number-option.ts";
import { provenance } from "../provenance.ts";
import { PARTS } from "./parts.ts";
import { runParts } from "./run-parts.ts";
import { partsText, summaryText, verdictText } from "./summary.ts";

const SEEDS_SHOWN = 5;
const ROOT = fileURLToPath(new URL("../../../..", import.meta.url));

const names = (text: string): string[] => {
  const given = text.split(",");
  const unknown = given.filter((name) => !PARTS.some((part) => part.name === name));
  if (unknown.length > 0)
    throw new InvalidArgumentError(
      `there is no part ${unknown.join(", ")}; the parts are ${PARTS.map(({ name }) => name).join(", ")}`,
    );
  return given;
};
const options = new Command("npm run test:deep --")
  .description(
    "Runs the deep tests: divides minutes among their parts, and says what each did. At 60 all of it is done.",
  )
  .option("--minutes <n>", "for all parts together", numberAbove0, 60)
  .option("--only <parts>", "these, separated by commas", names)
  .option(
    "--seed <hash>",
    "draw seeds and the order of mutants from this (default: the commit's hash)",
    (text) => text,
    null,
  )
  .option("--json <file>", "write the results there")
  .option("--list", "print the table of parts, and run none", false)
  .parse()
  .opts<{ minutes: number; only?: string[]; seed: string | null; json?: string; list: boolean }>();

if (options.list) console.log(partsText(PARTS));
else process.exitCode = await run();

async function run(): Promise<number> {
  const { minutes, only, seed, json } = options;
  const madeOn = provenance();
  const source = drawSource(seed);
  const parts = PARTS.filter(({ name }) => only?.includes(name) ?? true);
  console.log(`${minutes} minutes. Seeds and the order of mutants are drawn from ${source.of}.`);
  const seeds = drawnSeeds(source.hash);
  const first = Array.from({ length: SEEDS_SHOWN }, () => seeds.next().value);
  console.log(`Seeds: ${first.join(", ")}, …\nAll of them: npm run sim -- --seeds 1000 --drawn ${source.hash} --list`);
  const results = await runParts(ROOT, parts, { minutes, hash: source.hash, say: (text) => console.log(text) });
  if (json !== undefined)
    writeFileSync(json, `${JSON.stringify({ ...madeOn, minutes, drawnFrom: source.hash, parts: results }, null, 2)}\n`);
  console.log(summaryText(results));
  const again = results.flatMap((result) => result.again);
  if (again.length > 0) console.log(`Each alone:\n${again.map((command) => `  ${command}`).join("\n")}`);
  console.log(verdictText(results));
  return again.length > 0 ? 1 : 0;
}
