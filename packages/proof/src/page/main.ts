// npm run proof               writes docs/proof.md from packages/proof/results
// npm run proof -- --check    ends with status 1 when the page is not what the results say
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { renderPage } from "./render.ts";
import { readResults } from "./results.ts";

const pathOf = (fromHere: string): string => fileURLToPath(new URL(fromHere, import.meta.url));
const { check, results, out } = new Command("npm run proof --")
  .description(
    "Renders docs/proof.md from the results that simulation, mutants, chaos, fuzzing, resources and soak wrote.",
  )
  .option("--check", "write nothing; end with status 1 when the page is not what the results say", false)
  .option("--results <dir>", "the folder of results", pathOf("../../results"))
  .option("--out <file>", "the page", pathOf("../../../../docs/proof.md"))
  .parse()
  .opts<{ check: boolean; results: string; out: string }>();

try {
  const page = renderPage(readResults(results));
  if (!check) writeFileSync(out, page);
  else if (readIfThere(out) !== page) throw new Error(`${out} is not what the results say: run npm run proof`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
