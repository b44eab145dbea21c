// Runs one task in every package through turbo, quietly: nothing on success, everything on failure.
// usage: node scripts/tasks.mjs <task> [turbo option…]
import { spawn } from "node:child_process";

const quietMs = 1_500;
const [task, ...options] = process.argv.slice(2);
if (task === undefined) throw new Error("which task? usage: node scripts/tasks.mjs <task> [turbo option…]");

const turbo = spawn("turbo", ["run", task, "--output-logs=errors-only", ...options], {
  env: { ...process.env, TURBO_TELEMETRY_DISABLED: "1", TURBO_NO_UPDATE_NOTIFIER: "1", DO_NOT_TRACK: "1" },
  shell: process.platform === "win32",
  stdio: ["ignore", "pipe", "pipe"],
});
/** @type {Buffer[]} */
const output = [];
turbo.stdout.on("data", (/** @type {Buffer} */ chunk) => output.push(chunk));
turbo.stderr.on("data", (/** @type {Buffer} */ chunk) => output.push(chunk));

const notice = setTimeout(() => console.error(`running "${task}" in all packages…`), quietMs);
turbo.on("error", (error) => {
  clearTimeout(notice);
  console.error(`turbo did not start (${error.message}): run this through npm, after npm ci`);
  process.exitCode = 1;
});
turbo.on("close", (code) => {
  clearTimeout(notice);
  if (code !== 0) process.stderr.write(Buffer.concat(output));
  process.exitCode ??= code ?? 1;
});
