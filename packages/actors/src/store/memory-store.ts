import { MessagingError, optionInvalid } from "../message/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { systemRuntime } from "../runtime/system-runtime.ts";
import {
  type Commit,
  type LogExtent,
  type ReadLimit,
  STORE_KEY_BYTES_MAX,
  type Store,
  type StoredBatch,
  type StoredRecord,
  type StoreUsage,
  type StoreWrite,
  type StoreWriter,
} from "./store.ts";

/** What each batch and each record costs beside its own bytes, in bytes: an estimate of the objects that hold it. */
const OVERHEAD_BYTES = 64;
const BYTES_MAX_DEFAULT = 2 ** 30;
const NO_EXTENT: LogExtent = { start: 0, end: 0, bytes: 0 };

export interface MemoryDiskOptions {
  /** Room for batches and records, in bytes. @default 1 GiB */
  readonly bytesMax?: number;
  /** Where the id of the data comes from. @default the platform's */
  readonly runtime?: Runtime;
  /** See {@link MemoryDisk.beforeApply}. */
  readonly beforeApply?: MemoryDisk["beforeApply"];
}

/**
 * What memory stores keep their data in. It outlives them: opening a second store on it is what a crash and a restart look like, because
 * whatever the first one had not yet applied is then refused with `STORE_IN_USE` and lost.
 */
export class MemoryDisk {
  /** The data's id; every store on this disk has it. */
  readonly id: string;
  /** Room for batches and records, in bytes. */
  readonly capacityBytes: number;
  /**
   * Asked before each commit is applied, in order and one at a time: while its promise is pending this commit and all later ones of that store wait;
   * when it throws or rejects, that commit fails with `STORE_FAILED`. For tests and simulations: change it at any time.
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

  constructor(options: MemoryDiskOptions = {}) {
    this.id = (options.runtime ?? systemRuntime()).id();
    this.capacityBytes = options.bytesMax ?? BYTES_MAX_DEFAULT;
    if (!(Number.isSafeInteger(this.capacityBytes) && this.capacityBytes > 0))
      throw optionInvalid("bytesMax", "a whole number of bytes above 0", options.bytesMax);
    this.beforeApply = options.beforeApply;
  }
}

export interface MemoryStoreOptions {
  /** Room for batches and records, in bytes; not together with `disk`, which has its own. @default 1 GiB */
  readonly bytesMax?: number;
  /** Commits are applied in its `defer`. @default the platform's: a microtask */
  readonly runtime?: Runtime;
  /** Data of earlier stores to go on with, under a new `ownerEpoch`; those earlier stores are fenced from now on. @default empty */
  readonly disk?: MemoryDisk;
}

/**
 * A store that keeps everything in memory: `durabilityMax` is "memory", `synced` and `flushed` are the same. Commits are applied in the order they were
 * made, whatever their writer, never inside the `commit` call. Bytes are copied when a commit is applied; what reads return must not be changed.
 * @throws OPTION_INVALID
 */
export function createMemoryStore(options: MemoryStoreOptions = {}): Store {
  if (options.disk !== undefined && options.bytesMax !== undefined)
    throw optionInvalid("bytesMax", "left out when `disk` is given (it belongs to the disk)", options.bytesMax);
  const { bytesMax, runtime = systemRuntime() } = options;
  const disk = options.disk ?? new MemoryDisk(bytesMax === undefined ? { runtime } : { runtime, bytesMax });
  return new MemoryStore(disk, runtime);
}

interface PendingCommit {
  readonly writer: MemoryWriter;
  readonly writes: readonly StoreWrite[];
  readonly resolve: () => void;
  readonly reject: (error: MessagingError) => void;
}
interface MemoryWriter extends StoreWriter {
  failure: MessagingError | undefined;
}

class MemoryStore implements Store {
  readonly durabilityMax = "memory";
  readonly id: string;
  readonly ownerEpoch: number;
  readonly #disk: MemoryDisk;
  readonly #runtime: Runtime;
  #pending: PendingCommit[] = [];
  #applying = false;
  #closed = false;
  readonly #whenIdle: (() => void)[] = [];

  constructor(disk: MemoryDisk, runtime: Runtime) {
    this.#disk = disk;
    this.#runtime = runtime;
    this.id = disk.id;
    this.ownerEpoch = ++disk.ownerEpoch;
  }

  writer(): StoreWriter {
    const writer: MemoryWriter = { failure: undefined, commit: (writes) => this.#commit(writer, writes) };
    return writer;
  }

  async extent(log: string): Promise<LogExtent> {
    this.#checkOpen();
    return this.#disk.logs.get(log)?.extent() ?? NO_EXTENT;
  }
  async read(log: string, from: number, limit: ReadLimit): Promise<readonly StoredBatch[]> {
    this.#checkOpen();
    return this.#disk.logs.get(log)?.read(from, limit.bytesMax) ?? [];
  }
  async get(key: string): Promise<Uint8Array | undefined> {
    this.#checkOpen();
    return this.#disk.records.get(key);
  }
  async list(
    prefix: string,
    options: { readonly after?: string; readonly limit?: number } = {},
  ): Promise<readonly StoredRecord[]> {
    this.#checkOpen();
    return this.#disk.records.list(prefix, options.after, options.limit ?? Number.POSITIVE_INFINITY);
  }

  usage(): StoreUsage {
    const { usedBytes, capacityBytes } = this.#disk;
    return { usedBytes, capacityBytes, hasRoom: usedBytes < capacityBytes - reserveOf(capacityBytes) };
  }
  async verifyOwner(): Promise<void> {
    this.#checkOpen();
    this.#checkOwner();
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#applying) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #commit(writer: MemoryWriter, writes: readonly StoreWrite[]): Commit {
    const promise = new Promise<void>((resolve, reject) => {
      if (this.#closed) return reject(closedError()); // fails this one only: what was made before is completed
      if (writer.failure !== undefined) return reject(failWriter(writer, writer.failure));
      this.#pending.push({ writer, writes, resolve, reject });
    });
    promise.catch(() => {}); // a rejection that nobody reads ends nothing
    if (this.#pending.length > 0 && !this.#applying) {
      this.#applying = true;
      this.#runtime.defer(() => void this.#applyPending());
    }
    return { flushed: promise, synced: promise };
  }

  async #applyPending(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      for (const pending of batch) {
        const { writer, writes } = pending;
        try {
          if (writer.failure !== undefined) throw writer.failure;
          const wait = this.#disk.beforeApply?.(writes);
          if (wait !== undefined) await wait;
          this.#checkOwner();
          this.#apply(writes);
          pending.resolve();
        } catch (error) {
          pending.reject(failWriter(writer, error));
        }
      }
    }
    this.#applying = false;
    for (const idle of this.#whenIdle.splice(0)) idle();
  }

  /** All of them or, when one cannot be, none. */
  #apply(writes: readonly StoreWrite[]): void {
    const { logs, records, capacityBytes } = this.#disk;
    const ends = new Map<string, number>();
    let appended = 0;
    let added = 0;
    for (const write of writes) {
      const problem = problemOf(write);
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
    const { usedBytes } = this.#disk;
    if (appended > 0 && usedBytes + appended > capacityBytes - reserveOf(capacityBytes))
      throw storeFull(usedBytes, capacityBytes);
    if (added > 0 && usedBytes + added > capacityBytes) throw storeFull(usedBytes, capacityBytes);
    for (const write of writes) this.#disk.usedBytes += this.#applyOne(write);
  }

  #applyOne(write: StoreWrite): number {
    const { logs, records } = this.#disk;
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
    log.append({ first: write.first, count: write.count, bytes: write.bytes.slice() });
    return write.bytes.length + OVERHEAD_BYTES;
  }

  #checkOwner(): void {
    if (this.#disk.ownerEpoch !== this.ownerEpoch)
      throw new MessagingError(
        "STORE_IN_USE",
        `the data was opened again: owner epoch ${this.ownerEpoch} has ended, ${this.#disk.ownerEpoch} owns it now`,
        {
          data: { presented: this.ownerEpoch, current: this.#disk.ownerEpoch },
        },
      );
  }
  #checkOpen(): void {
    if (this.#closed) throw new MessagingError("CLOSED", "the store is closed");
  }
}

/** Batches of one log in order, the first ones removed by moving `#head`. */
class MemoryLog {
  #batches: StoredBatch[] = [];
  #head = 0;
  #bytes = 0;
  end = 0;

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

/** Records by key, listed in key order. */
class SortedRecords {
  readonly #values = new Map<string, Uint8Array>();
  #keys: string[] = [];

  get(key: string): Uint8Array | undefined {
    return this.#values.get(key);
  }
  /** The value it replaces. */
  put(key: string, value: Uint8Array): Uint8Array | undefined {
    const old = this.#values.get(key);
    if (old === undefined) this.#keys.splice(this.#firstAtOrAfter(key), 0, key);
    this.#values.set(key, value);
    return old;
  }
  /** The value it removes. */
  remove(key: string): Uint8Array | undefined {
    const old = this.#values.get(key);
    if (old === undefined) return undefined;
    this.#values.delete(key);
    this.#keys.splice(this.#firstAtOrAfter(key), 1);
    return old;
  }
  list(prefix: string, after: string | undefined, limit: number): StoredRecord[] {
    const found: StoredRecord[] = [];
    let at = this.#firstAtOrAfter(after !== undefined && after > prefix ? after : prefix);
    if (this.#keys[at] === after) at += 1;
    for (let key = this.#keys[at]; key?.startsWith(prefix) && found.length < limit; key = this.#keys[++at])
      found.push({ key, value: this.#values.get(key) as Uint8Array });
    return found;
  }
  #firstAtOrAfter(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] as string) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The error of a commit of this writer, which fails all its later ones. */
function failWriter(writer: MemoryWriter, cause: unknown): MessagingError {
  if (cause === writer.failure)
    return new MessagingError("STORE_FAILED", "an earlier commit of this writer failed", { cause });
  const error =
    cause instanceof MessagingError
      ? cause
      : new MessagingError("STORE_FAILED", `the commit failed: ${String(cause)}`, { cause });
  writer.failure ??= error;
  return error;
}
const closedError = () =>
  new MessagingError("STORE_FAILED", "the store is closed", {
    cause: new MessagingError("CLOSED", "the store is closed"),
  });
const storeFull = (usedBytes: number, capacityBytes: number) =>
  new MessagingError("STORE_FULL", `the store holds ${usedBytes} of ${capacityBytes} bytes and the rest is reserved`, {
    data: { usedBytes, capacityBytes },
  });

const reserveOf = (capacity: number): number => Math.min(Math.max(capacity * 0.05, 64 * 2 ** 20), capacity / 4);
const recordBytes = (key: string, value: Uint8Array): number => key.length + value.length + OVERHEAD_BYTES;

const KEY = /^[\x20-\x7e]+$/;
function problemOf(write: StoreWrite): string | undefined {
  const isRecord = write.kind === "put" || write.kind === "remove";
  const name = isRecord ? write.key : write.log;
  if (typeof name !== "string" || name.length > STORE_KEY_BYTES_MAX || !KEY.test(name))
    return `a ${isRecord ? "key" : "log's name"} must be 1 to ${STORE_KEY_BYTES_MAX} printable ASCII characters, found ${JSON.stringify(name)}`;
  if (write.kind === "append") {
    if (!isWhole(write.first) || !isWhole(write.count) || write.count === 0 || !isWhole(write.first + write.count))
      return `append to log "${write.log}": first must be a whole number and count at least 1, found ${write.first} and ${write.count}`;
    if (!(write.bytes instanceof Uint8Array)) return `append to log "${write.log}": bytes must be a Uint8Array`;
  }
  if (write.kind === "truncate" && !isWhole(write.before))
    return `truncate log "${write.log}": before must be a whole number, found ${write.before}`;
  if (write.kind === "put" && !(write.value instanceof Uint8Array))
    return `put "${write.key}": value must be a Uint8Array`;
  return undefined;
}
const isWhole = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
