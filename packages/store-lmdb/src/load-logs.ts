// All logs as the file has them, checked before anything is served.
import type { StoredBatch } from "@seriatim/actors";
import { batchKey, decodeLog, type LogState, readBatch, readRecord, textOfKey } from "./encoding.ts";
import type { Environment, Table } from "./environment.ts";
import { damaged } from "./errors.ts";
import { batchHolding, nextBatch, readBatches } from "./reads.ts";
import { addShare, shareOf } from "./seal.ts";

export interface LoadedLogs {
  /** As of the last transaction. */
  readonly logs: Map<string, LogState>;
  /** Logs that have truncated batches left in the file, and from which offset on. */
  readonly untrimmed: Map<string, number>;
  /** Of all logs and records; see `seal.ts`. */
  digest: number;
}

/**
 * All logs, checked: each has its first and its last batch where its extent says, and no batch belongs to none.
 * @throws STORE_DAMAGED
 */
export function loadLogs(env: Environment, full: boolean): LoadedLogs {
  const logs = new Map<string, LogState>();
  const untrimmed = new Map<string, number>();
  let digest = 0;
  eachOf(env.logs, "logs", (key, value) => {
    logs.set(textOfKey(key), decodeLog(key, value));
    digest = addShare(digest, shareOf(value));
  });
  // All of them, always: a damaged page may hide some without an error,
  // and unlike with batches nothing else would show it. There are few, beside messages.
  eachOf(env.records, "records", (key, value) => {
    readRecord(key, value);
    digest = addShare(digest, shareOf(value));
  });
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
  return { logs, untrimmed, digest };
}

function checkLog(env: Environment, log: string, state: LogState): void {
  for (let at = state.start; at < state.end; ) {
    const last = readBatches(env, log, state, at, 2 ** 20).at(-1) as StoredBatch;
    at = last.first + last.count;
  }
}
/** All entries of a table, which must be as many as lmdb counts, and in order. @throws STORE_DAMAGED */
function eachOf(table: Table, what: string, visit: (key: Buffer, value: Buffer) => void): void {
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
