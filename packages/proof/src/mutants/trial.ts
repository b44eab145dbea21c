import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { SeedReport } from "./trial-report.ts";

/** How a bundle did: it was caught at seed number `seeds`, the last it ran, or escaped all of them. */
export interface Trial {
  readonly seeds: number;
  readonly caughtBy: { readonly promise: string; readonly text: string } | null;
}
export interface TrialOptions {
  /** The first seed. @default 1 */
  readonly from?: number;
  /** The compiled program of the process. @default beside this file */
  readonly program?: string;
  /** A seed that takes longer, in real time, counts as hanging, in ms. @default 60_000 */
  readonly hangMs?: number;
}
const HEAP_MB = 1_024;
/** A seed takes well under a second: one that takes this long does not end. */
const HANG_MS = 60_000;
const PROGRAM = fileURLToPath(new URL("./trial-process.js", import.meta.url));

/** Runs so many seeds of a bundled simulation in a process of its own, until one of them has a problem. A process that hangs or dies has one, too. */
export function runTrial(
  bundle: string,
  seeds: number,
  { program = PROGRAM, hangMs = HANG_MS, from = 1 }: TrialOptions = {},
): Promise<Trial> {
  return new Promise((resolve, reject) => {
    const child = fork(program, [bundle, String(from), String(seeds)], {
      execArgv: [`--max-old-space-size=${HEAP_MB}`],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    let done = from - 1;
    let caughtBy: Trial["caughtBy"] = null;
    let complaint = "";
    child.stderr?.on("data", (text: Buffer) => {
      complaint = `${complaint}${text.toString()}`.slice(-2_000);
    });
    const hang = () => {
      caughtBy = { promise: "P8", text: `seed ${done + 1} did not end within ${hangMs / 1_000} s of real time` };
      done++;
      child.kill("SIGKILL");
    };
    let timer = setTimeout(hang, hangMs);
    child.on("message", (report: SeedReport) => {
      if (caughtBy !== null) return;
      done = report.seed;
      caughtBy = report.problem;
      clearTimeout(timer);
      timer = setTimeout(hang, hangMs);
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (caughtBy === null && done < from - 1 + seeds) {
        done++;
        caughtBy = { promise: "P11", text: `the process ended by itself (${signal ?? code}): ${complaint}` };
      }
      resolve({ seeds: done, caughtBy });
    });
  });
}
