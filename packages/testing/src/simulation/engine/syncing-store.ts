import {
  type Commit,
  type LogExtent,
  MessagingError,
  type ReadLimit,
  type Runtime,
  type Store,
  type StoredBatch,
  type StoredRecord,
  type StoreUsage,
  type StoreWriter,
} from "@seriatim/actors/client";
import type { MemoryDisk } from "@seriatim/actors/store";
import { SECRET } from "../watch/secret-watch.ts";

/** A store whose commits are synced some time after they are flushed: what a disk behind a cache looks like. */
export class SyncingStore implements Store {
  readonly durabilityMax = "synced";
  readonly #inner: Store;
  readonly #runtime: Runtime;
  readonly #syncMs: number;
  readonly #disk: MemoryDisk | null;
  readonly #fails: () => boolean;

  /** `disk`: told what is synced, so that a power loss takes the rest. Opening the data syncs what is there. `fails`: asked when a commit is to be synced that was flushed before. */
  constructor(
    inner: Store,
    runtime: Runtime,
    syncMs: number,
    disk: MemoryDisk | null = null,
    fails: () => boolean = () => false,
  ) {
    this.#disk = disk;
    this.#fails = fails;
    disk?.synced(disk.applied);
    this.#inner = inner;
    this.#runtime = runtime;
    this.#syncMs = syncMs;
  }
  get id(): string {
    return this.#inner.id;
  }
  get ownerEpoch(): number {
    return this.#inner.ownerEpoch;
  }
  writer(): StoreWriter {
    const writer = this.#inner.writer();
    const health: Health = { failure: null };
    return {
      commit: (writes) =>
        health.failure === null ? this.#syncedLater(writer.commit(writes), health) : failed(health.failure),
    };
  }
  #syncedLater(commit: Commit, health: Health): Commit {
    const disk = this.#disk;
    if (this.#syncMs === 0) {
      commit.flushed.then(
        () => disk?.synced(disk.applied),
        () => {}, // nothing was applied
      );
      return commit;
    }
    const synced = commit.flushed.then(() => {
      const upTo = disk?.applied ?? 0;
      return new Promise<void>((resolve, reject) => {
        this.#runtime.setTimeout(() => {
          if (health.failure === null && this.#fails())
            health.failure = new MessagingError("STORE_FAILED", `the disk failed to sync: ${SECRET}`);
          if (health.failure !== null) {
            reject(health.failure);
            return;
          }
          disk?.synced(upTo);
          resolve();
        }, this.#syncMs);
      });
    });
    synced.catch(() => {});
    return { flushed: commit.flushed, synced };
  }
  extent(log: string): Promise<LogExtent> {
    return this.#inner.extent(log);
  }
  read(log: string, from: number, limit: ReadLimit): Promise<readonly StoredBatch[]> {
    return this.#inner.read(log, from, limit);
  }
  get(key: string): Promise<Uint8Array | undefined> {
    return this.#inner.get(key);
  }
  list(
    prefix: string,
    options?: { readonly after?: string; readonly limit?: number },
  ): Promise<readonly StoredRecord[]> {
    return this.#inner.list(prefix, options);
  }
  usage(): StoreUsage {
    return this.#inner.usage();
  }
  verifyOwner(): Promise<void> {
    return this.#inner.verifyOwner();
  }
  close(): Promise<void> {
    return this.#inner.close();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
/** Of one writer: once a commit of it could not be synced, no later one is made or synced. */
interface Health {
  failure: MessagingError | null;
}
function failed(error: MessagingError): Commit {
  const promise = Promise.reject(error);
  promise.catch(() => {});
  return { flushed: promise, synced: promise };
}
