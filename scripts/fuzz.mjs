// Fuzzes longer than the tests do.
// usage: npm run fuzz -- [--minutes N] [--target binary|json|packed|session] [--seed S] [--json FILE] [--save]
//   --minutes  for each target
//   --json     writes inputs, seconds and findings of each target to this file
//   --save     keeps inputs that did something new, and findings, in the corpus that the tests replay and the fuzzer begins from
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const CORPUS = new URL("../packages/actors/src/protocol/fuzz-corpus.json", import.meta.url);

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    target: { type: "string" },
    seed: { type: "string" },
    json: { type: "string" },
    save: { type: "boolean", default: false },
  },
});
const ms = Number(values.minutes) * 60_000;
if (!(ms > 0)) throw new Error(`--minutes: expected a number above 0, found ${values.minutes}`);

/** @typedef {{ target: string, seed: number, seconds: number, inputs: number, taken: number, refused: number, slowestMs: number, finding: { error: string, input: string } | null, corpus: Record<string, string> }} Outcome */

const startedAt = new Date().toISOString();
const folder = await mkdtemp(join(tmpdir(), "seriatim-fuzz-"));
const report = join(folder, "report.json");
/** @type {NodeJS.ProcessEnv} */
const env = { ...process.env, FUZZ_MS: String(ms), FUZZ_REPORT: report };
if (values.target !== undefined) env["FUZZ_TARGET"] = values.target;
if (values.seed !== undefined) env["FUZZ_SEED"] = values.seed;
const vitest = spawn("vitest", ["run", "--project", "simulation", "packages/actors/src/protocol/fuzz.sim.test.ts"], {
  env,
  stdio: "inherit",
  shell: process.platform === "win32",
});
vitest.on("close", async (code) => {
  process.exitCode = code ?? 1;
  try {
    /** @type {Outcome[]} */
    const outcomes = JSON.parse(await readFile(report, "utf8"));
    for (const { target, seed, inputs, taken, refused, seconds, slowestMs, finding } of outcomes)
      console.log(
        `${target}, seed ${seed}: ${inputs} inputs in ${seconds} s (${taken} taken, ${refused} refused), slowest ${slowestMs} ms, ${finding === null ? "no finding" : `finding: ${finding.error}`}`,
      );
    if (values.json !== undefined) {
      const targets = outcomes.map(({ corpus, ...outcome }) => ({ ...outcome, kinds: Object.keys(corpus).length }));
      await writeFile(
        values.json,
        `${JSON.stringify({ node: process.version, cores: availableParallelism(), date: startedAt, targets }, null, 2)}\n`,
      );
    }
    if (values.save) await save(outcomes);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** Adds what did something that nothing saved does yet, and findings. @param {Outcome[]} outcomes */
async function save(outcomes) {
  /** @type {Record<string, Record<string, string>>} */
  const saved = JSON.parse(await readFile(CORPUS, "utf8"));
  let added = 0;
  for (const { target, corpus, finding, seed } of outcomes) {
    const of = { ...saved[target] };
    const before = Object.keys(of).length;
    for (const [outcome, input] of Object.entries(corpus)) of[outcome] ??= input;
    if (finding !== null)
      of[`finding of seed ${seed}: ${finding.error.slice(0, 100)}`] = finding.input.split("to save: ").at(-1) ?? "";
    added += Object.keys(of).length - before;
    saved[target] = Object.fromEntries(Object.entries(of).sort(([a], [b]) => (a < b ? -1 : 1)));
  }
  await writeFile(CORPUS, `${JSON.stringify(saved, null, 2)}\n`);
  console.log(`${added} inputs added to the corpus`);
}
