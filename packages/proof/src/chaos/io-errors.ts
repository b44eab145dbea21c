import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { atExit } from "@seriatim/rig";

/** Calls by which lmdb writes and syncs, as one way to fail each. */
const CALLS = ["fdatasync,fsync,msync", "pwrite64,pwritev", "fdatasync,fsync,pwrite64,pwritev"] as const;

/** How much longer it lasts when no call has failed yet. */
const PATIENCE_MS = 4_000;
const LOOK_MS = 50;

/** Whether calls of other processes can be made to fail here: tried once. */
export const canInjectIoErrors = (): boolean =>
  process.platform === "linux" &&
  spawnSync("strace", ["-f", "-qq", "-e", "trace=fsync", "-e", "inject=fsync:error=EIO", "true"], { stdio: "ignore" })
    .status === 0;

/**
 * For a while, some of the calls by which a process writes to its disk fail with EIO; resolves with how many did.
 * `variant` (0 to 1) decides which calls, and which of them.
 */
export async function injectIoErrors(options: {
  readonly pid: number;
  readonly forMs: number;
  readonly variant: number;
  readonly logFile: string;
}): Promise<number> {
  const { pid, forMs, variant, logFile } = options;
  const calls = CALLS[Math.floor(variant * CALLS.length)] ?? CALLS[0];
  const first = 1 + Math.floor((variant * 1_000) % 8);
  const step = 2 + Math.floor((variant * 10_000) % 5);
  const args = ["-f", "-qq", "-p", `${pid}`, "-o", logFile, "-e", `trace=${calls}`];
  const tracer = spawn("strace", [...args, "-e", `inject=${calls}:error=EIO:when=${first}+${step}`], {
    stdio: "ignore",
  });
  const release = atExit(() => tracer.kill("SIGKILL"));
  const ended = new Promise<void>((resolve) => {
    tracer.once("exit", () => resolve()).once("error", () => resolve());
  });
  const until = performance.now() + forMs;
  const isOver = (): boolean =>
    performance.now() > until && (failedCalls(logFile) > 0 || performance.now() > until + PATIENCE_MS);
  let isTracing = true;
  void ended.then(() => {
    isTracing = false;
  });
  while (isTracing && !isOver()) await sleep(LOOK_MS);
  tracer.kill("SIGINT"); // it lets go of the process
  await Promise.race([ended, sleep(2_000)]);
  tracer.kill("SIGKILL");
  await ended;
  release();
  const failed = failedCalls(logFile);
  rmSync(logFile, { force: true });
  return failed;
}

const failedCalls = (logFile: string): number =>
  existsSync(logFile) ? readFileSync(logFile, "utf8").split("(INJECTED)").length - 1 : 0;
