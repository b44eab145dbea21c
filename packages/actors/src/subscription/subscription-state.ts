import { RangeSet } from "../log/range-set.ts";
import { decodeRecord, encodeRecord } from "../log/records.ts";
import { epoch, type Offset } from "../message/brands.ts";
import { MessagingError } from "../message/errors.ts";
import { cutFailure } from "../protocol/cut-texts.ts";
import type { FailureInfo, OffsetRange } from "../protocol/frames.ts";
import type { OffsetClass, QueueAccount } from "../protocol/questions.ts";
import type { Holder, LeaseRecord } from "./holder.ts";

/** The message at which the queue stands still for the group. */
export interface Halt {
  readonly offset: number;
  readonly key: string | null;
  readonly attempts: number;
  readonly error: FailureInfo;
  readonly sinceMs: number;
}
export interface Tried {
  attempts: number;
  losses: number;
}
type Stored = readonly [
  revision: number,
  epoch: number,
  start: number,
  cursor: number,
  settled: readonly OffsetRange[],
  tried: readonly (readonly [number, number, number])[],
  holder: Holder | null,
  skipped: number,
  expired: number,
  halt: Halt | null,
  strandNext: number,
];

/** Shared by all in which nothing has failed, and never added to. */
const NOTHING_TRIED = new Map<number, Tried>();

/**
 * What one group has done with one queue: the class of every offset (P9), attempts so far. Each change is part of one
 * commit; `revision` counts them. Below the cursor an offset is settled unless one of the sets names it; above, it is
 * backlog unless one of them does.
 *
 *     offsets    0 … 41 │ 42  43  44  45  46  47 │ 48 …
 *                       │  ·   s   s   ·   p   · │             s: in `settled`, p: in `parked`, ·: backlog
 *                     cursor                    log's end
 *
 * When 42 is settled the cursor moves over 43 and 44, too, and stands at 45.
 */
export class SubscriptionState {
  revision = 0;
  /** Where the group's account begins. */
  start = 0;
  cursor = 0;
  /** Settled above the cursor. */
  settled = new RangeSet();
  /** The head of a parked key, and dead letters. Not stored: the strands are (`SetAside.recover`). */
  deadLettered = new RangeSet();
  /** What waits behind the head of a parked key. Not stored, likewise. */
  parked = new RangeSet();
  discarded = new RangeSet();
  /** `discarded` has grown since it was last stored: it has a record of its own. */
  discardedChanged = false;
  skipped = 0;
  expired = 0;
  tried = NOTHING_TRIED;
  halt: Halt | null = null;
  strandNext = 1;

  /** @throws `STORE_DAMAGED` */
  static decode(
    key: string,
    bytes: Uint8Array,
    discarded: Uint8Array | undefined,
  ): { readonly state: SubscriptionState; readonly record: LeaseRecord } {
    const state = new SubscriptionState();
    const [revision, at, start, cursor, settled, tried, holder, skipped, expired, halt, strandNext] =
      decodeRecord<Stored>(key, bytes);
    state.revision = revision;
    state.start = start;
    state.cursor = cursor;
    state.settled = new RangeSet(settled);
    for (const [offset, attempts, losses] of tried) state.#setTried(offset, { attempts, losses });
    state.skipped = skipped;
    state.expired = expired;
    // earlier versions kept longer texts
    state.halt = halt === null ? null : { ...halt, error: cutFailure(halt.error) };
    state.strandNext = strandNext;
    if (discarded !== undefined) state.discarded = new RangeSet(decodeRecord<readonly OffsetRange[]>(key, discarded));
    return { state, record: { epoch: epoch(at), holder } };
  }
  /** @param lease as it stands now: it is kept elsewhere, and stored in the same record */
  encode(lease: LeaseRecord): Uint8Array {
    return encodeRecord([
      this.revision,
      lease.epoch,
      this.start,
      this.cursor,
      this.settled.pairs(),
      [...this.tried].map(([offset, { attempts, losses }]) => [offset, attempts, losses] as const),
      lease.holder,
      this.skipped,
      this.expired,
      this.halt,
      this.strandNext,
    ] satisfies Stored);
  }
  encodeDiscarded(): Uint8Array {
    return encodeRecord(this.discarded.pairs());
  }

  /** Whether the offset is settled or set aside: not to be delivered. */
  isDone(offset: number): boolean {
    return (
      offset < this.cursor ||
      this.settled.has(offset) ||
      this.parked.has(offset) ||
      this.deadLettered.has(offset) ||
      this.discarded.has(offset)
    );
  }
  /** Whether any offset of the range is done. */
  anyDone(from: number, to: number): boolean {
    return (
      from < this.cursor ||
      this.settled.intersects(from, to) ||
      this.parked.intersects(from, to) ||
      this.deadLettered.intersects(from, to) ||
      this.discarded.intersects(from, to)
    );
  }
  /** Settles what of `from … to − 1` is still backlog. Says whether anything was. */
  settle(from: number, to: number): boolean {
    const start = Math.max(from, this.cursor);
    if (start >= to) return false;
    const before = this.settled.size;
    if (this.settled.add(start, to) === 0) return false;
    // an offset already set aside keeps its class
    for (const aside of [this.parked, this.deadLettered, this.discarded])
      for (let offset = aside.nextPresent(start); offset < to; ) {
        const end = Math.min(aside.nextAbsent(offset), to);
        this.settled.remove(offset, end);
        offset = aside.nextPresent(end);
      }
    if (this.settled.size === before) return false;
    this.#forgetTried(start, to);
    this.advance();
    return true;
  }
  /** A message was given up. */
  discard(offset: number): void {
    this.discarded.add(offset, offset + 1);
    this.discardedChanged = true;
  }
  #forgetTried(from: number, to: number): void {
    if (to - from < this.tried.size) for (let offset = from; offset < to; offset++) this.tried.delete(offset);
    else for (const offset of this.tried.keys()) if (offset >= from && offset < to) this.tried.delete(offset);
  }
  /**
   * Notes attempts (merged by max) and losses (added) of a message that is still backlog. Says whether that is news.
   */
  noteTried(offset: number, more: Tried): boolean {
    const tried = this.tried.get(offset) ?? { attempts: 0, losses: 0 };
    if (more.attempts <= tried.attempts && more.losses === 0) return false;
    tried.attempts = Math.max(tried.attempts, more.attempts);
    tried.losses += more.losses;
    this.#setTried(offset, tried);
    return true;
  }
  #setTried(offset: number, tried: Tried): void {
    if (this.tried === NOTHING_TRIED) this.tried = new Map();
    this.tried.set(offset, tried);
  }
  /**
   * Retention takes everything below `before`: what was backlog there has expired. Says from where on; null when
   * nothing was left of it.
   */
  expire(before: number): number | null {
    const from = this.cursor;
    if (before <= from) return null;
    const classed = [this.settled, this.parked, this.deadLettered, this.discarded];
    this.expired += classed.reduce((left, set) => left - set.countBelow(before) + set.countBelow(from), before - from);
    this.settled.remove(0, before);
    this.#forgetTried(from, before);
    this.cursor = before;
    this.advance();
    return from;
  }
  /** Moves the cursor over everything that is done. */
  advance(): void {
    let cursor = this.cursor;
    for (;;) {
      let next = this.settled.nextAbsent(cursor);
      next = this.parked.nextAbsent(next);
      next = this.deadLettered.nextAbsent(next);
      next = this.discarded.nextAbsent(next);
      if (next === cursor) break;
      cursor = next;
    }
    if (cursor === this.cursor) return;
    this.settled.remove(this.cursor, cursor);
    this.#forgetTried(this.cursor, cursor);
    this.cursor = cursor;
  }

  /** How many offsets each class has; they add up to `end − start`. */
  counts(end: number): Record<OffsetClass, number> {
    const { cursor } = this;
    const asideBelow =
      this.parked.countBelow(cursor) + this.deadLettered.countBelow(cursor) + this.discarded.countBelow(cursor);
    const asideAll = this.parked.size + this.deadLettered.size + this.discarded.size;
    return {
      settled: cursor - this.start - asideBelow - this.skipped - this.expired + this.settled.size,
      filtered: 0,
      skipped: this.skipped,
      expired: this.expired,
      deadLettered: this.deadLettered.size,
      parked: this.parked.size,
      discarded: this.discarded.size,
      backlog: end - cursor - this.settled.size - (asideAll - asideBelow),
    };
  }
  /** Every offset in exactly one class. */
  account(end: number): Omit<QueueAccount, "queue" | "logEpoch"> {
    const { settled, filtered, skipped, expired, backlog } = this.counts(end);
    return {
      start: this.start as Offset,
      end: end as Offset,
      cursor: this.cursor as Offset,
      settledRanges: this.settled.pairs(),
      settled,
      filtered,
      skipped,
      expired,
      deadLettered: [...this.deadLettered.offsets()] as Offset[],
      parked: [...this.parked.offsets()] as Offset[],
      discarded: [...this.discarded.offsets()] as Offset[],
      backlog,
      halted: this.halt !== null,
      revision: this.revision,
    };
  }
  /** Rule 1. @throws `STORE_DAMAGED` when what is stored cannot be of this log */
  check(name: string, end: number): void {
    if (this.cursor <= end) return;
    throw new MessagingError(
      "STORE_DAMAGED",
      `subscription "${name}" has settled up to ${this.cursor}, but its queue ends at ${end}: restore the data from a copy`,
      {
        data: { cursor: this.cursor, end },
      },
    );
  }
}
