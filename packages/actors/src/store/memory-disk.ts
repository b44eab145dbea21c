// The data of memory stores, and how writes change it.
import { MessagingError, optionInvalid } from "../message/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { systemRuntime } from "../runtime/system-runtime.ts";
import { SortedRecords } from "./sorted-records.ts";
import type { LogExtent, StoredBatch, StoreWrite } from "./store.ts";
import { storeReserveBytes, storeWriteProblem } from "./store-rules.ts";

/** What each batch and each record costs beside its own bytes, in bytes: an estimate of the objects that hold it. */
const OVERHEAD_BYTES = 64;
const BYTES_MAX_DEFAULT = 2 ** 30;

export interface MemoryDiskOptions {
  /** Room for batches and records, in bytes. @default 1 GiB */
  readonly bytesMax?: number;
  /** Where the id of the data comes from. @default the platform's */
  readonly runtime?: Runtime;
  /** See {@link MemoryDisk.beforeApply}. */
  readonly beforeApply?: MemoryDisk["beforeApply"];
}

/**
 * What memory stores keep their data in. It outlives them: opening a second store on it is what a crash and a restart
 * look like, because whatever the first one had not yet applied is then refused with `STORE_IN_USE` and lost.
 */
export class MemoryDisk {
  /** The data's id; every store on this disk has it. */
  readonly id: string;
  /**
   * Room for batches and records, in bytes. May be changed at any
   * time: a disk that others fill, or that is given more room.
   */
  capacityBytes: number;
  /**
   * Asked before each commit is applied, in order and one at a time: while its promise is pending this commit and all
   * later ones of that store wait; when it throws or rejects, that commit fails with `STORE_FAILED`. For tests and
   * simulations: change it at any time.
   */
  beforeApply: ((writes: readonly StoreWrite[]) => void | Promise<void>) | undefined;
  /** Epoch of the store that was opened last; 0 before the first. */
  ownerEpoch = 0;
  /** @internal */
  readonly logs = new Map<string, MemoryLog>();
  /** @internal */
  readonly records = new SortedRecords();
  /** @internal */
  usedBytes = 0;
  /** How to take back each commit that may still be lost, oldest first; null: nothing is ever taken back. */
  #undo: (() => void)[][] | null = null;
  #synced = 0;

  constructor(options: MemoryDiskOptions = {}) {
    this.id = (options.runtime ?? systemRuntime()).id();
    this.capacityBytes = options.bytesMax ?? BYTES_MAX_DEFAULT;
    if (!(Number.isSafeInteger(this.capacityBytes) && this.capacityBytes > 0))
      throw optionInvalid("bytesMax", "a whole number of bytes above 0", options.bytesMax);
    this.beforeApply = options.beforeApply;
  }

  /**
   * From now on applied commits can be lost until they are `synced`: for simulations of a disk behind a cache.
   * @internal
   */
  keepUndo(): void {
    this.#undo ??= [];
  }
  /**
   * How many commits have been applied since `keepUndo`.
   * @internal
   */
  get applied(): number {
    return this.#synced + (this.#undo?.length ?? 0);
  }
  /**
   * The first `upTo` of them survive a power loss.
   * @internal
   */
  synced(upTo: number): void {
    const more = upTo - this.#synced;
    if (more <= 0 || this.#undo === null) return;
    this.#undo.splice(0, more);
    this.#synced = upTo;
  }
  /**
   * The power fails: of the commits that are not synced, this share (the newest) is gone; what is left is a prefix.
   * Says how many they were.
   * @internal
   */
  losePower(share: number): number {
    const unsynced = this.#undo ?? [];
    const lost = unsynced.splice(unsynced.length - Math.ceil(unsynced.length * share));
    for (const commit of lost.toReversed()) for (const undo of commit.toReversed()) undo();
    this.synced(this.applied);
    return lost.length;
  }

  /**
   * All of them or, when one cannot be, none.
   * @internal
   */
  apply(writes: readonly StoreWrite[]): void {
    const { logs, records, capacityBytes, usedBytes } = this;
    const ends = new Map<string, number>();
    let appended = 0;
    let added = 0;
    for (const write of writes) {
      const problem = storeWriteProblem(write);
      if (problem !== undefined) throw new MessagingError("STORE_FAILED", problem);
      if (write.kind === "append") {
        const end = ends.get(write.log) ?? logs.get(write.log)?.end ?? 0;
        if (write.first !== end)
          throw new MessagingError(
            "STORE_FAILED",
            `append to log "${write.log}" at ${write.first}, but it ends at ${end}`,
            {
              data: { log: write.log, first: write.first, end },
            },
          );
        ends.set(write.log, end + write.count);
        appended += write.bytes.length + OVERHEAD_BYTES;
      }
      if (write.kind === "put" && records.get(write.key) === undefined) added += recordBytes(write.key, write.value);
    }
    if (appended > 0 && usedBytes + appended > capacityBytes - storeReserveBytes(capacityBytes))
      throw storeFull(usedBytes, capacityBytes);
    if (added > 0 && usedBytes + added > capacityBytes) throw storeFull(usedBytes, capacityBytes);
    const before = this.usedBytes;
    const undo: (() => void)[] | null = this.#undo === null ? null : [() => this.#use(before)];
    for (const write of writes) {
      if (undo !== null) undo.push(this.#undoOf(write));
      this.usedBytes += this.#applyOne(write);
    }
    if (undo !== null) this.#undo?.push(undo);
  }

  #use(bytes: number): void {
    this.usedBytes = bytes;
  }
  /** What takes this write back, as things are before it. */
  #undoOf(write: StoreWrite): () => void {
    const { logs, records } = this;
    if (write.kind === "put" || write.kind === "remove") {
      const { key } = write;
      const old = records.get(key);
      return () => void (old === undefined ? records.remove(key) : records.put(key, old));
    }
    const log = logs.get(write.log);
    const state = log?.state();
    return () => {
      if (log === undefined || state === undefined) logs.delete(write.log);
      else log.restore(state);
    };
  }
  #applyOne(write: StoreWrite): number {
    const { logs, records } = this;
    if (write.kind === "put") {
      const old = records.put(write.key, write.value.slice());
      return recordBytes(write.key, write.value) - (old === undefined ? 0 : recordBytes(write.key, old));
    }
    if (write.kind === "remove") {
      const old = records.remove(write.key);
      return old === undefined ? 0 : -recordBytes(write.key, old);
    }
    let log = logs.get(write.log);
    if (write.kind === "truncate") return -(log?.truncate(write.before) ?? 0);
    if (log === undefined) {
      log = new MemoryLog();
      logs.set(write.log, log);
    }
    log.append({ first: write.first, count: write.count, bytes: owned(write.bytes) });
    return write.bytes.length + OVERHEAD_BYTES;
  }
}

interface LogState {
  readonly batches: readonly (StoredBatch | undefined)[];
  readonly bytes: number;
  readonly end: number;
}

/** Batches of one log in order, the first ones removed by moving `#head`. */
class MemoryLog {
  /** Undefined below `#head`: what was removed must not be held. */
  #batches: (StoredBatch | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  end = 0;

  /** What `restore` goes back to. */
  state(): LogState {
    return { batches: this.#batches.slice(this.#head), bytes: this.#bytes, end: this.end };
  }
  restore({ batches, bytes, end }: LogState): void {
    this.#batches = [...batches];
    this.#head = 0;
    this.#bytes = bytes;
    this.end = end;
  }
  extent(): LogExtent {
    return { start: this.#batches[this.#head]?.first ?? this.end, end: this.end, bytes: this.#bytes };
  }
  append(batch: StoredBatch): void {
    this.#batches.push(batch);
    this.end = batch.first + batch.count;
    this.#bytes += batch.bytes.length;
  }
  /** Bytes that became free. */
  truncate(before: number): number {
    let freed = 0;
    for (
      let batch = this.#batches[this.#head];
      batch !== undefined && batch.first + batch.count <= before;
      batch = this.#batches[this.#head]
    ) {
      this.#bytes -= batch.bytes.length;
      freed += batch.bytes.length + OVERHEAD_BYTES;
      this.#batches[this.#head] = undefined;
      this.#head += 1;
    }
    if (this.#head > 1_024 && this.#head * 2 > this.#batches.length) {
      this.#batches = this.#batches.slice(this.#head);
      this.#head = 0;
    }
    return freed;
  }
  read(from: number, bytesMax: number): StoredBatch[] {
    let low = this.#head;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const batch = this.#batches[middle] as StoredBatch;
      if (batch.first + batch.count <= from) low = middle + 1;
      else high = middle;
    }
    const found: StoredBatch[] = [];
    let bytes = 0;
    for (let at = low; at < this.#batches.length; at++) {
      const batch = this.#batches[at] as StoredBatch;
      bytes += batch.bytes.length;
      if (found.length > 0 && bytes > bytesMax) break;
      found.push(batch);
    }
    return found;
  }
}

/** Bytes that hold on to no more memory than their own. */
const owned = (bytes: Uint8Array): Uint8Array => (bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice());
const storeFull = (usedBytes: number, capacityBytes: number) =>
  new MessagingError("STORE_FULL", `the store holds ${usedBytes} of ${capacityBytes} bytes and the rest is reserved`, {
    data: { usedBytes, capacityBytes },
  });
const recordBytes = (key: string, value: Uint8Array): number => key.length + value.length + OVERHEAD_BYTES;
