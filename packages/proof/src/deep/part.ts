import type { Needs } from "./allot.ts";

/** What a part is run with. */
export interface Order {
  readonly minutes: number;
  /** Seeds and the order of mutants are drawn from it. */
  readonly hash: string;
  /** What it has to write there, `outcome` reads. */
  readonly json: string;
}
export interface Command {
  /** Of Node. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}
export interface Outcome {
  /** In a few words: "412 of 1,000 seeds". */
  readonly did: string;
  /** Whether all that there is was done. */
  readonly isWhole: boolean;
  /** What runs each failed case alone. */
  readonly again: readonly string[];
}
/** A row of the table that N minutes are divided by. */
export interface Part extends Needs {
  readonly about: string;
  /** Tests of the proof project that it runs; none: it runs a program. */
  readonly files: readonly string[];
  command(order: Order): Command;
  /** Of what the command wrote. */
  outcome(report: unknown, order: Order): Outcome;
}
