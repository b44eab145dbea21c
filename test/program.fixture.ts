import { fileURLToPath } from "node:url";
import { type Ended, type ProgramOptions, run as runProgram } from "@seriatim/rig";

export const repository = fileURLToPath(new URL("../", import.meta.url));
export const inRepository = (path: string): string => `${repository}${path}`;
export const tsc = inRepository("node_modules/typescript/bin/tsc");
export const deno = inRepository("node_modules/.bin/deno");

/** Far beyond what any of them takes on the busiest machine. */
const HANGS_MS = 500_000;

/** Runs a program to its end; one that takes longer than `timeoutMs` is killed, and its status is then `null`. */
export const run = (
  command: string,
  args: readonly string[],
  options: ProgramOptions & { readonly cwd: string },
): Promise<Ended> => runProgram(command, args, { timeoutMs: HANGS_MS, ...options });
export const runNode = (script: string, cwd: string, env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
  run(process.execPath, [script], { cwd, env });
export const runDeno = (script: string, cwd: string): Promise<Ended> =>
  run(deno, ["run", "-A", "--no-check", "--node-modules-dir=manual", "--no-remote", script], {
    cwd,
    env: { DENO_NO_UPDATE_CHECK: "1" },
  });
