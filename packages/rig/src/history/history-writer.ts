import { closeSync, openSync, writeSync } from "node:fs";
import type { HistorySink, HistoryStep } from "@seriatim/actors";
import { ordinalOf } from "../load/event-log.ts";

/** What a program adds to the steps its client tells. */
export type OwnLine =
  | { readonly type: "start"; readonly role: string; readonly [setting: string]: unknown }
  | { readonly type: "end" }
  | { readonly type: "fault"; readonly fault: string; readonly target: string; readonly [detail: string]: unknown }
  | {
      readonly type: "state";
      readonly topic: string;
      readonly queue: number;
      readonly group: string;
      readonly [field: string]: unknown;
    };

/** ms since the Unix epoch, with fraction. */
export const wallNow = (): number => Math.round((performance.timeOrigin + performance.now()) * 1_000) / 1_000;

/**
 * One process incarnation's history: each line is with the kernel before `record` returns, so it outlives a SIGKILL.
 */
export class HistoryWriter implements HistorySink {
  readonly process: string;
  readonly #file: number;
  #n = 0;
  #open = true;

  /** `process` carries the incarnation: `consumer-2#1`. */
  constructor(options: { readonly process: string; readonly file: string }) {
    this.process = options.process;
    this.#file = openSync(options.file, "a");
  }
  record(step: HistoryStep | OwnLine): void {
    if (!this.#open) return;
    const line: Record<string, unknown> = { process: this.process, n: this.#n++, at: wallNow(), ...step };
    // The id of every message here ends in its place among its key's: each key belongs to one producer.
    if (step.type === "sending" && step.id !== null) line["ordinal"] = ordinalOf(step.id);
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }
  /** The last line of an orderly end. Idempotent. */
  end(): void {
    if (!this.#open) return;
    this.record({ type: "end" });
    this.abandon();
  }
  /** Ends as a killed process would: without a last line. */
  abandon(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#file);
  }
}
