import type { HistorySink, HistoryStep } from "../../system/contracts.ts";
import type { HistoryEvent } from "../history/history-event.ts";
import type { SimulatedRuntime } from "../simulated-runtime.ts";
import type { TraceHash } from "./trace-hash.ts";

/** What processes and the driver add to the steps that clients tell. */
export type OwnLine =
  | { readonly type: "start"; readonly role: string; readonly [setting: string]: unknown }
  | { readonly type: "end" }
  | { readonly type: "fault"; readonly fault: string; readonly target?: string; readonly [detail: string]: unknown }
  | {
      readonly type: "state";
      readonly topic: string;
      readonly queue: number;
      readonly group: string;
      readonly [field: string]: unknown;
    };

/** The history of a run: every line of every process, in the order in which they were written. */
export class HistoryBook {
  readonly lines: HistoryEvent[] = [];
  readonly #runtime: SimulatedRuntime;
  readonly #trace: TraceHash;
  readonly #hear: (line: HistoryEvent) => void;

  constructor(runtime: SimulatedRuntime, trace: TraceHash, hear: (line: HistoryEvent) => void) {
    this.#runtime = runtime;
    this.#trace = trace;
    this.#hear = hear;
  }
  /** The history of one incarnation. */
  open(process: string): ProcessHistory {
    return new ProcessHistory(
      process,
      (line) => {
        this.lines.push(line);
        this.#trace.text(JSON.stringify(line));
        this.#hear(line);
      },
      this.#runtime,
    );
  }
}

export class ProcessHistory implements HistorySink {
  readonly process: string;
  readonly #write: (line: HistoryEvent) => void;
  readonly #runtime: SimulatedRuntime;
  #n = 0;
  #open = true;

  constructor(process: string, write: (line: HistoryEvent) => void, runtime: SimulatedRuntime) {
    this.process = process;
    this.#write = write;
    this.#runtime = runtime;
  }
  record(step: HistoryStep | OwnLine): void {
    if (!this.#open) return;
    const line: Record<string, unknown> = { process: this.process, n: this.#n++, at: this.#runtime.wallNow(), ...step };
    if (step.type === "sending" && step.id !== null) line["ordinal"] = ordinalOf(step.id);
    this.#write(line as unknown as HistoryEvent);
  }
  /** The last line of an orderly end. */
  end(): void {
    this.record({ type: "end" });
    this.#open = false;
  }
  /** Ends as a killed process does. */
  abandon(): void {
    this.#open = false;
  }
}

/** `producer/topic/key/ordinal`: every message of a run has an id that says whose it is and its place among those. */
export const messageId = (producer: string, topic: string, key: string, ordinal: number): string =>
  `${producer}/${topic}/${key}/${ordinal}`;
export const ordinalOf = (id: string): number => Number(id.slice(id.lastIndexOf("/") + 1));
