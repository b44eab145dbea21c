import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export const repository = fileURLToPath(new URL("../", import.meta.url));
export const inRepository = (path: string): string => `${repository}${path}`;
export const tsc = inRepository("node_modules/typescript/bin/tsc");
export const deno = inRepository("node_modules/.bin/deno");

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}
/** Far beyond what any of them takes on the busiest machine. */
const HANGS_MS = 500_000;

/** Runs a program to its end; one that takes longer than `timeoutMs` is killed, and its status is then `null`. */
export function run(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv; readonly timeoutMs?: number },
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, NO_COLOR: "1", ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: options.timeoutMs ?? HANGS_MS,
      killSignal: "SIGKILL",
      shell: process.platform === "win32",
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.once("error", reject);
    child.once("close", (status) => resolve({ status, stdout, stderr }));
  });
}
export const runNode = (script: string, cwd: string, env: NodeJS.ProcessEnv = {}): Promise<Ended> =>
  run(process.execPath, [script], { cwd, env });
export const runDeno = (script: string, cwd: string): Promise<Ended> =>
  run(deno, ["run", "-A", "--no-check", "--node-modules-dir=manual", "--no-remote", script], {
    cwd,
    env: { DENO_NO_UPDATE_CHECK: "1" },
  });
