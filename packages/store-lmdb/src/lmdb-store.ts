// The store on lmdb: one write transaction at a time, made of everything that was committed while the one before was under way.
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  statfsSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname, join, resolve as resolvePath } from "node:path";
import {
  type LogExtent,
  MessagingError,
  optionInvalid,
  type ReadLimit,
  type Runtime,
  type Store,
  type StoredBatch,
  type StoredRecord,
  type StoreUsage,
  type StoreWrite,
  type StoreWriter,
  systemRuntime,
} from "@seriatim/actors";
import { type Database, open as openLmdb, type RootDatabase } from "lmdb";
import { CommitQueue, type PendingCommit, writeCost } from "./commit-queue.ts";
import { inspectDataFile } from "./data-file.ts";
import {
  BATCH_HEADER_BYTES,
  batchKey,
  batchOfKey,
  damaged,
  decodeLog,
  encodeLog,
  type LogState,
  RECORD_HEADER_BYTES,
  readBatch,
  readRecord,
  textKey,
  textOfKey,
  writeBatch,
  writeRecord,
} from "./encoding.ts";
import { type FolderLock, lockFolder } from "./folder-lock.ts";

export interface LmdbStoreOptions {
  /** Folder of the data; made if it is not there, but not the folder above it. Not on a network file system. */
  readonly path: string;
  /** Room for batches and records as they lie in the file, in bytes (at least 4 MiB). Space that was freed is used again, the file itself never shrinks. @default 16 GiB */
  readonly bytesMax?: number;
  /** `full` reads and checks everything before it is served; `quick` all records, but only the ends of every log: what is damaged in between is found when it is read. @default "quick" */
  readonly check?: "quick" | "full";
  /** Most bytes of one write transaction; past it, writers take turns. @default 4 MiB */
  readonly transactionBytesMax?: number;
  /** Source of time and ids. @default the platform's */
  readonly runtime?: Runtime;
}
/** For tests. */
export interface LmdbStoreInternals {
  /** Whether to lock the folder. @default true */
  readonly lock?: boolean;
}

const BYTES_MAX_DEFAULT = 16 * 2 ** 30;
const READER_CHECK_MS = 60_000;
/** Batches of truncated logs that one transaction removes from the file; twice as many as it adds if that is more, so that removing keeps up. */
const TRIMMED_PER_TRANSACTION = 1_000;
const KEY_BYTES_MAX = 1_000;
/**
 * Free bytes, of the disk and within the file, below which appends and new records are refused, and of the disk alone below which everything is.
 * lmdb must never find the disk full: in 3.5.6 the text of a write error is longer than the memory made for it, which may end the process.
 */
const FREE_FLOOR = { append: 32 * 2 ** 20, record: 8 * 2 ** 20, disk: 2 ** 20 };
const DISK_CHECK_MS = 250;
const FORMAT = 1;
const OWNER_KEY = textKey("owner");
const EMPTY_LOG: LogState = { start: 0, end: 0, bytesAtStart: 0, bytesAtEnd: 0 };

/**
 * Opens the store in a folder, for this process alone. `durabilityMax` is "synced"; a commit's `flushed` and `synced` settle together, since lmdb
 * makes a transaction visible only once it is on the disk (`fdatasync`, then its root in one synchronous write).
 * @throws OPTION_INVALID, STORE_IN_USE (another process, or another store of this one, has the folder), STORE_DAMAGED, STORE_FAILED
 */
export async function openLmdbStore(options: LmdbStoreOptions, internals: LmdbStoreInternals = {}): Promise<LmdbStore> {
  const { path, bytesMax = BYTES_MAX_DEFAULT, transactionBytesMax = 4 * 2 ** 20, check = "quick" } = options;
  if (typeof path !== "string" || path === "") throw optionInvalid("path", "the name of a folder", path);
  if (!(Number.isSafeInteger(bytesMax) && bytesMax >= 4 * 2 ** 20 && bytesMax <= 2 ** 46))
    throw optionInvalid("bytesMax", "a whole number of bytes from 4 MiB to 64 TiB", bytesMax);
  if (!(Number.isSafeInteger(transactionBytesMax) && transactionBytesMax > 0))
    throw optionInvalid("transactionBytesMax", "a whole number of bytes above 0", transactionBytesMax);
  if (check !== "quick" && check !== "full") throw optionInvalid("check", '"quick" or "full"', check);
  let lock: FolderLock | undefined;
  try {
    const folder = folderOf(path);
    if (internals.lock !== false) lock = await lockFolder(folder);
    return await LmdbStore.open(
      folder,
      { bytesMax, transactionBytesMax, check, runtime: options.runtime ?? systemRuntime() },
      lock,
    );
  } catch (error) {
    await lock?.release();
    throw lmdbError(error, `cannot open the store in "${path}"`);
  }
}

/** The folder's real path; made if only it is missing. */
function folderOf(path: string): string {
  const folder = resolvePath(path);
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found === undefined) {
    if (statSync(dirname(folder), { throwIfNoEntry: false })?.isDirectory() !== true)
      throw optionInvalid(
        "path",
        `a folder, or the name of one to make in a folder that is there ("${dirname(folder)}" is not)`,
        path,
      );
    mkdirSync(folder);
    syncFolder(dirname(folder));
  } else if (!found.isDirectory()) throw optionInvalid("path", "a folder, not a file", path);
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new MessagingError("STORE_FAILED", `the data folder "${folder}" is not writable`, {
      cause,
      data: { path: folder },
    });
  }
  return realpathSync(folder);
}

interface Settings {
  readonly bytesMax: number;
  readonly transactionBytesMax: number;
  readonly check: "quick" | "full";
  readonly runtime: Runtime;
}
type Bytes = Database<Buffer, Buffer>;
interface Environment {
  readonly root: RootDatabase<Buffer, Buffer>;
  /** One record, versioned with the ownership epoch, so that a transaction can depend on it. */
  readonly owner: Bytes;
  readonly logs: Bytes;
  readonly batches: Bytes;
  readonly records: Bytes;
  /** Which file it is, to notice when another takes its name. */
  readonly inode: bigint;
}
interface NewBatch {
  readonly log: string;
  readonly first: number;
  readonly count: number;
  readonly bytesBefore: number;
  readonly bytes: Uint8Array;
}
/** Changes of a commit, or of a transaction: the last word on each log and record, and the batches to add. */
interface Changes {
  readonly logs: Map<string, LogState>;
  readonly records: Map<string, Uint8Array | undefined>;
  readonly batches: NewBatch[];
}
interface Transaction extends Changes {
  readonly commits: PendingCommit[];
  cost: number;
  /** Keys of truncated batches to remove from the file. */
  readonly trims: Buffer[];
  /** From where on each log that was trimmed still has some left; its `start` if none. */
  readonly trimmedTo: Map<string, number>;
}

export class LmdbStore implements Store {
  readonly durabilityMax = "synced";
  readonly id: string;
  readonly ownerEpoch: number;
  readonly #folder: string;
  readonly #settings: Settings;
  readonly #lock: FolderLock | undefined;
  readonly #queue: CommitQueue;
  #env: Environment;
  /** All logs as of the last transaction. */
  #logs: Map<string, LogState>;
  /** Logs that have truncated batches left in the file, and from which offset on. */
  #untrimmed: Map<string, number>;
  #used: Used;
  /** Of the disk, as of `#freeAt`. */
  #freeBytes = 0;
  #freeAt = Number.NEGATIVE_INFINITY;
  #writing = false;
  /** Waits for `#writing` to end. */
  readonly #whenIdle: (() => void)[] = [];
  #recovery: Promise<void> | undefined;
  #broken: MessagingError | undefined;
  #closing: Promise<void> | undefined;
  #readerCheck: unknown;

  /** @internal */
  static async open(folder: string, settings: Settings, lock: FolderLock | undefined): Promise<LmdbStore> {
    if (freeBytesOf(folder) < FREE_FLOOR.disk)
      throw new MessagingError("STORE_FAILED", `there is no space left for the data folder "${folder}"`);
    const passport = readPassport(folder);
    const file = join(folder, "data.mdb");
    const data = inspectDataFile(file);
    if (data.state === "missing" && passport !== undefined)
      throw damaged("its data file is missing or empty", { path: file });
    const suspicion = join(folder, "check-everything");
    if (data.state === "short") {
      writeDurably(folder, suspicion, ""); // remembered until it is settled, since the file does not look short from now on
      extend(file, data.bytes);
    }
    const isSuspicious = statSync(suspicion, { throwIfNoEntry: false }) !== undefined;
    const env = openEnvironment(folder, settings.bytesMax);
    try {
      const full = isSuspicious || settings.check === "full";
      const loaded = load(env, full);
      const { id, epoch } = takeOwnership(env, passport, loaded.logs.size > 0, settings.runtime);
      if (passport === undefined)
        writeDurably(folder, join(folder, "store.json"), `${JSON.stringify({ format: FORMAT, id })}\n`);
      if (isSuspicious) unlinkSync(suspicion);
      return new LmdbStore(folder, settings, lock, env, loaded, id, epoch);
    } catch (error) {
      await env.root.close();
      throw error;
    }
  }

  private constructor(
    folder: string,
    settings: Settings,
    lock: FolderLock | undefined,
    env: Environment,
    loaded: Loaded,
    id: string,
    epoch: number,
  ) {
    this.#folder = folder;
    this.#settings = settings;
    this.#lock = lock;
    this.#env = env;
    this.#logs = loaded.logs;
    this.#untrimmed = loaded.untrimmed;
    this.id = id;
    this.ownerEpoch = epoch;
    this.#queue = new CommitQueue(settings.transactionBytesMax, () => this.#schedule());
    this.#used = usedOf(env);
    this.#checkReaders();
    if (this.#untrimmed.size > 0) this.#schedule();
  }

  writer(): StoreWriter {
    return this.#queue.writer();
  }

  extent(log: string): Promise<LogExtent> {
    return this.#reading(() => {
      const state = this.#logs.get(log) ?? EMPTY_LOG;
      return { start: state.start, end: state.end, bytes: state.bytesAtEnd - state.bytesAtStart };
    });
  }

  read(log: string, from: number, limit: ReadLimit): Promise<readonly StoredBatch[]> {
    return this.#reading((env) => {
      const state = this.#logs.get(log);
      if (state === undefined || !(from < state.end) || state.start === state.end) return [];
      return readBatches(env, log, state, Math.max(from, state.start), limit.bytesMax);
    });
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#reading((env) => (isName(key) ? recordAt(env, textKey(key)) : undefined));
  }

  list(
    prefix: string,
    options: { readonly after?: string; readonly limit?: number } = {},
  ): Promise<readonly StoredRecord[]> {
    return this.#reading((env) => {
      const { after, limit = Number.POSITIVE_INFINITY } = options;
      const found: StoredRecord[] = [];
      if (limit <= 0 || (prefix !== "" && !isName(prefix))) return found;
      const start = after !== undefined && after > prefix ? after : prefix;
      const range = {
        ...(start === "" ? {} : { start: textKey(start) }),
        ...(prefix === "" ? {} : { end: afterPrefix(prefix) }),
      };
      for (const { key, value } of env.records.getRange(range)) {
        const name = textOfKey(key);
        if (name === after) continue;
        found.push({ key: name, value: readRecord(key, value) });
        if (found.length >= limit) break;
      }
      return found;
    });
  }

  usage(): StoreUsage {
    const { bytesMax } = this.#settings;
    const waiting = this.#queue.waitingBytes;
    this.#checkDisk(DISK_CHECK_MS);
    const hasRoom =
      this.#used.bytes + waiting < bytesMax - reserveOf(bytesMax) &&
      this.#freeBytes + this.#used.reusable - waiting > FREE_FLOOR.append;
    return { usedBytes: this.#used.bytes, capacityBytes: bytesMax, hasRoom };
  }

  verifyOwner(): Promise<void> {
    return this.#reading((env) => {
      env.root.resetReadTxn();
      const current = env.owner.getEntry(OWNER_KEY)?.version;
      if (current !== this.ownerEpoch) throw ownerLost(this.#folder, this.ownerEpoch, current);
      if (inodeOf(this.#folder) !== env.inode) throw ownerLost(this.#folder, this.ownerEpoch, "another data file");
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
  /** For tests: lets the data go as a crash would. What waits is lost and never settles; the transaction under way is completed. */
  abandon(): Promise<void> {
    this.#queue.drop();
    this.#untrimmed.clear();
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#queue.refuse(() => new MessagingError("STORE_FAILED", "the store is closed", { cause: closed() }));
    this.#settings.runtime.clearTimeout(this.#readerCheck);
    if (this.#writing) await new Promise<void>((done) => this.#whenIdle.push(done));
    try {
      if (this.#broken === undefined) await this.#env.root.close();
    } finally {
      await this.#lock?.release();
    }
  }

  async #reading<T>(read: (env: Environment) => T): Promise<T> {
    if (this.#recovery !== undefined) await this.#recovery;
    if (this.#broken !== undefined) throw this.#broken;
    if (this.#closing !== undefined) throw closed();
    try {
      return read(this.#env);
    } catch (error) {
      this.#env.root.resetReadTxn(); // lmdb takes no more reads in a transaction that failed
      throw lmdbError(error, "cannot read");
    }
  }

  /** Notes how much of the disk is free, unless that is known since less than `ageMs`. */
  #checkDisk(ageMs: number): void {
    const now = this.#settings.runtime.now();
    if (now - this.#freeAt < ageMs) return;
    this.#freeBytes = freeBytesOf(this.#folder);
    this.#freeAt = now;
  }

  // Writing

  #schedule(): void {
    if (this.#writing) return;
    this.#writing = true;
    this.#settings.runtime.defer(() => void this.#writeAll());
  }

  async #writeAll(): Promise<void> {
    for (let next = this.#nextTransaction(); next !== undefined; next = this.#nextTransaction()) {
      try {
        await this.#write(next);
      } catch (error) {
        this.#broken = lmdbError(error, `the store in "${this.#folder}" cannot go on`);
        for (const pending of next.commits) this.#queue.fail(pending, this.#broken);
      }
    }
    this.#writing = false;
    for (const idle of this.#whenIdle.splice(0)) idle();
  }

  /** What the next transaction does: commits that can be made, and some cleaning up. */
  #nextTransaction(): Transaction | undefined {
    while (true) {
      const transaction: Transaction = {
        logs: new Map(),
        records: new Map(),
        batches: [],
        commits: [],
        cost: 0,
        trims: [],
        trimmedTo: new Map(),
      };
      this.#checkDisk(0);
      for (const pending of this.#queue.take()) {
        try {
          if (this.#broken !== undefined) throw this.#broken;
          if (pending.writer.failure !== undefined) throw pending.writer.failure;
          this.#add(transaction, pending);
        } catch (error) {
          this.#queue.fail(pending, lmdbError(error, "the commit failed"));
        }
      }
      if (this.#broken === undefined && this.#freeBytes >= FREE_FLOOR.disk) {
        try {
          this.#addTrims(transaction);
        } catch {
          // Damaged, but nobody needs it: left in the file until the store is opened again.
          transaction.trims.length = 0;
          transaction.trimmedTo.clear();
          this.#untrimmed.clear();
        }
      }
      if (transaction.commits.length > 0 || transaction.trims.length > 0) return transaction;
      if (this.#queue.isEmpty) return undefined;
    }
  }

  /** Takes a commit into the transaction, or throws and leaves the transaction as it was. */
  #add(to: Transaction, pending: PendingCommit): void {
    const changes: Changes = { logs: new Map(), records: new Map(), batches: [] };
    const stateOf = (log: string) => changes.logs.get(log) ?? to.logs.get(log) ?? this.#logs.get(log) ?? EMPTY_LOG;
    const used = this.#used.bytes + to.cost;
    const disk = this.#freeBytes - to.cost;
    const free = disk + this.#used.reusable;
    let cost = 0;
    if (disk < FREE_FLOOR.disk) throw this.#diskFull();
    for (const write of pending.writes) {
      const problem = problemOf(write);
      if (problem !== undefined) throw new MessagingError("STORE_FAILED", problem);
      switch (write.kind) {
        case "append": {
          const state = stateOf(write.log);
          if (write.first !== state.end)
            throw new MessagingError(
              "STORE_FAILED",
              `append to log "${write.log}" at ${write.first}, but it ends at ${state.end}`,
              {
                data: { log: write.log, first: write.first, end: state.end },
              },
            );
          cost += writeCost(write);
          if (used + cost > this.#settings.bytesMax - reserveOf(this.#settings.bytesMax)) throw this.#full();
          if (free - cost < FREE_FLOOR.append || disk - cost < FREE_FLOOR.disk) throw this.#diskFull();
          changes.batches.push({
            log: write.log,
            first: write.first,
            count: write.count,
            bytesBefore: state.bytesAtEnd,
            bytes: write.bytes,
          });
          changes.logs.set(write.log, {
            ...state,
            end: state.end + write.count,
            bytesAtEnd: state.bytesAtEnd + write.bytes.length,
          });
          break;
        }
        case "truncate": {
          const state = stateOf(write.log);
          if (write.before > state.start)
            changes.logs.set(write.log, this.#truncated(write.log, state, write.before, [to, changes]));
          break;
        }
        case "put":
          cost += writeCost(write);
          // The reserve is for records, but when that is used up too only those that are there already may change.
          if (used + cost > this.#settings.bytesMax && recordAt(this.#env, textKey(write.key)) === undefined)
            throw this.#full();
          if (free - cost < FREE_FLOOR.record && recordAt(this.#env, textKey(write.key)) === undefined)
            throw this.#diskFull();
          if (disk - cost < FREE_FLOOR.disk) throw this.#diskFull();
          changes.records.set(write.key, write.value);
          break;
        case "remove":
          changes.records.set(write.key, undefined);
          break;
      }
    }
    for (const [log, state] of changes.logs) to.logs.set(log, state);
    for (const [key, value] of changes.records) to.records.set(key, value);
    to.batches.push(...changes.batches);
    to.commits.push(pending);
    to.cost += cost;
  }

  #full(): MessagingError {
    const data = { usedBytes: this.#used.bytes, capacityBytes: this.#settings.bytesMax };
    return new MessagingError(
      "STORE_FULL",
      `the store holds ${data.usedBytes} of ${data.capacityBytes} bytes and the rest is reserved`,
      { data },
    );
  }

  #diskFull(): MessagingError {
    const data = { freeBytes: this.#freeBytes };
    return new MessagingError(
      "STORE_FULL",
      `the disk of the data folder "${this.#folder}" is full: ${data.freeBytes} bytes are free`,
      { data },
    );
  }

  /** The log once everything wholly below `before` is gone: it starts at the batch that holds `before`. */
  #truncated(log: string, state: LogState, before: number, added: readonly Changes[]): LogState {
    if (before >= state.end) return { ...state, start: state.end, bytesAtStart: state.bytesAtEnd };
    if (before >= (this.#logs.get(log)?.end ?? 0))
      for (const { batches } of added)
        for (const batch of batches)
          if (batch.log === log && batch.first <= before && before < batch.first + batch.count)
            return { ...state, start: batch.first, bytesAtStart: batch.bytesBefore };
    const stored = batchHolding(this.#env, log, before);
    return { ...state, start: stored.first, bytesAtStart: stored.bytesBefore };
  }

  /** Batches below their log's start are out of sight at once, and removed from the file a limited number at a time. */
  #addTrims(to: Transaction): void {
    const logs = new Map(this.#untrimmed);
    for (const [log, { start }] of to.logs) {
      const before = this.#logs.get(log);
      if (!logs.has(log) && before !== undefined && start > before.start) logs.set(log, before.start);
    }
    const most = Math.max(TRIMMED_PER_TRANSACTION, to.batches.length * 2);
    for (const [log, from] of logs) {
      const room = most - to.trims.length;
      if (room <= 0) {
        to.trimmedTo.set(log, from);
        continue;
      }
      const { start } = to.logs.get(log) ?? (this.#logs.get(log) as LogState);
      const keys = [
        ...this.#env.batches.getKeys({ start: batchKey(log, from), end: batchKey(log, start), limit: room }),
      ];
      const last = keys.at(-1);
      to.trims.push(...keys);
      // What this very transaction adds and truncates lies behind what it could see.
      const seenTo = Math.min(start, this.#logs.get(log)?.end ?? start);
      to.trimmedTo.set(log, last !== undefined && keys.length === room ? batchOfKey(last).first + 1 : seenTo);
    }
    for (const [log, { start }] of to.logs) if (!this.#logs.has(log) && start > 0) to.trimmedTo.set(log, 0);
  }

  async #write(transaction: Transaction): Promise<void> {
    const puts = encode(transaction);
    const { owner, logs, batches, records } = this.#env;
    try {
      // All of it under the condition that the owner's epoch is still ours, checked by lmdb inside the transaction.
      const isOwner = await owner.ifVersion(OWNER_KEY, this.ownerEpoch, () => {
        for (const key of transaction.trims) void batches.remove(key);
        for (const { key, value } of puts.batches) void batches.put(key, value);
        for (const { key, value } of puts.records)
          void (value === undefined ? records.remove(key) : records.put(key, value));
        for (const { key, value } of puts.logs) void logs.put(key, value);
      });
      if (!isOwner) {
        const lost = ownerLost(this.#folder, this.ownerEpoch, undefined);
        this.#untrimmed.clear();
        for (const pending of transaction.commits) this.#queue.fail(pending, lost);
        return;
      }
    } catch (error) {
      const cause = await causeOf(error);
      this.#recovery = this.#recover(cause);
      const failure = new MessagingError(
        "STORE_FAILED",
        `the transaction failed: ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      );
      for (const pending of transaction.commits) this.#queue.fail(pending, failure);
      await this.#recovery;
      this.#recovery = undefined;
      return;
    }
    for (const [log, state] of transaction.logs) this.#logs.set(log, state);
    for (const [log, from] of transaction.trimmedTo) {
      if (from < (this.#logs.get(log)?.start ?? 0)) this.#untrimmed.set(log, from);
      else this.#untrimmed.delete(log);
    }
    this.#used = usedOf(this.#env);
    for (const pending of transaction.commits) pending.resolve();
  }

  /** After a failed transaction: reads everything anew from the file. lmdb itself takes no more writes after some failures, until it is opened again. */
  async #recover(cause: unknown): Promise<void> {
    try {
      await this.#env.root.close();
      this.#env = openEnvironment(this.#folder, this.#settings.bytesMax);
      const loaded = load(this.#env, false);
      this.#logs = loaded.logs;
      this.#untrimmed = loaded.untrimmed;
      this.#used = usedOf(this.#env);
    } catch (error) {
      this.#broken = new MessagingError(
        "STORE_FAILED",
        `the store in "${this.#folder}" cannot go on after a failed transaction`,
        { cause: new AggregateError([cause, error]) },
      );
    }
  }

  #checkReaders(): void {
    const { runtime } = this.#settings;
    this.#readerCheck = runtime.setTimeout(() => {
      if (this.#recovery === undefined && this.#broken === undefined) this.#env.root.readerCheck();
      this.#checkReaders();
    }, READER_CHECK_MS);
    (this.#readerCheck as { unref?(): void } | undefined)?.unref?.();
  }
}

// Opening

function openEnvironment(folder: string, bytesMax: number): Environment {
  const root = openLmdb<Buffer, Buffer>({
    path: folder,
    noSubdir: false,
    maxDbs: 8,
    // Address space, not disk: far more than the capacity, since pages in one piece for a large batch may be found only at the end.
    mapSize: Math.max(2 ** 33, 2 ** Math.ceil(Math.log2(bytesMax * 2))),
    // Each transaction is on the disk before it is visible. With lmdb-js's overlapping syncs its commit promise waits for the sync all the same, and a
    // power loss soon after the restart that follows a killed process could find pages reused that the last synced state still needs.
    overlappingSync: false,
    eventTurnBatching: false,
    encoding: "binary",
    keyEncoding: "binary",
    cache: false,
  });
  const table = (name: string, useVersions = false): Bytes =>
    root.openDB<Buffer, Buffer>(name, { encoding: "binary", keyEncoding: "binary", useVersions });
  try {
    return {
      root,
      owner: table("owner", true),
      logs: table("logs"),
      batches: table("batches"),
      records: table("records"),
      inode: inodeOf(folder) as bigint,
    };
  } catch (error) {
    void root.close(); // else the next one to open the folder in this process gets it as it is
    throw error;
  }
}

interface Loaded {
  readonly logs: Map<string, LogState>;
  readonly untrimmed: Map<string, number>;
}

/** All logs, checked: each has its first and its last batch where its extent says, and no batch belongs to none. @throws STORE_DAMAGED */
function load(env: Environment, full: boolean): Loaded {
  const logs = new Map<string, LogState>();
  const untrimmed = new Map<string, number>();
  eachOf(env.logs, "logs", (key, value) => logs.set(textOfKey(key), decodeLog(key, value)));
  // All of them, always: a damaged page may hide some without an error, and unlike with batches nothing else would show it. There are few, beside messages.
  eachOf(env.records, "records", readRecord);
  let found = nextBatch(env, undefined);
  for (const [log, state] of logs) {
    const { start, end } = state;
    if (found?.log === log) {
      if (found.first < start) untrimmed.set(log, found.first);
      found = nextBatch(env, batchKey(log, Number.MAX_SAFE_INTEGER));
    }
    if (start === end) continue;
    const key = batchKey(log, start);
    const value = env.batches.getBinary(key);
    if (value === undefined || readBatch(key, value).bytesBefore !== state.bytesAtStart)
      throw damaged("a log does not start where its extent says", { log, start });
    const last = batchHolding(env, log, end - 1);
    if (last.first + last.count !== end || last.bytesBefore + last.bytes.length !== state.bytesAtEnd)
      throw damaged("a log does not end where its extent says", { log, end });
    if (full) checkLog(env, log, state);
  }
  if (found !== undefined) throw damaged("there are batches of a log that has no extent", found);
  return { logs, untrimmed };
}

function checkLog(env: Environment, log: string, state: LogState): void {
  for (let at = state.start; at < state.end; ) {
    const last = readBatches(env, log, state, at, 2 ** 20).at(-1) as StoredBatch;
    at = last.first + last.count;
  }
}
/** All entries of a table, which must be as many as lmdb counts, and in order. @throws STORE_DAMAGED */
function eachOf(table: Bytes, what: string, visit: (key: Buffer, value: Buffer) => void): void {
  let found = 0;
  let before: Buffer | undefined;
  for (const { key, value } of table.getRange()) {
    if (before !== undefined && Buffer.compare(before, key) >= 0) throw damaged(`its ${what} are out of order`);
    visit(key, value);
    before = key;
    found += 1;
  }
  const { entryCount } = table.getStats() as { entryCount: number };
  if (entryCount !== found) throw damaged(`there should be ${entryCount} ${what}, but ${found} can be read`);
}

/** Raises the ownership epoch, on the disk when this returns, and finds or makes the data's id. @throws STORE_DAMAGED */
function takeOwnership(
  env: Environment,
  passport: Passport | undefined,
  hasLogs: boolean,
  runtime: Runtime,
): { id: string; epoch: number } {
  return env.root.transactionSync(() => {
    const found = env.owner.getEntry(OWNER_KEY);
    if (found === undefined) {
      if (passport !== undefined || hasLogs) throw damaged("its owner's record is missing");
      const id = runtime.id();
      void env.owner.put(OWNER_KEY, Buffer.from(JSON.stringify({ format: FORMAT, id })), 1);
      return { id, epoch: 1 };
    }
    const { format, id } = parse(found.value.toString(), "its owner's record");
    if (format !== FORMAT)
      throw new MessagingError("STORE_FAILED", `the data has format ${format}, this version reads ${FORMAT}`);
    if (passport !== undefined && passport.id !== id)
      throw damaged("the data file is not the one that belongs here", { expected: passport.id, found: id });
    const epoch = (found.version ?? 0) + 1;
    void env.owner.put(OWNER_KEY, found.value, epoch);
    return { id, epoch };
  });
}

/** What lies beside the data file, so that it is noticed when that file is lost or another. */
interface Passport {
  readonly format: number;
  readonly id: string;
}
function readPassport(folder: string): Passport | undefined {
  const path = join(folder, "store.json");
  try {
    return parse(readFileSync(path, "utf8"), path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
function parse(text: string, what: string): Passport {
  try {
    const { format, id } = JSON.parse(text) as Partial<Passport>;
    if (typeof format === "number" && typeof id === "string") return { format, id };
  } catch {
    // told below
  }
  throw damaged(`${what} cannot be decoded`);
}

function writeDurably(folder: string, path: string, text: string): void {
  const file = openSync(`${path}.new`, "w");
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
  syncFolder(folder);
}
function syncFolder(folder: string): void {
  if (process.platform === "win32") return; // has no such thing
  const directory = openSync(folder, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
function extend(path: string, bytes: number): void {
  const file = openSync(path, "r+");
  try {
    ftruncateSync(file, bytes);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
/** Free bytes of the folder's disk; unlimited where the runtime cannot tell. */
function freeBytesOf(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
const inodeOf = (folder: string): bigint | undefined =>
  statSync(join(folder, "data.mdb"), { bigint: true, throwIfNoEntry: false })?.ino;

// Reading

function nextBatch(
  env: Environment,
  after: Buffer | undefined,
): { readonly log: string; readonly first: number } | undefined {
  for (const key of env.batches.getKeys(after === undefined ? { limit: 1 } : { start: after, limit: 1 }))
    return batchOfKey(key);
  return undefined;
}

interface FoundBatch extends StoredBatch {
  readonly bytesBefore: number;
}
/** The batch that holds an offset which must be there. @throws STORE_DAMAGED */
function batchHolding(env: Environment, log: string, offset: number): FoundBatch {
  for (const { key, value } of env.batches.getRange({
    start: batchKey(log, offset),
    end: batchKey(log, 0),
    reverse: true,
    inclusiveEnd: true,
    limit: 1,
  })) {
    const { first } = batchOfKey(key);
    const batch = readBatch(key, value);
    if (first <= offset && offset < first + batch.count) return { first, ...batch };
  }
  throw damaged("a batch is missing", { log, offset });
}

/** At least one batch. @throws STORE_DAMAGED when one is missing or cannot be decoded */
function readBatches(env: Environment, log: string, state: LogState, from: number, bytesMax: number): StoredBatch[] {
  const { count, bytes, first } = batchHolding(env, log, from);
  const found: StoredBatch[] = [{ first, count, bytes }];
  let total = bytes.length;
  let next = first + count;
  if (next >= state.end || total >= bytesMax) return found;
  for (const { key, value } of env.batches.getRange({ start: batchKey(log, next), end: batchKey(log, state.end) })) {
    const at = batchOfKey(key).first;
    if (at !== next) throw damaged("a batch is missing", { log, offset: next });
    const batch = readBatch(key, value);
    total += batch.bytes.length;
    if (total > bytesMax) return found;
    found.push({ first: at, count: batch.count, bytes: batch.bytes });
    next = at + batch.count;
    if (next >= state.end) break;
  }
  if (next !== state.end) throw damaged("a batch is missing", { log, offset: next });
  return found;
}

function recordAt(env: Environment, key: Buffer): Uint8Array | undefined {
  const value = env.records.getBinary(key);
  return value === undefined ? undefined : readRecord(key, value);
}

/** The first key behind all that begin with `prefix`; keys hold nothing above `~`. */
const afterPrefix = (prefix: string): Buffer => {
  const key = textKey(prefix);
  key[key.length - 1] = (key[key.length - 1] as number) + 1;
  return key;
};

interface Used {
  /** Of all pages in use, of the data and of lmdb's own tables. */
  readonly bytes: number;
  /** Of the file's other pages. */
  readonly reusable: number;
}
function usedOf(env: Environment): Used {
  interface Pages {
    readonly pageSize: number;
    readonly treeBranchPageCount: number;
    readonly treeLeafPageCount: number;
    readonly overflowPages: number;
  }
  const bytesOf = (pages: Pages) =>
    (pages.treeBranchPageCount + pages.treeLeafPageCount + pages.overflowPages) * pages.pageSize;
  const batches = env.batches.getStats() as Pages & {
    readonly root: Pages;
    readonly free: Pages;
    readonly lastPageNumber: number;
  };
  const bytes = [
    batches,
    batches.root,
    batches.free,
    env.records.getStats() as Pages,
    env.logs.getStats() as Pages,
  ].reduce((sum, pages) => sum + bytesOf(pages), 0);
  return { bytes, reusable: Math.max(0, (batches.lastPageNumber + 1) * batches.pageSize - bytes) };
}

// Writing

interface Put<Value> {
  readonly key: Buffer;
  readonly value: Value;
}
/** Everything a transaction puts, with all values in one buffer: encoded before lmdb is asked, so that nothing can fail half-way. */
function encode(transaction: Transaction): {
  batches: Put<Buffer>[];
  records: Put<Buffer | undefined>[];
  logs: Put<Buffer>[];
} {
  let size = 0;
  for (const { bytes } of transaction.batches) size += BATCH_HEADER_BYTES + bytes.length;
  for (const value of transaction.records.values())
    size += value === undefined ? 0 : RECORD_HEADER_BYTES + value.length;
  const buffer = Buffer.allocUnsafeSlow(size);
  let at = 0;
  const room = (bytes: number) => {
    at += bytes;
    return buffer.subarray(at - bytes, at);
  };
  return {
    batches: transaction.batches.map(({ log, first, count, bytesBefore, bytes }) => {
      const key = batchKey(log, first);
      const value = room(BATCH_HEADER_BYTES + bytes.length);
      writeBatch(value, key, count, bytesBefore, bytes);
      return { key, value };
    }),
    records: [...transaction.records].map(([name, content]) => {
      const key = textKey(name);
      if (content === undefined) return { key, value: undefined };
      const value = room(RECORD_HEADER_BYTES + content.length);
      writeRecord(value, key, content);
      return { key, value };
    }),
    logs: [...transaction.logs].map(([log, state]) => {
      const key = textKey(log);
      return { key, value: encodeLog(key, state) };
    }),
  };
}

const NAME = /^[\x20-\x7e]+$/;
const isName = (name: unknown): name is string =>
  typeof name === "string" && name.length <= KEY_BYTES_MAX && NAME.test(name);
const isWhole = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
function problemOf(write: StoreWrite): string | undefined {
  const isRecord = write.kind === "put" || write.kind === "remove";
  const name = isRecord ? write.key : write.log;
  if (!isName(name))
    return `a ${isRecord ? "key" : "log's name"} must be 1 to ${KEY_BYTES_MAX} printable ASCII characters, found ${JSON.stringify(name)}`;
  if (write.kind === "append") {
    if (
      !isWhole(write.first) ||
      !isWhole(write.count) ||
      write.count === 0 ||
      write.count > 0xffff_ffff ||
      !isWhole(write.first + write.count)
    )
      return `append to log "${write.log}": first must be a whole number and count at least 1, found ${write.first} and ${write.count}`;
    if (!(write.bytes instanceof Uint8Array)) return `append to log "${write.log}": bytes must be a Uint8Array`;
  }
  if (write.kind === "truncate" && !isWhole(write.before))
    return `truncate log "${write.log}": before must be a whole number, found ${write.before}`;
  if (write.kind === "put" && !(write.value instanceof Uint8Array))
    return `put "${write.key}": value must be a Uint8Array`;
  return undefined;
}
const reserveOf = (capacity: number): number => Math.min(Math.max(capacity * 0.05, 64 * 2 ** 20), capacity / 4);

// Errors

const closed = () => new MessagingError("CLOSED", "the store is closed");
const ownerLost = (folder: string, presented: number, current: unknown) =>
  new MessagingError(
    "STORE_IN_USE",
    `the data folder "${folder}" has another owner now: owner epoch ${presented} has ended`,
    { data: { path: folder, presented, current: current ?? null } },
  );

/**
 * What lmdb says when the file does not hold what it should: page not found, corrupted, invalid, version mismatch, problem, and bad transaction, which
 * is what a read becomes on a page that makes no sense.
 */
const DAMAGE: readonly unknown[] = [-30797, -30796, -30793, -30794, -30779, -30782];
function lmdbError(error: unknown, doing: string): MessagingError {
  if (error instanceof MessagingError) return error;
  const { code, message } = error as { code?: unknown; message?: string };
  if (DAMAGE.includes(code)) return damaged(message ?? "", {}, error);
  return new MessagingError("STORE_FAILED", `${doing}: ${message ?? String(error)}`, { cause: error });
}
/** A failed commit of lmdb-js carries what really happened as a promise that rejects. */
async function causeOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: Promise<unknown> };
  if (commitError === undefined) return error;
  return commitError.then(
    () => error,
    (reason: unknown) => reason,
  );
}
