import type { Durability } from "../message/brands.ts";

/**
 * Where queues are kept: **logs** of batches (the hot path) and **records** (small documents by key: cursors, leases,
 * producer states, what was set aside), changed together in atomic commits.
 *
 * Commits are batch-first: call `commit` as often as there is something to say and
 * do not wait; the store groups what piles up. Nothing below `src/store` knows
 * topics, groups or leases: their records are encoded by those who own them.
 */
export interface Store extends AsyncDisposable {
  /** The strongest durability a commit here can reach. */
  readonly durabilityMax: Durability;
  /** Random, made with the data, kept with it: names the data, so a copy of it is recognised. */
  readonly id: string;
  /**
   * This process's ownership of the data: raised and made durable each time the store is opened. Every commit is
   * refused once it is not the stored one.
   */
  readonly ownerEpoch: number;

  /**
   * A writer: a sequence of commits that stand or fall as a prefix. Once one of them has failed, all its later ones
   * fail too (`STORE_FAILED`, the first failure as `cause`), also those already on their way: whoever owns the writer
   * reloads what it keeps in memory and takes a new one. That includes a commit that was flushed and could not be
   * synced: it stays, and is synced with whatever is synced later. Commits of one writer become durable in the order
   * they were made; between writers, one that was made after another had been told flushed is durable after it.
   */
  writer(): StoreWriter;

  /**
   * What a log holds; `{ start: 0, end: 0, bytes: 0 }` for one
   * that was never written. Sees all commits that are `flushed`.
   */
  extent(log: string): Promise<LogExtent>;
  /**
   * Batches in order (their bytes are not to be changed), from the one that holds `from` (or the first after it) on: at
   * least one if there is any, then while `bytesMax` is not passed. Sees `flushed` commits.
   */
  read(log: string, from: number, limit: ReadLimit): Promise<readonly StoredBatch[]>;
  get(key: string): Promise<Uint8Array | undefined>;
  /**
   * Records whose key begins with `prefix`, in key order (by UTF-16 code units restricted to ASCII keys), from after
   * the key `after`, at most `limit`.
   */
  list(
    prefix: string,
    options?: { readonly after?: string; readonly limit?: number },
  ): Promise<readonly StoredRecord[]>;

  /** Room and use, cheap enough to be asked per batch. */
  usage(): StoreUsage;
  /**
   * Re-reads the ownership from where it is kept; rejects with
   * `STORE_IN_USE` when another process has taken the data over.
   */
  verifyOwner(): Promise<void>;
  /** Completes every commit already made, makes them durable, and lets the data go. Idempotent. */
  close(): Promise<void>;
}

export interface StoreWriter {
  /**
   * Applies all writes at once, or none. The bytes of an append must not change any more, since a
   * store may keep them as they are; those of a put not until `flushed`. Never throws; failures
   * reject both promises (handled internally: an unread rejection ends nothing). `STORE_FULL`: no
   * room for an append (records and truncations have a reserve); `STORE_IN_USE`: the data has
   * another owner now; `STORE_FAILED`: anything else, also a commit after `close` (cause `CLOSED`).
   */
  commit(writes: readonly StoreWrite[], options?: CommitOptions): Commit;
}
export interface CommitOptions {
  /**
   * Nobody waits for it: the store may hold it back for a few milliseconds, for other commits to go to the disk with.
   * Those of its writer that follow never overtake it. @default false
   */
  readonly mayWait?: boolean;
}
export interface Commit {
  /** Applied, visible to reads, and kept if this process dies (in a memory store: applied). */
  readonly flushed: Promise<void>;
  /** Kept through power loss (in a memory store: the same as `flushed`). Never settles before `flushed`. */
  readonly synced: Promise<void>;
}
export type StoreWrite =
  /**
   * One stored record for the whole batch. `first` must be the
   * log's end as of the writes before, else the commit fails.
   */
  | {
      readonly kind: "append";
      readonly log: string;
      readonly first: number;
      readonly count: number;
      readonly bytes: Uint8Array;
    }
  /**
   * Removes the batches that lie wholly below `before`; the log's `start` becomes the first offset still there (its
   * end, if none is).
   */
  | { readonly kind: "truncate"; readonly log: string; readonly before: number }
  | { readonly kind: "put"; readonly key: string; readonly value: Uint8Array }
  | { readonly kind: "remove"; readonly key: string };

export interface StoredBatch {
  readonly first: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}
export interface StoredRecord {
  readonly key: string;
  readonly value: Uint8Array;
}
export interface LogExtent {
  readonly start: number;
  readonly end: number;
  /** Bytes of the batches it holds. */
  readonly bytes: number;
}
export interface ReadLimit {
  readonly bytesMax: number;
}
export interface StoreUsage {
  readonly usedBytes: number;
  readonly capacityBytes: number;
  /**
   * Whether appends are taken; records and truncations have a reserve
   * of 5 %, at least 64 MiB (or a quarter of a smaller store).
   */
  readonly hasRoom: boolean;
}
/**
 * Longest key of a record or name of a log, in bytes; not empty,
 * ASCII printable only (owners escape what people typed).
 */
export const STORE_KEY_BYTES_MAX = 1_000;
