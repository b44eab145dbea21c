import type { ExhaustedPolicy, HistoryDurability, HistoryEventType } from "../history-event.ts";
import { HistoryScript, type Placed } from "../history-script.fixture.ts";

/** What the system does wrong on purpose. */
export type Bug =
  | "appendsOutOfOrder"
  | "appendsTwice"
  | "losesFlushed"
  | "settlesUpTo"
  | "acceptsStaleSettles"
  | "grantsTwice"
  | "forgetsEpochs"
  | "forgetsInHand"
  | "releasesBusy"
  | "overtakesFailed"
  | "leaksParked"
  | "leavesBehind"
  | "countsTwice";

export interface ReferenceOptions {
  readonly seed: number;
  readonly steps: number;
  readonly durability: HistoryDurability;
  readonly exhausted: ExhaustedPolicy;
  readonly concurrency: number;
  readonly bug?: Bug;
}

export interface Entry {
  readonly id: string;
  readonly key: string | null;
}
export type Class = "settled" | "deadLettered" | "parked" | "discarded" | "skipped";
export interface ReferenceQueue {
  readonly entries: Entry[];
  flushed: number;
  revision: number;
  epoch: number;
  holder: { readonly process: string; readonly epoch: number } | undefined;
  until: number;
  halted: boolean;
  classes: Map<number, Class>;
  attempts: Map<number, number>;
  /** By key: offsets set aside in order; delivered while it is being redriven. */
  strands: Map<string, { readonly offsets: number[]; open: boolean }>;
}

export const QUEUES = 2;
export const TTL = 30;

/**
 * What all parts of the reference system share: its queues as their broker keeps them, its steps, its dice, and its
 * history.
 */
export class World {
  readonly script = new HistoryScript();
  readonly options: ReferenceOptions;
  readonly queues: readonly ReferenceQueue[] = Array.from({ length: QUEUES }, () => newQueue());
  now = 0;
  logEpoch = 1;
  /** No more faults: answers arrive. */
  healed = false;
  #random: number;

  constructor(options: ReferenceOptions) {
    this.options = options;
    this.#random = options.seed;
  }

  placed(queue: number, offset: number): Placed {
    const { id, key } = this.queues[queue]!.entries[offset]!;
    return { topic: "orders", queue, offset, logEpoch: this.logEpoch, id, key };
  }
  write(process: string, type: HistoryEventType, fields: object = {}): void {
    this.script.write(process, type, fields as Readonly<Record<string, unknown>>);
  }

  has(bug: Bug): boolean {
    return this.options.bug === bug;
  }
  chance(probability: number): boolean {
    return this.pick(1_000_000) < probability * 1_000_000;
  }
  /** A whole number below the bound (mulberry32). */
  pick(below: number): number {
    this.#random = (this.#random + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#random ^ (this.#random >>> 15), 1 | this.#random);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  }
}

function newQueue(): ReferenceQueue {
  return {
    entries: [],
    flushed: 0,
    revision: 0,
    epoch: 0,
    holder: undefined,
    until: 0,
    halted: false,
    classes: new Map(),
    attempts: new Map(),
    strands: new Map(),
  };
}

export function cursorOf({ classes, flushed }: ReferenceQueue): number {
  let cursor = 0;
  while (cursor < flushed && classes.has(cursor)) cursor++;
  return cursor;
}
