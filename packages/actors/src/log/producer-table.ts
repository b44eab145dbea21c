import { type Epoch, epoch, type Sequence, sequence } from "../message/brands.ts";
import { limitExceeded, MessagingError } from "../message/errors.ts";
import type { StoredRecord } from "../store/store.ts";
import type { Owner } from "./owner.ts";
import type { ProducerNames } from "./producer-names.ts";
import { type FillingPart, PARTS_MAX, ProducerRuns, type StoredPart } from "./producer-runs.ts";
import { decodeRecord } from "./records.ts";

/** Producers a queue remembers; one more is refused until one has been away for a week. */
export const PRODUCERS_MAX = 10_000;
/** Of one principal: there is room for others' whatever it brings. */
export const PRODUCERS_EACH_MAX = 9_000;
const DAY_MS = 24 * 3_600_000;
/** What is not seen for so long is forgotten, and its name is free. */
export const KEPT_MS = 7 * DAY_MS;
/** Of what is in use it is stored so often that it is: what a restart finds is not much older. */
export const SEEN_EACH_MS = DAY_MS;

/** The client that a producer belongs to. */
export interface ProducerInstance {
  readonly instance: string;
  readonly ordinal: number;
  readonly principal: Owner;
}
export interface ProducerState {
  readonly name: string;
  /** Whose the name is: of the first that began it. */
  principal: Owner;
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
/**
 * Without the last ones in data from before there were any; its runs are all in here then. Without the very last where
 * it is nobody's.
 */
type Stored = readonly [
  name: string,
  epoch: number,
  instance: string,
  next: number,
  seenMs: number,
  runs: FillingPart["runs"],
  ordinal?: number,
  full?: number,
  principal?: string,
];

/** Shared by all tables without a producer, and never added to. */
const NO_PRODUCERS = new Map<string, ProducerState>();

/** Who has sent to a queue, under which epoch, how far: what makes a repeated send land once (P2; rules 10, 11). */
export class ProducerTable {
  readonly #names: ProducerNames;
  #byName = NO_PRODUCERS;

  constructor(names: ProducerNames) {
    this.#names = names;
  }

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
      const [name, at, instance, next, seenMs, filling, ordinal = 0, full = 0, principal = null] = decodeRecord<Stored>(
        key,
        value,
      );
      const found = parts.get(key) ?? [];
      const expected = Math.min(full, PARTS_MAX);
      if (found.length !== expected)
        throw new MessagingError(
          "STORE_DAMAGED",
          `record "${key}" goes with ${expected} records of its runs, found ${found.length}: restore the data from a copy`,
          { data: { key, expected, found: found.length } },
        );
      const runs = ProducerRuns.load({ runs: filling, full }, found);
      this.#add({ name, principal, epoch: epoch(at), instance, ordinal, next, kept: next, seenMs, runs });
    }
  }
  /** @throws `NAME_IN_USE` where the name is another principal's, here or at another queue of the topic */
  requireOwn(name: string, by: Owner): void {
    this.#names.check(name, by, this.#byName.get(name)?.principal ?? null);
  }
  /** One that is nobody's becomes this principal's; whether it did. */
  adopt(state: ProducerState, by: Owner): boolean {
    if (state.principal !== null || by === null) return false;
    state.principal = by;
    this.#names.add(state.name, by);
    return true;
  }
  /** The name is nobody's from now on: the first that comes has it. */
  release(state: ProducerState): void {
    this.#names.remove(state.name, state.principal);
    state.principal = null;
  }
  /** A producer under a new epoch, which fences whoever had its name. @throws `LIMIT_EXCEEDED` */
  begin(name: string, at: Epoch, by: ProducerInstance, nowMs: number): ProducerState {
    const { instance, ordinal } = by;
    const before = this.#byName.get(name);
    if (before === undefined) this.#requireRoom(by.principal);
    const runs = new ProducerRuns();
    const principal = before?.principal ?? by.principal;
    if (before !== undefined) this.#names.remove(name, before.principal);
    const state: ProducerState = {
      name,
      principal,
      epoch: at,
      instance,
      ordinal,
      next: 0,
      kept: 0,
      seenMs: nowMs,
      runs,
    };
    this.#add(state);
    this.#names.add(name, principal);
    return state;
  }
  #requireRoom(by: Owner): void {
    const size = this.#byName.size;
    if (size < PRODUCERS_EACH_MAX) return;
    const remedy = "give producers stable names; one is forgotten a week after it was last seen";
    if (size >= PRODUCERS_MAX)
      throw limitExceeded("producersMax", PRODUCERS_MAX, `the queue knows ${PRODUCERS_MAX} producers`, remedy);
    let own = 0;
    for (const { principal } of this.#byName.values()) if (principal !== null && principal === by) own++;
    if (own >= PRODUCERS_EACH_MAX)
      throw limitExceeded(
        "producersEachMax",
        PRODUCERS_EACH_MAX,
        `the queue knows ${PRODUCERS_EACH_MAX} producers of "${by}"`,
        remedy,
      );
  }
  #add(state: ProducerState): void {
    if (this.#byName === NO_PRODUCERS) this.#byName = new Map();
    this.#byName.set(state.name, state);
  }
  /** Its names count, those of the table before it no longer: in between, none is free. */
  replace(before: ProducerTable): void {
    for (const { name, principal } of this.#byName.values()) this.#names.add(name, principal);
    for (const { name, principal } of before.#byName.values()) this.#names.remove(name, principal);
  }
  /**
   * Producers not seen for a week are forgotten, and the caller removes their records; `seen` are linked, and to be
   * stored as such: their week begins when they go.
   */
  forgetIdle(nowMs: number, isLinked: (name: string) => boolean): Record<"gone" | "seen", readonly ProducerState[]> {
    const gone: ProducerState[] = [];
    const seen: ProducerState[] = [];
    for (const state of this.#byName.values()) {
      const awayMs = nowMs - state.seenMs;
      if (awayMs <= SEEN_EACH_MS) continue;
      if (isLinked(state.name)) {
        state.seenMs = nowMs;
        seen.push(state);
      } else if (awayMs > KEPT_MS) gone.push(state);
    }
    for (const { name, principal } of gone) {
      this.#byName.delete(name);
      this.#names.remove(name, principal);
    }
    return { gone, seen };
  }
}
/** The record of a producer, once those of its full parts are stored. */
export function storedProducer(state: ProducerState): Stored {
  const { name, epoch, instance, next, seenMs, runs, ordinal, principal } = state;
  const { filling } = runs;
  return principal === null
    ? [name, epoch, instance, next, seenMs, filling.runs, ordinal, filling.full]
    : [name, epoch, instance, next, seenMs, filling.runs, ordinal, filling.full, principal];
}
export const expectedOf = (state: ProducerState): Sequence => sequence(state.next);
