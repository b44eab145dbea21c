import { decodeRecord, encodeRecord, storeKeys } from "../log/records.ts";
import { MessagingError } from "../message/errors.ts";
import { PackedReader } from "../message/packed.ts";
import { quoted } from "../message/text.ts";
import type { FailureInfo } from "../protocol/frames.ts";
import type { Store, StoreWrite } from "../store/store.ts";
import { FailureTexts } from "./failure-texts.ts";
import type { SubscriptionPlace } from "./subscription-scope.ts";
import type { SubscriptionState } from "./subscription-state.ts";

/** A key's log of set-aside messages, in order; or one dead letter. */
export interface Strand {
  readonly id: number;
  /**
   * Under which number its messages are delivered: its id, until one was put back; then each time another, so that a
   * put-back asked again is told from a new one.
   */
  run: number;
  /** The one before: some of its messages may still be in hand. */
  runBefore: number;
  readonly kind: "parked" | "dead-letter";
  readonly key: string | null;
  /** Offsets of its messages, in order; the first is its head. */
  readonly offsets: number[];
  /**
   * Beside each offset the change in which its holder set it aside: what a repeated `aside.put` is answered with. 0: a
   * later message of the key, or set aside by a person's order.
   */
  readonly revisions: number[];
  readonly sinceMs: number;
  /**
   * The change in which its holder set its first messages aside, which stands for those stored without one of their
   * own; 0: a person's order did.
   */
  readonly revision: number;
  /** `redriving`: its messages run again, in order, before anything newer of the key. */
  phase: "waiting" | "redriving";
  /** Failed attempts of its head. */
  attempts: number;
  /** Leases that ended with its head in hand, since it runs again. */
  losses: number;
  error: FailureInfo;
}
type StoredStrand = readonly [
  kind: Strand["kind"],
  key: string | null,
  sinceMs: number,
  phase: Strand["phase"],
  attempts: number,
  losses: number,
  error: FailureInfo,
  revision: number,
];
/** A set-aside message as it is stored: a copy, so that retention of its queue does not touch it. */
export interface AsideCopy {
  readonly offset: number;
  readonly appendedAtMs: number;
  readonly message: Uint8Array;
}
/** Entries read at a time when a strand is recovered: their bodies come along. */
const RECOVER_ENTRIES = 256;
/** Without `revision` where it was stored before there was one: then the strand's counts. */
type StoredCopy = readonly [appendedAtMs: number, message: Uint8Array, revision?: number];

// Shared by all that have set nothing aside yet, which is most, and never added to.
const NO_STRANDS = new Map<number, Strand>();
const NO_KEYS = new Map<string, Strand>();
const NO_RUNS = new Map<number, Strand>();
const NONE_REDRIVING = new Set<Strand>();

/**
 * What a group has set aside in one queue: logs of the source queue, in its store (rule 26). The methods change memory
 * and return what belongs into the same commit; the caller commits it with the subscription's state, in one
 * transaction.
 */
export class SetAside {
  readonly #of: SubscriptionPlace;
  readonly #store: Store;
  #strands = NO_STRANDS;
  #parkedKeys = NO_KEYS;
  #redriving = NONE_REDRIVING;
  /** By their runs, where those are not their ids. */
  #runs = NO_RUNS;
  #messages = 0;
  /** Of strands: their failures. */
  readonly #texts = new FailureTexts();
  /** Messages set aside so far, since it was loaded; only grows. */
  readonly taken: Record<Strand["kind"], number> = { parked: 0, "dead-letter": 0 };

  constructor(of: SubscriptionPlace, store: Store) {
    this.#of = of;
    this.#store = store;
  }
  get messages(): number {
    return this.#messages;
  }
  get parkedKeys(): number {
    return this.#parkedKeys.size;
  }
  /** In order of their ids, also while strands come and go. */
  strands(): IterableIterator<Strand> {
    return this.#strands.values();
  }
  get isRedriving(): boolean {
    return this.#redriving.size > 0;
  }
  /** Strands that run again. */
  redriving(): IterableIterator<Strand> {
    return this.#redriving.values();
  }
  strand(id: number): Strand | undefined {
    return this.#strands.get(id);
  }
  /** The strand whose messages are, or were before, delivered under this number. */
  ofRun(run: number): Strand | undefined {
    return this.#runs.get(run) ?? this.#strands.get(run);
  }
  /**
   * One of its messages was put back: what is delivered of it from now on has another number, which is in the state
   * that goes into the commit.
   */
  runAnew(state: SubscriptionState, strand: Strand): void {
    if (this.#runs === NO_RUNS) this.#runs = new Map();
    this.#runs.delete(strand.runBefore);
    strand.runBefore = strand.run;
    strand.run = state.strandNext++;
    this.#runs.set(strand.run, strand);
  }
  /** The strand that this message is in. */
  #holding(offset: number): Strand | undefined {
    for (const strand of this.#strands.values()) if (holds(strand, offset)) return strand;
    return undefined;
  }
  /**
   * What its holder set aside together with this message, of what is still aside, and the change in which it did; null
   * when it is not aside, or not by its holder.
   */
  putWith(offset: number): { readonly offsets: readonly number[]; readonly revision: number } | null {
    const strand = this.#holding(offset);
    const revision = strand?.revisions[indexIn(strand, offset)] ?? 0;
    if (strand === undefined || revision === 0) return null;
    return { offsets: strand.offsets.filter((_, index) => strand.revisions[index] === revision), revision };
  }
  /** The strand that holds this key back. */
  parked(key: string): Strand | undefined {
    return this.#parkedKeys.get(key);
  }

  /** Reads back what is set aside, for a state that has not noted any of it yet. */
  async recover(state: SubscriptionState): Promise<void> {
    const { topic, queue, group } = this.#of;
    for (const { key: name, value } of await this.#store.list(storeKeys.strands(topic, queue, group))) {
      const [kind, key, sinceMs, phase, attempts, losses, error, revision] = decodeRecord<StoredStrand>(name, value);
      const rest = { sinceMs, revision, phase, attempts, losses, error: this.#texts.keep(error) };
      const id = lastNumber(name);
      const strand: Strand = { id, run: id, runBefore: id, kind, key, offsets: [], revisions: [], ...rest };
      const prefix = storeKeys.entries(topic, queue, group, strand.id);
      for (let after = ""; ; ) {
        const entries = await this.#store.list(prefix, { limit: RECOVER_ENTRIES, ...(after === "" ? {} : { after }) });
        for (const entry of entries) {
          const [, , own = revision] = decodeRecord<StoredCopy>(entry.key, entry.value);
          strand.offsets.push(lastNumber(entry.key));
          strand.revisions.push(own);
        }
        if (entries.length < RECOVER_ENTRIES) break;
        after = entries.at(-1)!.key;
      }
      strand.offsets.forEach((offset, index) => {
        (index === 0 ? state.deadLettered : state.parked).add(offset, offset + 1);
      });
      this.#messages += strand.offsets.length;
      this.#add(strand);
    }
  }
  #add(strand: Strand): void {
    if (this.#strands === NO_STRANDS) {
      this.#strands = new Map();
      this.#parkedKeys = new Map();
      this.#redriving = new Set();
    }
    this.#strands.set(strand.id, strand);
    if (strand.kind === "parked" && strand.key !== null) this.#parkedKeys.set(strand.key, strand);
    if (strand.phase === "redriving") this.#redriving.add(strand);
  }

  /** Sets a message aside, and with it (a parked key) the `followers` that were already delivered. */
  begin(
    state: SubscriptionState,
    of: Pick<Strand, "kind" | "key" | "sinceMs" | "revision" | "attempts" | "error">,
    head: AsideCopy,
    followers: readonly AsideCopy[],
  ): { readonly strand: Strand; readonly writes: StoreWrite[] } {
    const existing = of.kind === "parked" && of.key !== null ? this.#parkedKeys.get(of.key) : undefined;
    if (existing !== undefined) {
      // an earlier message of the key (its settle was lost with a lease) has failed now: it goes before the others
      const { attempts, error } = of;
      const joined = [head, ...followers].map((copy) => this.follow(state, existing, copy, of.revision));
      return { strand: existing, writes: [...joined, this.turn(existing, { phase: "waiting", attempts, error })] };
    }
    const id = state.strandNext++;
    const begun = { id, run: id, runBefore: id, phase: "waiting", losses: 0 } as const;
    const strand: Strand = { ...of, ...begun, error: this.#texts.keep(of.error), offsets: [], revisions: [] };
    this.#add(strand);
    state.deadLettered.add(head.offset, head.offset + 1);
    const writes = [this.strandWrite(strand), this.#append(strand, head, of.revision)];
    for (const follower of followers) writes.push(this.follow(state, strand, follower, of.revision));
    return { strand, writes };
  }
  /**
   * Sets a message of a parked key to its place among the others; `revision`: that of the change in which its holder
   * did, 0 when the key's later messages are read.
   */
  follow(state: SubscriptionState, strand: Strand, copy: AsideCopy, revision: number): StoreWrite {
    const head = strand.offsets[0];
    const write = this.#append(strand, copy, revision);
    const isHead = head !== undefined && copy.offset < head;
    if (isHead) {
      state.deadLettered.remove(head, head + 1);
      state.parked.add(head, head + 1);
    }
    (isHead ? state.deadLettered : state.parked).add(copy.offset, copy.offset + 1);
    return write;
  }
  #append(strand: Strand, copy: AsideCopy, revision: number): StoreWrite {
    const isLast = (strand.offsets.at(-1) ?? -1) < copy.offset;
    const index = isLast ? strand.offsets.length : indexIn(strand, copy.offset + 1);
    strand.offsets.splice(index, 0, copy.offset);
    strand.revisions.splice(index, 0, revision);
    this.#messages++;
    this.taken[strand.kind]++;
    return this.#entryWrite(strand, copy, revision);
  }
  #entryWrite(strand: Strand, { offset, appendedAtMs, message }: AsideCopy, revision: number): StoreWrite {
    const value = encodeRecord([appendedAtMs, message, revision] satisfies StoredCopy);
    return { kind: "put", key: this.#entryKey(strand.id, offset), value };
  }
  /**
   * Takes a message out: it is settled or discarded now, which the caller notes. The key opens with the last one
   * (rule 28).
   */
  take(state: SubscriptionState, strand: Strand, offset: number): StoreWrite[] {
    if (!holds(strand, offset)) return [];
    const index = indexIn(strand, offset);
    for (const column of [strand.offsets, strand.revisions])
      if (index === 0) column.shift();
      else column.splice(index, 1);
    this.#messages--;
    state.deadLettered.remove(offset, offset + 1);
    state.parked.remove(offset, offset + 1);
    const writes: StoreWrite[] = [{ kind: "remove", key: this.#entryKey(strand.id, offset) }];
    const head = strand.offsets[0];
    if (head === undefined) {
      this.#strands.delete(strand.id);
      this.#redriving.delete(strand);
      this.#texts.release(strand.error);
      for (const run of [strand.run, strand.runBefore]) this.#runs.delete(run);
      if (strand.key !== null && this.#parkedKeys.get(strand.key) === strand) this.#parkedKeys.delete(strand.key);
      writes.push({ kind: "remove", key: this.#strandKey(strand.id) });
    } else if (index === 0) {
      state.parked.remove(head, head + 1); // the next one heads the strand now
      state.deadLettered.add(head, head + 1);
      if (strand.phase === "redriving" && strand.attempts + strand.losses > 0) {
        strand.attempts = 0;
        strand.losses = 0;
        writes.push(this.strandWrite(strand));
      }
    }
    return writes;
  }
  /** Lets a strand run again, or makes it wait again. */
  turn(strand: Strand, to: Pick<Strand, "phase" | "attempts" | "error">): StoreWrite {
    strand.phase = to.phase;
    strand.attempts = to.attempts;
    strand.losses = 0;
    strand.error = this.#texts.replace(strand.error, to.error);
    if (to.phase === "redriving") this.#redriving.add(strand);
    else this.#redriving.delete(strand);
    return this.strandWrite(strand);
  }
  /**
   * Notes attempts (merged by max) and losses (added) of the head of a strand that runs again. Says whether that is
   * news, which is to be stored (`strandWrite`).
   */
  noteTried(strand: Strand, offset: number, more: { readonly attempts: number; readonly losses: number }): boolean {
    if (strand.phase !== "redriving" || strand.offsets[0] !== offset) return false;
    if (more.attempts <= strand.attempts && more.losses === 0) return false;
    strand.attempts = Math.max(strand.attempts, more.attempts);
    strand.losses += more.losses;
    return true;
  }
  replace(strand: Strand, copy: AsideCopy): StoreWrite {
    return this.#entryWrite(strand, copy, strand.revisions[indexIn(strand, copy.offset)] ?? 0);
  }

  /** Copies of a strand's messages from `fromOffset` on, in order. */
  async copies(strand: Strand, fromOffset: number, limit: number): Promise<AsideCopy[]> {
    const { topic, queue, group } = this.#of;
    const after = fromOffset === 0 ? undefined : this.#entryKey(strand.id, fromOffset - 1);
    const records = await this.#store.list(storeKeys.entries(topic, queue, group, strand.id), {
      limit,
      ...(after === undefined ? {} : { after }),
    });
    return records.map(({ key, value }) => {
      const [appendedAtMs, message] = decodeRecord<StoredCopy>(key, value);
      return { offset: lastNumber(key), appendedAtMs, message };
    });
  }

  /** The strand as it is now, without its messages. */
  strandWrite(strand: Strand): StoreWrite {
    const { kind, key, sinceMs, phase, attempts, losses, error, revision } = strand;
    return {
      kind: "put",
      key: this.#strandKey(strand.id),
      value: encodeRecord([kind, key, sinceMs, phase, attempts, losses, error, revision] satisfies StoredStrand),
    };
  }
  #strandKey(id: number): string {
    return storeKeys.strand(this.#of.topic, this.#of.queue, this.#of.group, id);
  }
  #entryKey(id: number, offset: number): string {
    return storeKeys.entry(this.#of.topic, this.#of.queue, this.#of.group, id, offset);
  }
}
/** Where the first of its messages at or behind `offset` stands. */
function indexIn({ offsets }: Strand, offset: number): number {
  let low = 0;
  let high = offsets.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (offsets[middle]! < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
/** Whether the message is in the strand. */
export const holds = (strand: Strand, offset: number): boolean => strand.offsets[indexIn(strand, offset)] === offset;
const lastNumber = (key: string): number => Number(key.slice(key.lastIndexOf("/") + 1));

/** `queue:strand:offset`: names a set-aside message for people and tools. */
export const entryId = (queue: number, strand: number, offset: number): string => `${queue}:${strand}:${offset}`;
/** @throws `ENTRY_UNKNOWN` for what is no entry's name */
export function parseEntryId(entry: string): {
  readonly queue: number;
  readonly strand: number;
  readonly offset: number;
} {
  const [queue, strand, offset, ...rest] = entry.split(":").map(Number);
  if (
    rest.length > 0 ||
    queue === undefined ||
    strand === undefined ||
    offset === undefined ||
    ![queue, strand, offset].every(Number.isSafeInteger)
  )
    throw entryUnknown(entry);
  return { queue, strand, offset };
}
export const entryUnknown = (entry: string): MessagingError<"ENTRY_UNKNOWN"> =>
  new MessagingError(
    "ENTRY_UNKNOWN",
    `nothing is set aside under ${quoted(entry)}: it may have been redriven, skipped or discarded meanwhile`,
    { data: { entry } },
  );
export const asideFull = (path: string, max: number): MessagingError =>
  new MessagingError(
    "LIMIT_EXCEEDED",
    `${path} has set ${max} messages aside, its limit: it halts until some are redriven or discarded`,
    { data: { parkedMessagesMax: max } },
  );
/** The key of a packed message. */
export const keyOf = (message: Uint8Array): string | null => {
  const reader = new PackedReader(message);
  return reader.next() ? reader.key : null;
};
