import { MessagingError } from "../message/errors.ts";
import { PackedReader } from "../message/packed.ts";
import type { FailureInfo } from "../protocol/frames.ts";
import type { Store, StoreWrite } from "../store/store.ts";
import { decodeRecord, encodeRecord, storeKeys } from "./records.ts";
import type { SubscriptionState } from "./subscription-state.ts";

/** A key's log of set-aside messages, in order; or one dead letter. */
export interface Strand {
  readonly id: number;
  readonly kind: "parked" | "dead-letter";
  readonly key: string | null;
  /** Offsets of its messages, in order; the first is its head. */
  readonly offsets: number[];
  readonly sinceMs: number;
  /** `redriving`: its messages run again, in order, before anything newer of the key. */
  phase: "waiting" | "redriving";
  attempts: number;
  error: FailureInfo;
}
type StoredStrand = readonly [kind: Strand["kind"], key: string | null, sinceMs: number, phase: Strand["phase"], attempts: number, error: FailureInfo];
/** A set-aside message as it is stored: a copy, so that retention of its queue does not touch it. */
export interface AsideCopy {
  readonly offset: number;
  readonly appendedAtMs: number;
  readonly message: Uint8Array;
}
type StoredCopy = readonly [appendedAtMs: number, message: Uint8Array];

export interface SetAsideOf {
  readonly topic: string;
  readonly queue: number;
  readonly group: string;
}

/**
 * What a group has set aside in one queue: logs of the source queue, in its store. The methods change memory and return what belongs into the same commit;
 * the caller commits it with the subscription's state, in one transaction.
 */
export class SetAside {
  readonly #of: SetAsideOf;
  readonly #store: Store;
  readonly #strands = new Map<number, Strand>();
  readonly #parkedKeys = new Map<string, Strand>();
  #messages = 0;

  constructor(of: SetAsideOf, store: Store) {
    this.#of = of;
    this.#store = store;
  }
  get messages(): number {
    return this.#messages;
  }
  get parkedKeys(): number {
    return this.#parkedKeys.size;
  }
  strands(): IterableIterator<Strand> {
    return this.#strands.values();
  }
  strand(id: number): Strand | undefined {
    return this.#strands.get(id);
  }
  /** The strand that holds this key back. */
  parked(key: string): Strand | undefined {
    return this.#parkedKeys.get(key);
  }

  async recover(): Promise<void> {
    const { topic, queue, group } = this.#of;
    this.#strands.clear();
    this.#parkedKeys.clear();
    this.#messages = 0;
    for (const { key: name, value } of await this.#store.list(storeKeys.strands(topic, queue, group))) {
      const [kind, key, sinceMs, phase, attempts, error] = decodeRecord<StoredStrand>(name, value);
      const id = Number(name.slice(name.lastIndexOf("/") + 1));
      const entries = await this.#store.list(storeKeys.entries(topic, queue, group, id));
      const offsets = entries.map((entry) => Number(entry.key.slice(entry.key.lastIndexOf("/") + 1)));
      this.#add({ id, kind, key, offsets, sinceMs, phase, attempts, error });
    }
  }
  #add(strand: Strand): void {
    this.#strands.set(strand.id, strand);
    if (strand.kind === "parked" && strand.key !== null) this.#parkedKeys.set(strand.key, strand);
    this.#messages += strand.offsets.length;
  }

  /** Sets a message aside, and with it (a parked key) the `followers` that were already delivered. */
  begin(
    state: SubscriptionState,
    strand: Omit<Strand, "id" | "offsets" | "phase">,
    head: AsideCopy,
    followers: readonly AsideCopy[],
  ): StoreWrite[] {
    const created: Strand = { ...strand, id: state.strandNext++, offsets: [], phase: "waiting" };
    this.#add(created);
    state.deadLettered.add(head.offset, head.offset + 1);
    for (const follower of followers) state.parked.add(follower.offset, follower.offset + 1);
    return [this.#strandWrite(created), ...[head, ...followers].map((copy) => this.#append(created, copy))];
  }
  /** Sets a later message of a parked key behind the others. */
  follow(state: SubscriptionState, strand: Strand, copy: AsideCopy): StoreWrite {
    state.parked.add(copy.offset, copy.offset + 1);
    return this.#append(strand, copy);
  }
  #append(strand: Strand, copy: AsideCopy): StoreWrite {
    strand.offsets.push(copy.offset);
    this.#messages++;
    return { kind: "put", key: this.#entryKey(strand.id, copy.offset), value: encodeRecord([copy.appendedAtMs, copy.message] satisfies StoredCopy) };
  }
  /** Takes a message out: it is settled or discarded now, which the caller notes. The key opens with the last one. */
  take(state: SubscriptionState, strand: Strand, offset: number): StoreWrite[] {
    const index = strand.offsets.indexOf(offset);
    if (index < 0) return [];
    strand.offsets.splice(index, 1);
    this.#messages--;
    state.deadLettered.remove(offset, offset + 1);
    state.parked.remove(offset, offset + 1);
    const writes: StoreWrite[] = [{ kind: "remove", key: this.#entryKey(strand.id, offset) }];
    if (strand.offsets.length > 0) return writes;
    this.#strands.delete(strand.id);
    if (strand.key !== null && this.#parkedKeys.get(strand.key) === strand) this.#parkedKeys.delete(strand.key);
    return [...writes, { kind: "remove", key: this.#strandKey(strand.id) }];
  }
  /** Lets a strand run again, or makes it wait again; its head counts as dead-lettered while it waits. */
  turn(state: SubscriptionState, strand: Strand, to: Pick<Strand, "phase" | "attempts" | "error">): StoreWrite {
    strand.phase = to.phase;
    strand.attempts = to.attempts;
    strand.error = to.error;
    const head = strand.offsets[0];
    if (to.phase === "waiting" && head !== undefined && state.parked.has(head)) {
      state.parked.remove(head, head + 1);
      state.deadLettered.add(head, head + 1);
    }
    return this.#strandWrite(strand);
  }
  replace(strand: Strand, copy: AsideCopy): StoreWrite {
    return { kind: "put", key: this.#entryKey(strand.id, copy.offset), value: encodeRecord([copy.appendedAtMs, copy.message] satisfies StoredCopy) };
  }

  /** Copies of a strand's messages from `fromOffset` on, in order. */
  async copies(strand: Strand, fromOffset: number, limit: number): Promise<AsideCopy[]> {
    const { topic, queue, group } = this.#of;
    const after = fromOffset === 0 ? undefined : this.#entryKey(strand.id, fromOffset - 1);
    const records = await this.#store.list(storeKeys.entries(topic, queue, group, strand.id), { limit, ...(after === undefined ? {} : { after }) });
    return records.map(({ key, value }) => {
      const [appendedAtMs, message] = decodeRecord<StoredCopy>(key, value);
      return { offset: Number(key.slice(key.lastIndexOf("/") + 1)), appendedAtMs, message };
    });
  }

  #strandWrite(strand: Strand): StoreWrite {
    const { kind, key, sinceMs, phase, attempts, error } = strand;
    return { kind: "put", key: this.#strandKey(strand.id), value: encodeRecord([kind, key, sinceMs, phase, attempts, error] satisfies StoredStrand) };
  }
  #strandKey(id: number): string {
    return storeKeys.strand(this.#of.topic, this.#of.queue, this.#of.group, id);
  }
  #entryKey(id: number, offset: number): string {
    return storeKeys.entry(this.#of.topic, this.#of.queue, this.#of.group, id, offset);
  }
}

/** `queue:strand:offset`: names a set-aside message for people and tools. */
export const entryId = (queue: number, strand: number, offset: number): string => `${queue}:${strand}:${offset}`;
/** @throws `ENTRY_UNKNOWN` for what is no entry's name */
export function parseEntryId(entry: string): { readonly queue: number; readonly strand: number; readonly offset: number } {
  const [queue, strand, offset, ...rest] = entry.split(":").map(Number);
  if (rest.length > 0 || queue === undefined || strand === undefined || offset === undefined || ![queue, strand, offset].every(Number.isSafeInteger))
    throw entryUnknown(entry);
  return { queue, strand, offset };
}
export const entryUnknown = (entry: string): MessagingError<"ENTRY_UNKNOWN"> =>
  new MessagingError("ENTRY_UNKNOWN", `nothing is set aside under "${entry}": it may have been redriven, skipped or discarded meanwhile`, { data: { entry } });
/** The key of a packed message. */
export const keyOf = (message: Uint8Array): string | null => {
  const reader = new PackedReader(message);
  return reader.next() ? reader.key : null;
};
