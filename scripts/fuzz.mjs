// Fuzzes longer than the tests do.
// usage: npm run fuzz -- [--minutes N] [--target binary|json|packed|session] [--seed S]
import { spawn } from "node:child_process";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "1" }, target: { type: "string" }, seed: { type: "string" } },
});
const ms = Number(values.minutes) * 60_000;
if (!(ms > 0)) throw new Error(`--minutes: expected a number above 0, found ${values.minutes}`);
/** @type {NodeJS.ProcessEnv} */
const env = { ...process.env, FUZZ_MS: String(ms) };
if (values.target !== undefined) env["FUZZ_TARGET"] = values.target;
if (values.seed !== undefined) env["FUZZ_SEED"] = values.seed;
const vitest = spawn("vitest", ["run", "--project", "simulation", "packages/actors/src/protocol/fuzz.sim.test.ts"], {
  env,
  stdio: "inherit",
  shell: process.platform === "win32",
});
vitest.on("close", (code) => {
  process.exitCode = code ?? 1;
});
