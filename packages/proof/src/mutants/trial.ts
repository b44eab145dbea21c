import { fileURLToPath } from "node:url";
import { Child, type Said } from "@seriatim/rig";
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

type TrialChild = Child<TrialOrder & Said, SeedReport & Said>;

/**
 * Runs seeds of a bundled simulation in a process of its own, one trial after the other.
 * A process that hangs or dies is a problem of its seed; the next trial has a new one.
 */
export class Trials {
  readonly #bundle: string;
  readonly #program: string;
  readonly #hangMs: number;
  #child: TrialChild | null = null;

  constructor(bundle: string, { program = PROGRAM, hangMs = HANG_MS }: TrialOptions = {}) {
    this.#bundle = bundle;
    this.#program = program;
    this.#hangMs = hangMs;
  }

  /** Until a seed has a problem. */
  run(order: TrialOrder): Promise<Trial> {
    const child = this.#child ?? this.#start();
    const { from, seeds } = order;
    return new Promise((resolve) => {
      let done = from - 1;
      const end = (caughtBy: Trial["caughtBy"]): void => {
        clearTimeout(timer);
        child.takes = () => true;
        resolve({ seeds: done, caughtBy });
      };
      const hang = (): void => {
        this.close();
        done++;
        end({ promise: "P8", text: `seed ${done} did not end within ${this.#hangMs / 1_000} s of real time` });
      };
      child.takes = ({ seed, problem }) => {
        done = seed;
        if (problem?.promise === "P11") this.close(); // it may have crashed
        if (problem !== null || seed === from + seeds - 1) end(problem);
        else {
          clearTimeout(timer);
          timer = setTimeout(hang, this.#hangMs);
        }
        return true;
      };
      void child.ended.then(({ expected, text }) => {
        if (expected) return;
        done++;
        end({ promise: "P11", text: `the process ${text}` });
      });
      let timer = setTimeout(hang, this.#hangMs);
      child.tell({ ...order, type: "run" });
    });
  }
  close(): void {
    this.#child?.killNow();
    this.#child = null;
  }

  #start(): TrialChild {
    const child: TrialChild = new Child({
      name: "trial",
      program: this.#program,
      args: [this.#bundle],
      execArgv: [`--max-old-space-size=${HEAP_MB}`],
    });
    void child.ended.then(() => {
      if (this.#child === child) this.#child = null;
    });
    this.#child = child;
    return child;
  }
}
