import type { HistorySink, HistoryStep } from "@seriatim/actors/client";
import type { SimulatedRuntime } from "@seriatim/actors/internals";
import type { HistoryEvent } from "../../history/history-event.ts";
import type { TraceHash } from "../chance/trace-hash.ts";
import { type EmittedLine, EmittedLines, isEmitted } from "./emitted-lines.ts";

/** What processes and the driver add to the steps that clients tell. */
export type OwnLine =
  | { readonly type: "start"; readonly role: string; readonly [setting: string]: unknown }
  | { readonly type: "end" }
  | EmittedLine
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
  /** Hears each line too, for whoever watches. */
  onLine: ((line: HistoryEvent) => void) | null = null;
  #ordinals: OrdinalCount | null = null;

  constructor(runtime: SimulatedRuntime, trace: TraceHash, hear: (line: HistoryEvent) => void) {
    this.#runtime = runtime;
    this.#trace = trace;
    this.#hear = hear;
  }
  /** Messages have ids of any form, or none: their ordinals are counted. */
  countOrdinals(): void {
    this.#ordinals = new OrdinalCount();
  }
  /** The history of one incarnation. */
  open(process: string): ProcessHistory {
    const emitted = new EmittedLines();
    const history: ProcessHistory = new ProcessHistory(
      process,
      (line) => {
        this.lines.push(line);
        this.#trace.text(JSON.stringify(line));
        this.#hear(line);
        this.onLine?.(line);
        for (const more of emitted.hear(line)) history.record(more);
      },
      this.#runtime,
      (step) =>
        this.#ordinals === null ? (step.id === null ? null : ordinalOf(step.id)) : this.#ordinals.of(process, step),
    );
    return history;
  }
}

export class ProcessHistory implements HistorySink {
  readonly process: string;
  readonly #write: (line: HistoryEvent) => void;
  readonly #runtime: SimulatedRuntime;
  readonly #ordinalOf: (step: SendingStep) => number | null;
  #n = 0;
  #open = true;

  constructor(
    process: string,
    write: (line: HistoryEvent) => void,
    runtime: SimulatedRuntime,
    ordinalOf: (step: SendingStep) => number | null,
  ) {
    this.process = process;
    this.#write = write;
    this.#runtime = runtime;
    this.#ordinalOf = ordinalOf;
  }
  record(step: HistoryStep | OwnLine): void {
    if (!this.#open) return;
    const line: Record<string, unknown> = { process: this.process, n: this.#n++, at: this.#runtime.wallNow(), ...step };
    if (step.type === "sending") line["ordinal"] = this.#ordinalOf(step);
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

type SendingStep = Extract<HistoryStep, { readonly type: "sending" }>;

/**
 * Counts what each producer of each process sends with each key, going on across restarts. A message that is sent once
 * more under its id has no place of its own.
 */
class OrdinalCount {
  readonly #next = new Map<string, number>();
  readonly #known = new Set<string>();

  of(process: string, { topic, producer, key, id }: SendingStep): number | null {
    if (key === null) return null;
    if (id !== null) {
      const message = JSON.stringify([topic, id]);
      if (this.#known.has(message)) return null;
      this.#known.add(message);
    }
    const stream = JSON.stringify([process.slice(0, process.lastIndexOf("#")), producer, topic, key]);
    const ordinal = this.#next.get(stream) ?? 0;
    this.#next.set(stream, ordinal + 1);
    return ordinal;
  }
}

/** `producer/topic/key/ordinal`: every message of a run has an id that says whose it is and its place among those. */
export const messageId = (producer: string, topic: string, key: string, ordinal: number): string =>
  `${producer}/${topic}/${key}/${ordinal}`;
/** Of what a handler emitted: null. */
export const ordinalOf = (id: string): number | null =>
  isEmitted(id) ? null : Number(id.slice(id.lastIndexOf("/") + 1));
