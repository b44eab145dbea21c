import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Program, unlessAborted } from "@seriatim/rig";
import type { Mutant, MutantTest } from "./mutant.ts";

/** What became of a test: how it failed, `null` if it passed. */
export type TestOutcome = { readonly failure: string | null };
interface Assertion {
  readonly title: string;
  readonly status: string;
  readonly failureMessages: readonly string[];
}
interface Report {
  readonly testResults: readonly { readonly name: string; readonly assertionResults: readonly Assertion[] }[];
}
/** Tells vitest.mutant.config.ts which bug to switch on. */
export const MUTANT_VARIABLE = "SERIATIM_MUTANT";
const CONFIG = "packages/proof/vitest.mutant.config.ts";
const COMPLAINT_KEPT = 2_000;

/**
 * Runs tests by name, of the product as it is or with one mutant's bug in it.
 * @throws when one of them did not run: it is not there, or its file does not load
 */
export async function runTests(
  root: string,
  tests: readonly MutantTest[],
  mutant: Mutant | null,
  signal: AbortSignal,
): Promise<readonly TestOutcome[]> {
  const folder = await mkdtemp(join(tmpdir(), "seriatim-mutant-test-"));
  try {
    const file = join(folder, "report.json");
    const files = [...new Set(tests.map((test) => test.file))];
    const titles = tests.map(({ title }) => title.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|");
    const options = ["run", "--config", CONFIG, "--maxWorkers", "1", ...files, "-t", titles];
    const vitest = new Program(
      process.execPath,
      [join(root, "node_modules/vitest/vitest.mjs"), ...options, "--reporter", "json", "--outputFile", file],
      { cwd: root, env: { [MUTANT_VARIABLE]: mutant?.name ?? "" } },
    );
    await unlessAborted(vitest.ended, signal).finally(() => vitest.kill());
    const complaint = vitest.said.slice(-COMPLAINT_KEPT);
    const report = await readFile(file, "utf8").catch(() => {
      throw new Error(`vitest wrote no report of ${files.join(", ")}: ${complaint}`);
    });
    return tests.map((test) => outcomeOf(JSON.parse(report) as Report, test, complaint));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function outcomeOf({ testResults }: Report, { file, title }: MutantTest, complaint: string): TestOutcome {
  const results = testResults
    .filter(({ name }) => name.replaceAll("\\", "/").endsWith(file))
    .flatMap(({ assertionResults }) => assertionResults)
    .filter((result) => result.title === title && (result.status === "passed" || result.status === "failed"));
  if (results.length === 0) throw new Error(`"${title}" did not run: is it in ${file}? ${complaint}`);
  const failed = results.find(({ status }) => status === "failed");
  return { failure: failed === undefined ? null : (failed.failureMessages[0]?.split("\n")[0] ?? "failed") };
}
