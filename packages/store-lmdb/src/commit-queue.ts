// Who is served next: commits wait per writer, and writers take turns once there is more than one transaction holds.
import { type Commit, MessagingError, type StoreWrite, type StoreWriter } from "@seriatim/actors";
import type { Changes } from "./changes.ts";

export interface PendingCommit {
  readonly writer: QueueWriter;
  readonly writes: readonly StoreWrite[];
  /** For others to go with. */
  readonly mayWait: boolean;
  /** Its place among all commits of the store. */
  readonly order: number;
  /** What it will cost, roughly, in bytes. */
  readonly cost: number;
  readonly resolve: () => void;
  readonly reject: (error: MessagingError) => void;
}
export interface QueueWriter extends StoreWriter {
  readonly waiting: PendingCommit[];
  failure: MessagingError | undefined;
}

/** Bytes and writes one writer puts into a transaction before the next writer's turn. */
const TURN_BYTES = 64 * 1_024;
const WRITES_MAX = 10_000;

export class CommitQueue {
  readonly #bytesMax: number;
  readonly #onCommit: (mayWait: boolean) => void;
  /** Writers with something waiting, the one whose turn is next first. */
  #turns: QueueWriter[] = [];
  #order = 0;
  #urgent = 0;
  #refusal: (() => MessagingError) | undefined;
  /** Cost of what waits, in bytes. */
  waitingBytes = 0;

  /** @param bytesMax what one transaction takes. @param onCommit called inside each `commit` that waits now. */
  constructor(bytesMax: number, onCommit: (mayWait: boolean) => void) {
    this.#bytesMax = bytesMax;
    this.#onCommit = onCommit;
  }

  get isEmpty(): boolean {
    return this.#turns.length === 0;
  }
  /** Something waits that may not be held back. */
  get isUrgent(): boolean {
    return this.#urgent > 0;
  }
  /** Commits made from now on fail with this; those already waiting stay. */
  refuse(because: () => MessagingError): void {
    this.#refusal ??= because;
  }

  writer(): QueueWriter {
    const writer: QueueWriter = {
      waiting: [],
      failure: undefined,
      commit: (writes, options) => this.#commit(writer, writes, options?.mayWait === true),
    };
    return writer;
  }

  #commit(writer: QueueWriter, writes: readonly StoreWrite[], mayWait: boolean): Commit {
    const done = new Promise<void>((resolve, reject) => {
      if (this.#refusal !== undefined) return reject(this.#refusal());
      if (writer.failure !== undefined) return reject(poisoned(writer.failure));
      const pending = { writer, writes, mayWait, order: this.#order++, cost: costOf(writes), resolve, reject };
      if (writer.waiting.push(pending) === 1) this.#turns.push(writer);
      this.waitingBytes += pending.cost;
      if (!mayWait) this.#urgent += 1;
      this.#onCommit(mayWait);
    });
    done.catch(() => {}); // a rejection that nobody reads ends nothing
    return { flushed: done, synced: done };
  }

  /** What goes into the next transaction, in the order it was made: everything if that fits, else some of each writer in turn. */
  take(): PendingCommit[] {
    const taken: PendingCommit[] = [];
    let bytes = 0;
    let writes = 0;
    const full = () => bytes >= this.#bytesMax || writes >= WRITES_MAX;
    while (this.#turns.length > 0 && !full()) {
      const next: QueueWriter[] = [];
      for (const [at, writer] of this.#turns.entries()) {
        if (full()) {
          next.unshift(...this.#turns.slice(at)); // those who had no turn come first next time
          break;
        }
        let turnBytes = 0;
        let count = 0;
        for (const pending of writer.waiting) {
          if (turnBytes >= TURN_BYTES || full()) break;
          turnBytes += pending.cost;
          bytes += pending.cost;
          writes += pending.writes.length;
          taken.push(pending);
          if (!pending.mayWait) this.#urgent -= 1;
          count += 1;
        }
        writer.waiting.splice(0, count);
        if (writer.waiting.length > 0) next.push(writer);
      }
      this.#turns = next;
    }
    this.waitingBytes -= bytes;
    return taken.sort((a, b) => a.order - b.order);
  }

  /** Fails a commit that was taken, and with it everything its writer has waiting or under way later. */
  fail(pending: PendingCommit, error: MessagingError): void {
    const { writer } = pending;
    if (writer.failure !== undefined) {
      pending.reject(poisoned(writer.failure));
      return;
    }
    writer.failure = error;
    pending.reject(error);
    for (const later of writer.waiting.splice(0)) {
      this.waitingBytes -= later.cost;
      if (!later.mayWait) this.#urgent -= 1;
      later.reject(poisoned(error));
    }
    this.#turns = this.#turns.filter((other) => other !== writer);
  }

  /** Drops everything that waits, for good: nothing of it settles. */
  drop(): void {
    for (const writer of this.#turns) writer.waiting.length = 0;
    this.#turns = [];
    this.waitingBytes = 0;
    this.#urgent = 0;
  }
}

const poisoned = (cause: MessagingError) =>
  new MessagingError("STORE_FAILED", "an earlier commit of this writer failed", { cause });

function costOf(writes: readonly StoreWrite[]): number {
  let bytes = 0;
  for (const write of writes) bytes += writeCost(write);
  return bytes;
}
/** The same of what writes have changed. */
export function costOfChanges({ batches, records }: Changes): number {
  let bytes = 0;
  for (const { log, bytes: value } of batches) bytes += valueCost(value.length) + 2 * entryCost(log);
  for (const [key, value] of records) bytes += valueCost(value?.length ?? 0) + entryCost(key);
  return bytes;
}
/** Bytes a write takes in the file, roughly: its entry and that of its log, with their names; a value above half a page has pages of its own. */
export function writeCost(write: StoreWrite): number {
  switch (write.kind) {
    case "append":
      return valueCost(write.bytes?.length ?? 0) + 2 * entryCost(write.log);
    case "put":
      return valueCost(write.value?.length ?? 0) + entryCost(write.key);
    default:
      return entryCost("");
  }
}
const valueCost = (bytes: number) => (bytes > 1_900 ? Math.ceil((bytes + 64) / 4_096) * 4_096 : bytes);
const entryCost = (name: string | undefined) => 64 + (name?.length ?? 0);
