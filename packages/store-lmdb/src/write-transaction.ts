// One write transaction: the commits it takes, each whole or not at all, what they change, and how that is written.
import { MessagingError, type StoreWrite, storeWriteProblem } from "@seriatim/actors";
import type { Changes, NewBatch, Puts } from "./changes.ts";
import { type PendingCommit, writeCost } from "./commit-queue.ts";
import { BATCH_COUNT_MAX, EMPTY_LOG, encodeLog, type LogState } from "./encoding.ts";
import type { StoreData } from "./open-folder.ts";
import { writeAsOwner } from "./ownership.ts";
import { batchHolding, recordAt } from "./reads.ts";
import type { Room } from "./room.ts";
import { addShare, NO_SHARE, putSeal, shareOf, takeShare } from "./seal.ts";
import { NO_TRIMS, nextTrims, type Trims } from "./trims.ts";

type Append = Extract<StoreWrite, { kind: "append" }>;

export class WriteTransaction implements Changes {
  readonly logs = new Map<string, LogState>();
  readonly records = new Map<string, Uint8Array | undefined>();
  readonly batches: NewBatch[] = [];
  readonly commits: PendingCommit[] = [];
  readonly #data: StoreData;
  readonly #room: Room;
  #trims: Trims = NO_TRIMS;
  #cost = 0;
  #digest: number;

  constructor(data: StoreData, room: Room) {
    this.#data = data;
    this.#room = room;
    this.#digest = data.digest;
  }

  get isEmpty(): boolean {
    return this.commits.length === 0 && this.#trims.keys.length === 0;
  }

  /** Takes a commit in, or throws and leaves the transaction as it was. @throws STORE_FAILED, STORE_FULL, and what lmdb throws */
  add(pending: PendingCommit): void {
    const changes: Changes = { logs: new Map(), records: new Map(), batches: [] };
    const stateOf = (log: string) =>
      changes.logs.get(log) ?? this.logs.get(log) ?? this.#data.logs.get(log) ?? EMPTY_LOG;
    let cost = this.#cost;
    this.#room.checkDisk(cost);
    for (const write of pending.writes) {
      checkWrite(write);
      switch (write.kind) {
        case "append": {
          const state = stateOf(write.log);
          checkFollows(write, state);
          cost += writeCost(write);
          this.#room.checkAppend(this.#data.file, cost);
          append(changes, write, state);
          break;
        }
        case "truncate": {
          const state = stateOf(write.log);
          if (write.before > state.start)
            changes.logs.set(write.log, this.#truncated(write.log, state, write.before, changes));
          break;
        }
        case "put":
          cost += writeCost(write);
          this.#room.checkPut(this.#data.file, cost, () => recordAt(this.#data.env, write.key) !== undefined);
          changes.records.set(write.key, write.value);
          break;
        case "remove":
          changes.records.set(write.key, undefined);
          break;
      }
    }
    for (const [log, state] of changes.logs) this.logs.set(log, state);
    for (const [key, value] of changes.records) this.records.set(key, value);
    this.batches.push(...changes.batches);
    this.commits.push(pending);
    this.#cost = cost;
  }

  /** The log once everything wholly below `before` is gone: it starts at the batch that holds `before`. */
  #truncated(log: string, state: LogState, before: number, changes: Changes): LogState {
    if (before >= state.end) return { ...state, start: state.end, bytesAtStart: state.bytesAtEnd };
    if (before >= (this.#data.logs.get(log)?.end ?? 0))
      for (const { batches } of [this, changes])
        for (const batch of batches)
          if (batch.log === log && batch.first <= before && before < batch.first + batch.count)
            return { ...state, start: batch.first, bytesAtStart: batch.bytesBefore };
    const stored = batchHolding(this.#data.env, log, before);
    return { ...state, start: stored.first, bytesAtStart: stored.bytesBefore };
  }

  /** Takes in some cleaning up, once all commits are. */
  addTrims(): void {
    try {
      this.#trims = nextTrims(this.#data, this);
    } catch {
      this.#data.untrimmed.clear(); // Damaged, but nobody needs it: left in the file until the store is opened again.
    }
  }

  /** All is on the disk when this is true; nothing was written when it is false, since the data has another owner. @throws what lmdb throws */
  write(puts: Puts, ownerEpoch: number): Promise<boolean> {
    const { env } = this.#data;
    this.#digest = this.#digestWith(puts);
    return writeAsOwner(env, ownerEpoch, () => {
      if (this.#digest !== this.#data.digest) putSeal(env, ownerEpoch, this.#digest);
      for (const key of this.#trims.keys) void env.batches.remove(key);
      for (const { key, value } of puts.batches) void env.batches.put(key, value);
      for (const { key, value } of puts.records)
        void (value === undefined ? env.records.remove(key) : env.records.put(key, value));
      for (const { key, value } of puts.logs) void env.logs.put(key, value);
    });
  }

  /** Of all logs and records, once these are what the transaction has put. */
  #digestWith(puts: Puts): number {
    const { shares } = this.#data;
    let { digest } = this.#data;
    for (const { name, key, share } of puts.records) {
      const before = shares.records.get(name) ?? this.#storedShare(key);
      digest = addShare(takeShare(digest, before), share);
    }
    for (const { name, key, share } of puts.logs) {
      const before = shares.logs.get(name) ?? this.#loadedShare(name, key);
      digest = addShare(takeShare(digest, before), share);
    }
    return digest;
  }
  /** Of a record. */
  #storedShare(key: Buffer): number {
    const value = this.#data.env.records.getBinaryFast(key);
    return value === undefined ? NO_SHARE : shareOf(value);
  }
  #loadedShare(log: string, key: Buffer): number {
    const state = this.#data.logs.get(log);
    return state === undefined ? NO_SHARE : shareOf(encodeLog(key, state));
  }

  /** Notes in the data what is now on the disk. */
  noteWritten(puts: Puts): void {
    const { logs, untrimmed, shares, file } = this.#data;
    for (const [log, state] of this.logs) logs.set(log, state);
    for (const { name, share } of puts.logs) shares.logs.set(name, share);
    for (const { name, share } of puts.records) shares.records.set(name, share);
    for (const [log, from] of this.#trims.trimmedTo) {
      if (from < (logs.get(log)?.start ?? 0)) untrimmed.set(log, from);
      else untrimmed.delete(log);
    }
    this.#data.digest = this.#digest;
    this.#room.noteWritten(file, this.#cost, this.#trims.keys.length);
  }
}

function append(to: Changes, write: Append, state: LogState): void {
  const { log, first, count, bytes } = write;
  to.batches.push({ log, first, count, bytesBefore: state.bytesAtEnd, bytes });
  const { start, end, bytesAtStart, bytesAtEnd } = state;
  to.logs.set(log, { start, end: end + count, bytesAtStart, bytesAtEnd: bytesAtEnd + bytes.length });
}

/** @throws STORE_FAILED */
function checkWrite(write: StoreWrite): void {
  let problem = storeWriteProblem(write);
  if (write.kind === "append" && write.count > BATCH_COUNT_MAX)
    problem ??= `append to log "${write.log}": count must be at most ${BATCH_COUNT_MAX}, found ${write.count}`;
  if (problem !== undefined) throw new MessagingError("STORE_FAILED", problem);
}
/** @throws STORE_FAILED */
function checkFollows({ log, first }: Append, { end }: LogState): void {
  if (first !== end)
    throw new MessagingError("STORE_FAILED", `append to log "${log}" at ${first}, but it ends at ${end}`, {
      data: { log, first, end },
    });
}
