import type { Epoch } from "../message/brands.ts";
import type { MessagingError } from "../message/errors.ts";
import type { OffsetRange, RedrivenId, Settlement } from "../protocol/frames.ts";
import type { Entry } from "./entry.ts";
import type { HistoryRecorder } from "./history-recorder.ts";
import { OffsetRanges } from "./offset-ranges.ts";

/** Hears how the settling of one message ended. */
export type OnSettled = (outcome: "acked" | "lost", error?: unknown) => void;

/** What one settle (or a release, or a resume) told the broker. */
export interface SealedSettle {
  readonly epoch: Epoch;
  /** Its number under its grant; `null` when a release carries it. */
  readonly number: number | null;
  readonly settlement: Settlement;
  readonly messages: number;
  /** The messages it settles, if somebody keeps a history. */
  readonly entries: readonly Entry[];
  readonly listeners: readonly OnSettled[];
}

/**
 * What has been handled and the broker has not confirmed. Reports pile up until they are sealed into one settle;
 * settles are numbered, and several may be on their way. What is not confirmed is told again when a lease is resumed.
 *
 * ```
 *   handled ──▶ open (piles up) ──seal──▶ sealed (on its way) ──settled──▶ confirmed
 *                                              └─ refused, or the lease is over ──▶ lost
 * ```
 */
export class SettleLog {
  readonly #recorder: HistoryRecorder;
  #open = new OpenSettle();
  #sealed: SealedSettle[] = [];
  #next = 0;

  constructor(recorder: HistoryRecorder) {
    this.#recorder = recorder;
  }
  /** Messages (and failed attempts) not told yet. */
  get piledUp(): number {
    return this.#open.messages + this.#open.tried.size + this.#open.redrivenTried.length;
  }
  /** All has been told and confirmed. */
  get empty(): boolean {
    return this.piledUp === 0 && this.#sealed.length === 0;
  }

  /** Its handler ended well. */
  handled(entry: Entry, listener: OnSettled | null): void {
    const open = this.#open;
    open.messages++;
    if (entry.redriven === null) {
      open.ranges.add(entry.offset);
      if (open.tried.size > 0) open.tried.delete(entry.offset);
    } else open.redriven.push(entry.redriven);
    if (this.#recorder.keepsHistory) open.entries.push(entry);
    if (listener !== null) open.listeners.push(listener);
  }
  /** It failed so many times, and will be tried again: by us, or (unordered) by anyone. */
  failed(entry: Entry): void {
    if (entry.redriven === null) this.#open.tried.set(entry.offset, entry.attempts);
    else this.#open.redrivenTried.push({ ...entry.redriven, attempts: entry.attempts });
  }

  /** What has piled up, as the next settle under this grant. */
  seal(epoch: Epoch, as: "settle" | "release" = "settle"): SealedSettle {
    const open = this.#open;
    this.#open = new OpenSettle();
    const sealed: SealedSettle = {
      epoch,
      number: as === "settle" ? this.#next++ : null,
      settlement: open.settlement(),
      messages: open.messages,
      entries: open.entries,
      listeners: open.listeners,
    };
    this.#sealed.push(sealed);
    return sealed;
  }
  /** The broker has confirmed settle `number` of `epoch`. Returns whether it was on its way. */
  settled(epoch: Epoch, number: number, revision: number): boolean {
    const sealed = this.#answered(epoch, number);
    if (sealed === undefined) return false;
    this.#confirm(sealed, revision);
    return true;
  }
  /** It has refused it. Returns whether it was on its way. */
  refused(epoch: Epoch, number: number, error: MessagingError): boolean {
    const sealed = this.#answered(epoch, number);
    if (sealed === undefined) return false;
    this.#recorder.settleRefused(sealed.entries, epoch, error.code, sealed.messages);
    for (const listener of sealed.listeners) listener("lost", error);
    return true;
  }
  /** A release or a resume has confirmed all that was sealed. */
  settledAll(revision: number): void {
    for (const sealed of this.#takeSealed()) this.#confirm(sealed, revision);
  }
  /** Everything not confirmed, in one: what a resume carries. All of it counts as sealed from now on. */
  unconfirmed(epoch: Epoch): Settlement {
    if (this.piledUp > 0) this.seal(epoch, "release");
    return merged(this.#sealed.map(({ settlement }) => settlement));
  }
  /** The lease is over: none of it counts. */
  drop(error: unknown): void {
    const listeners = [...this.#takeSealed().flatMap((settle) => settle.listeners), ...this.#open.listeners];
    this.#open = new OpenSettle();
    for (const listener of listeners) listener("lost", error);
  }
  /** Settles are numbered anew under each grant. */
  restart(): void {
    this.#next = 0;
  }

  #answered(epoch: Epoch, number: number): SealedSettle | undefined {
    const at = this.#sealed.findIndex((settle) => settle.number === number && settle.epoch === epoch);
    return at < 0 ? undefined : this.#sealed.splice(at, 1)[0];
  }
  #confirm({ entries, epoch, listeners }: SealedSettle, revision: number): void {
    this.#recorder.settled(entries, epoch, revision);
    for (const listener of listeners) listener("acked");
  }
  #takeSealed(): readonly SealedSettle[] {
    const sealed = this.#sealed;
    this.#sealed = [];
    return sealed;
  }
}

class OpenSettle {
  messages = 0;
  readonly ranges = new OffsetRanges();
  readonly redriven: RedrivenId[] = [];
  readonly tried = new Map<number, number>();
  readonly redrivenTried: (RedrivenId & { readonly attempts: number })[] = [];
  readonly entries: Entry[] = [];
  readonly listeners: OnSettled[] = [];

  settlement(): Settlement {
    return {
      ranges: this.ranges.joined(),
      redriven: this.redriven,
      tried: [...this.tried],
      redrivenTried: this.redrivenTried,
    };
  }
}

/** Later reports of attempts stand behind earlier ones, so that the last (and highest) counts. */
function merged(settlements: readonly Settlement[]): Settlement {
  const ranges = new OffsetRanges();
  const tried = new Map<number, number>();
  for (const settlement of settlements) {
    ranges.addAll(settlement.ranges);
    for (const [offset, attempts] of settlement.tried) tried.set(offset, Math.max(attempts, tried.get(offset) ?? 0));
  }
  const joined = ranges.joined();
  for (const offset of tried.keys()) if (includes(joined, offset)) tried.delete(offset);
  return {
    ranges: joined,
    redriven: settlements.flatMap(({ redriven }) => redriven),
    tried: [...tried],
    redrivenTried: settlements.flatMap(({ redrivenTried }) => redrivenTried),
  };
}
const includes = (ranges: readonly OffsetRange[], offset: number): boolean =>
  ranges.some(([from, to]) => offset >= from && offset < to);
