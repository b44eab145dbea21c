// One write transaction: the commits it takes, each whole or not at all, and what they change.
import { MessagingError } from "@seriatim/actors";
import { type StoreWrite, storeWriteProblem } from "@seriatim/actors/store";
import type { Changes, NewBatch } from "./changes.ts";
import { type PendingCommit, writeCost } from "./commit-queue.ts";
import { BATCH_COUNT_MAX, EMPTY_LOG, type LogState } from "./encoding.ts";
import type { Room } from "./room.ts";
import type { StoreData } from "./store-data.ts";
import { batchOf, recordOf, stateOf } from "./view.ts";

type Append = Extract<StoreWrite, { kind: "append" }>;

export class WriteTransaction implements Changes {
  readonly logs = new Map<string, LogState>();
  readonly records = new Map<string, Uint8Array | undefined>();
  readonly batches: NewBatch[] = [];
  readonly commits: PendingCommit[] = [];
  readonly #data: StoreData;
  readonly #room: Room;
  /** What its writes take in lmdb's file, roughly and at most, in bytes. */
  cost = 0;

  constructor(data: StoreData, room: Room) {
    this.#data = data;
    this.#room = room;
  }

  get isEmpty(): boolean {
    return this.commits.length === 0;
  }

  /**
   * Takes a commit in, or throws and leaves the transaction as it was.
   * @throws STORE_FAILED, STORE_FULL, and what lmdb throws
   */
  add(pending: PendingCommit): void {
    const changes: Changes = { logs: new Map(), records: new Map(), batches: [] };
    const before = (log: string) =>
      changes.logs.get(log) ?? this.logs.get(log) ?? stateOf(this.#data, log) ?? EMPTY_LOG;
    let { cost } = this;
    this.#room.checkDisk(cost);
    for (const write of pending.writes) {
      checkWrite(write);
      switch (write.kind) {
        case "append": {
          const state = before(write.log);
          checkFollows(write, state);
          cost += writeCost(write);
          this.#room.checkAppend(this.#data.file, cost);
          append(changes, write, state);
          break;
        }
        case "truncate": {
          const state = before(write.log);
          if (write.before > state.start)
            changes.logs.set(write.log, this.#truncated(write.log, state, write.before, changes));
          break;
        }
        case "put":
          cost += writeCost(write);
          this.#room.checkPut(this.#data.file, cost, () => recordOf(this.#data, write.key) !== undefined);
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
    this.cost = cost;
  }

  /** The log once everything wholly below `before` is gone: it starts at the batch that holds `before`. */
  #truncated(log: string, state: LogState, before: number, changes: Changes): LogState {
    if (before >= state.end) return { ...state, start: state.end, bytesAtStart: state.bytesAtEnd };
    if (before >= (stateOf(this.#data, log)?.end ?? 0))
      for (const { batches } of [this, changes])
        for (const batch of batches)
          if (batch.log === log && batch.first <= before && before < batch.first + batch.count)
            return { ...state, start: batch.first, bytesAtStart: batch.bytesBefore };
    const stored = batchOf(this.#data, log, before);
    return { ...state, start: stored.first, bytesAtStart: stored.bytesBefore };
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
