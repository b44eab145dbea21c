import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

/** Runs tests by name, of the product as it is or with one mutant's bug in it. @throws when one of them did not run: it is not there, or its file does not load */
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
    const complaint = await vitest(root, [...files, "-t", titles, "--reporter", "json", "--outputFile", file], {
      env: { ...process.env, [MUTANT_VARIABLE]: mutant?.name ?? "" },
      signal,
    });
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

/** Resolves when it has ended, however, with the end of what it said. */
function vitest(
  cwd: string,
  options: readonly string[],
  { env, signal }: { readonly env: NodeJS.ProcessEnv; readonly signal: AbortSignal },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const program = join(cwd, "node_modules/vitest/vitest.mjs");
    const args = [program, "run", "--config", CONFIG, "--maxWorkers", "1", ...options];
    const child = spawn(process.execPath, args, { cwd, env, signal, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    const hear = (text: Buffer): void => {
      said = `${said}${text.toString()}`.slice(-2_000);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("error", reject).on("close", () => resolve(said));
  });
}
