// The store on lmdb: what the Store contract asks for, answered from the data as of the last transaction.
import {
  type LogExtent,
  MessagingError,
  type ReadLimit,
  type Store,
  type StoredBatch,
  type StoredRecord,
  type StoreUsage,
  type StoreWriter,
} from "@seriatim/actors";
import { Committer } from "./committer.ts";
import { folderOf } from "./data-folder.ts";
import { EMPTY_LOG } from "./encoding.ts";
import { closed, lmdbError } from "./errors.ts";
import { type FolderLock, lockFolder } from "./folder-lock.ts";
import { keepPrivate } from "./folder-rights.ts";
import type { Migration } from "./formats.ts";
import { openFolder } from "./open-folder.ts";
import { type LmdbStoreOptions, type Settings, settingsOf } from "./options.ts";
import { verifyOwner } from "./ownership.ts";
import { Room } from "./room.ts";
import type { OpenedFolder, StoreData } from "./store-data.ts";
import { listOf, readLog, recordOf, stateOf } from "./view.ts";

/** For tests. */
export interface LmdbStoreInternals {
  /** Whether to lock the folder. @default true */
  readonly lock?: boolean;
  /** From the oldest format on. @default those there are */
  readonly migrations?: readonly Migration[];
}

const READER_CHECK_MS = 60_000;

/**
 * Opens the store in a folder, for this process alone. `durabilityMax` is "synced". A commit that goes
 * to the journal is `flushed` once it is written there, and `synced` after one `fdatasync`; for one
 * that goes to lmdb itself (`fdatasync`, then its root in one synchronous write) both settle together.
 * @throws OPTION_INVALID, STORE_IN_USE (another process, or another store of this one,
 * has the folder), STORE_DAMAGED, FORMAT_UNSUPPORTED, STORE_FAILED
 */
export async function openLmdbStore(options: LmdbStoreOptions, internals: LmdbStoreInternals = {}): Promise<LmdbStore> {
  const settings = settingsOf(options);
  let lock: FolderLock | undefined;
  try {
    const folder = folderOf(options.path);
    keepPrivate(folder, settings.warn);
    if (internals.lock !== false) lock = await lockFolder(folder);
    return new LmdbStore(folder, settings, lock, await openFolder(folder, settings, internals.migrations));
  } catch (error) {
    await lock?.release();
    throw lmdbError(error, `cannot open the store in "${options.path}"`);
  }
}

export class LmdbStore implements Store {
  readonly durabilityMax = "synced";
  readonly id: string;
  readonly ownerEpoch: number;
  readonly #folder: string;
  readonly #settings: Settings;
  readonly #lock: FolderLock | undefined;
  readonly #room: Room;
  readonly #committer: Committer;
  #closing: Promise<void> | undefined;
  #readerCheck: unknown;

  /** @internal */
  constructor(folder: string, settings: Settings, lock: FolderLock | undefined, opened: OpenedFolder) {
    this.#folder = folder;
    this.#settings = settings;
    this.#lock = lock;
    this.id = opened.id;
    this.ownerEpoch = opened.epoch;
    this.#room = new Room(folder, settings.bytesMax, settings.runtime);
    this.#committer = new Committer(folder, settings, opened, this.#room);
    this.#checkReaders();
  }

  writer(): StoreWriter {
    return this.#committer.queue.writer();
  }

  extent(log: string): Promise<LogExtent> {
    return this.#reading((data) => {
      const state = stateOf(data, log) ?? EMPTY_LOG;
      return { start: state.start, end: state.end, bytes: state.bytesAtEnd - state.bytesAtStart };
    });
  }
  read(log: string, from: number, limit: ReadLimit): Promise<readonly StoredBatch[]> {
    return this.#reading((data) => readLog(data, log, from, limit.bytesMax));
  }
  get(key: string): Promise<Uint8Array | undefined> {
    return this.#reading((data) => recordOf(data, key));
  }
  list(
    prefix: string,
    options: { readonly after?: string; readonly limit?: number } = {},
  ): Promise<readonly StoredRecord[]> {
    return this.#reading((data) => listOf(data, prefix, options));
  }

  usage(): StoreUsage {
    const { data, recentBytes, queue } = this.#committer;
    return this.#room.usage(data.file, recentBytes, queue.waitingBytes);
  }
  verifyOwner(): Promise<void> {
    return this.#reading(({ env }) => verifyOwner(env, this.#folder, this.ownerEpoch));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close(() => this.#committer.close());
    return this.#closing;
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
  /** For tests: whether commits go to the journal. */
  get isJournaling(): boolean {
    return this.#committer.isJournaling;
  }
  /**
   * For tests: lets the data go as a crash would.
   * What waits is lost and never settles; the transaction under way is completed.
   */
  abandon(): Promise<void> {
    this.#closing ??= this.#close(() => this.#committer.abandon());
    return this.#closing;
  }

  async #close(letGo: () => Promise<void>): Promise<void> {
    const { queue } = this.#committer;
    queue.refuse(() => new MessagingError("STORE_FAILED", "the store is closed", { cause: closed() }));
    this.#settings.runtime.clearTimeout(this.#readerCheck);
    try {
      await letGo();
    } finally {
      await this.#lock?.release();
    }
  }

  async #reading<T>(read: (data: StoreData) => T): Promise<T> {
    if (this.#committer.reopening !== undefined) await this.#committer.reopening;
    const { broken, data } = this.#committer;
    if (broken !== undefined) throw broken;
    if (this.#closing !== undefined) throw closed();
    try {
      return read(data);
    } catch (error) {
      data.env.root.resetReadTxn(); // lmdb takes no more reads in a transaction that failed
      throw lmdbError(error, "cannot read");
    }
  }

  /** Has lmdb forget, now and then, the readers of processes that are gone: what they held could not be used again. */
  #checkReaders(): void {
    const { runtime } = this.#settings;
    this.#readerCheck = runtime.setTimeout(() => {
      const { reopening, broken, data } = this.#committer;
      try {
        if (reopening === undefined && broken === undefined) data.env.root.readerCheck();
      } catch {
        // tried again at its next turn; what lmdb cannot do now its commits and reads tell
      }
      this.#checkReaders();
    }, READER_CHECK_MS);
    (this.#readerCheck as { unref?(): void } | undefined)?.unref?.();
  }
}
