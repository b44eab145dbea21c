// The store in memory: commits wait their turn, then change the disk they belong to.
import { MessagingError, optionInvalid } from "../message/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { systemRuntime } from "../runtime/system-runtime.ts";
import { MemoryDisk } from "./memory-disk.ts";
import type {
  Commit,
  LogExtent,
  ReadLimit,
  Store,
  StoredBatch,
  StoredRecord,
  StoreUsage,
  StoreWrite,
  StoreWriter,
} from "./store.ts";
import { storeReserveBytes } from "./store-rules.ts";

const NO_EXTENT: LogExtent = { start: 0, end: 0, bytes: 0 };

export interface MemoryStoreOptions {
  /** Room for batches and records, in bytes; not together with `disk`, which has its own. @default 1 GiB */
  readonly bytesMax?: number;
  /** Commits are applied in its `defer`. @default the platform's: a microtask */
  readonly runtime?: Runtime;
  /**
   * Data of earlier stores to go on with, under a new `ownerEpoch`; those earlier stores are fenced from now on.
   * @default empty
   */
  readonly disk?: MemoryDisk;
}

/**
 * A store that keeps everything in memory: `durabilityMax` is "memory", `synced` and
 * `flushed` are the same. Commits are applied in the order they were made, whatever their
 * writer, never inside the `commit` call. What is put is copied when its commit is applied,
 * and an append that is a part of a larger buffer; what reads return must not be changed.
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
    return { usedBytes, capacityBytes, hasRoom: usedBytes < capacityBytes - storeReserveBytes(capacityBytes) };
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
          this.#disk.apply(writes);
          pending.resolve();
        } catch (error) {
          pending.reject(failWriter(writer, error));
        }
      }
    }
    this.#applying = false;
    for (const idle of this.#whenIdle.splice(0)) idle();
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
