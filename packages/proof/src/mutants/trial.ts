import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { SeedReport, TrialOrder } from "./trial-report.ts";

/** How a version of the product did: it was caught at seed number `seeds`, the last it ran, or escaped all of them. */
export interface Trial {
  readonly seeds: number;
  readonly caughtBy: { readonly promise: string; readonly text: string } | null;
}
export interface TrialOptions {
  /** The compiled program of the process. @default beside this file */
  readonly program?: string;
  /** A seed that takes longer, in real time, counts as hanging, in ms. @default 60_000 */
  readonly hangMs?: number;
}
const HEAP_MB = 1_024;
/** A seed takes well under a second: one that takes this long does not end. */
const HANG_MS = 60_000;
const PROGRAM = fileURLToPath(new URL("./trial-process.js", import.meta.url));

/** Runs seeds of a bundled simulation in a process of its own, one trial after the other. A process that hangs or dies is a problem of its seed; the next trial has a new one. */
export class Trials {
  readonly #bundle: string;
  readonly #program: string;
  readonly #hangMs: number;
  #child: ChildProcess | null = null;

  constructor(bundle: string, { program = PROGRAM, hangMs = HANG_MS }: TrialOptions = {}) {
    this.#bundle = bundle;
    this.#program = program;
    this.#hangMs = hangMs;
  }

  /** Until a seed has a problem. */
  run(order: TrialOrder): Promise<Trial> {
    const child = this.#child ?? this.#start();
    const { from, seeds } = order;
    return new Promise((resolve, reject) => {
      let done = from - 1;
      let complaint = "";
      const hear = (text: Buffer): void => {
        complaint = `${complaint}${text.toString()}`.slice(-2_000);
      };
      const end = (caughtBy: Trial["caughtBy"]): void => {
        clearTimeout(timer);
        child.off("message", heard).off("error", reject).off("close", closed);
        child.stderr?.off("data", hear);
        resolve({ seeds: done, caughtBy });
      };
      const hang = (): void => {
        this.close();
        done++;
        end({ promise: "P8", text: `seed ${done} did not end within ${this.#hangMs / 1_000} s of real time` });
      };
      const heard = ({ seed, problem }: SeedReport): void => {
        done = seed;
        if (problem?.promise === "P11") this.close(); // it may have crashed
        if (problem !== null || seed === from + seeds - 1) end(problem);
        else {
          clearTimeout(timer);
          timer = setTimeout(hang, this.#hangMs);
        }
      };
      const closed = (code: number | null, signal: string | null): void => {
        done++;
        end({ promise: "P11", text: `the process ended by itself (${signal ?? code}): ${complaint}` });
      };
      let timer = setTimeout(hang, this.#hangMs);
      child.on("message", heard).on("error", reject).on("close", closed);
      child.stderr?.on("data", hear);
      child.send(order);
    });
  }
  close(): void {
    this.#child?.kill("SIGKILL");
    this.#child = null;
  }

  #start(): ChildProcess {
    const child = fork(this.#program, [this.#bundle], {
      execArgv: [`--max-old-space-size=${HEAP_MB}`],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    child.on("exit", () => {
      if (this.#child === child) this.#child = null;
    });
    this.#child = child;
    return child;
  }
}
