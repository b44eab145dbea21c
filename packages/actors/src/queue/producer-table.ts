import { type Epoch, epoch, type Sequence, sequence } from "../message/brands.ts";
import { limitExceeded, MessagingError } from "../message/errors.ts";
import type { StoredRecord } from "../store/store.ts";
import { type FillingPart, PARTS_MAX, ProducerRuns, type StoredPart } from "./producer-runs.ts";
import { decodeRecord } from "./records.ts";

/** Producers a queue remembers; one more is refused until one has been away for a week. */
export const PRODUCERS_MAX = 10_000;
const KEPT_MS = 7 * 24 * 3_600_000;

/** The client that a producer belongs to. */
export interface ProducerInstance {
  readonly instance: string;
  readonly ordinal: number;
}
export interface ProducerState {
  readonly name: string;
  epoch: Epoch;
  instance: string;
  /** Of the instance: among instances of one name, a higher one came later. 0: from before they had any. */
  ordinal: number;
  /** The sequence number it takes next. */
  next: number;
  /** Every sequence below is flushed. Not stored: what was stored is. */
  kept: number;
  seenMs: number;
  readonly runs: ProducerRuns;
}
/** Without the last ones in data from before there were any; its runs are all in here then. */
type Stored = readonly [
  name: string,
  epoch: number,
  instance: string,
  next: number,
  seenMs: number,
  runs: FillingPart["runs"],
  ordinal?: number,
  full?: number,
];

/** Shared by all tables without a producer, and never added to. */
const NO_PRODUCERS = new Map<string, ProducerState>();

/** Who has sent to a queue, under which epoch, how far: what makes a repeated send land once (P2; rules 10, 11). */
export class ProducerTable {
  #byName = NO_PRODUCERS;

  get names(): readonly string[] {
    return [...this.#byName.keys()];
  }
  get(name: string): ProducerState | undefined {
    return this.#byName.get(name);
  }
  /** Takes up the records of producers and of their runs. @throws `STORE_DAMAGED` */
  load(prefix: string, records: readonly StoredRecord[]): void {
    const parts = new Map<string, StoredPart[]>();
    const isPart = ({ key }: StoredRecord) => key.includes("/", prefix.length);
    for (const { key, value } of records.filter(isPart)) {
      const producer = key.slice(0, key.lastIndexOf("/"));
      const ofProducer = parts.get(producer) ?? [];
      ofProducer.push(decodeRecord<StoredPart>(key, value));
      parts.set(producer, ofProducer);
    }
    for (const { key, value } of records.filter((record) => !isPart(record))) {
      const [name, at, instance, next, seenMs, filling, ordinal = 0, full = 0] = decodeRecord<Stored>(key, value);
      const found = parts.get(key) ?? [];
      const expected = Math.min(full, PARTS_MAX);
      if (found.length !== expected)
        throw new MessagingError(
          "STORE_DAMAGED",
          `record "${key}" goes with ${expected} records of its runs, found ${found.length}: restore the data from a copy`,
          { data: { key, expected, found: found.length } },
        );
      const runs = ProducerRuns.load({ runs: filling, full }, found);
      this.#add({ name, epoch: epoch(at), instance, ordinal, next, kept: next, seenMs, runs });
    }
  }
  /** A producer under a new epoch, which fences whoever had its name. @throws `LIMIT_EXCEEDED` */
  begin(name: string, at: Epoch, { instance, ordinal }: ProducerInstance, nowMs: number): ProducerState {
    const before = this.#byName.get(name);
    if (before === undefined && this.#byName.size >= PRODUCERS_MAX)
      throw limitExceeded(
        "producersMax",
        PRODUCERS_MAX,
        `the queue knows ${PRODUCERS_MAX} producers`,
        "give producers stable names; one is forgotten a week after it was last seen",
      );
    const runs = new ProducerRuns();
    const state: ProducerState = { name, epoch: at, instance, ordinal, next: 0, kept: 0, seenMs: nowMs, runs };
    this.#add(state);
    return state;
  }
  #add(state: ProducerState): void {
    if (this.#byName === NO_PRODUCERS) this.#byName = new Map();
    this.#byName.set(state.name, state);
  }
  /** Producers not seen for a week; they are forgotten, and the caller removes their records. */
  forgetIdle(nowMs: number, isLinked: (name: string) => boolean): ProducerState[] {
    const gone: ProducerState[] = [];
    for (const state of this.#byName.values()) {
      if (nowMs - state.seenMs <= KEPT_MS) continue;
      if (isLinked(state.name))
        state.seenMs = nowMs; // the week begins when it goes
      else gone.push(state);
    }
    for (const { name } of gone) this.#byName.delete(name);
    return gone;
  }
}
/** The record of a producer, once those of its full parts are stored. */
export function storedProducer({ name, epoch, instance, next, seenMs, runs, ordinal }: ProducerState): Stored {
  const { filling } = runs;
  return [name, epoch, instance, next, seenMs, filling.runs, ordinal, filling.full];
}
export const expectedOf = (state: ProducerState): Sequence => sequence(state.next);
