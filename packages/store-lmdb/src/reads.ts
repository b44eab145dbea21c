// What is read from lmdb's tables, checked on the way.
import { isStoreKey, type StoredBatch, type StoredRecord } from "@seriatim/actors/store";
import { batchKey, batchOfKey, type LogState, readBatch, readRecord, textKey, textOfKey } from "./encoding.ts";
import type { Environment } from "./environment.ts";
import { damaged } from "./errors.ts";

/** The first batch whose key is not below `from`, of whatever log; the first of all without one. */
export function nextBatch(
  env: Environment,
  from: Buffer | undefined,
): { readonly log: string; readonly first: number } | undefined {
  for (const key of env.batches.getKeys(from === undefined ? { limit: 1 } : { start: from, limit: 1 }))
    return batchOfKey(key);
  return undefined;
}

export interface FoundBatch extends StoredBatch {
  readonly bytesBefore: number;
}
/** The batch that holds an offset which must be there. @throws STORE_DAMAGED */
export function batchHolding(env: Environment, log: string, offset: number): FoundBatch {
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
export function readBatches(
  env: Environment,
  log: string,
  state: LogState,
  from: number,
  bytesMax: number,
): StoredBatch[] {
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

export function recordAt(env: Environment, name: string): Uint8Array | undefined {
  if (!isStoreKey(name)) return undefined;
  const key = textKey(name);
  const value = env.records.getBinary(key);
  return value === undefined ? undefined : readRecord(key, value);
}

/**
 * Records whose keys begin with a prefix, in key order, from after the key `after`; read as they are asked for.
 * @throws STORE_DAMAGED
 */
export function* recordsIn(env: Environment, prefix: string, after: string | undefined): Generator<StoredRecord> {
  const start = after !== undefined && after > prefix ? after : prefix;
  const range = {
    ...(start === "" ? {} : { start: textKey(start) }),
    ...(prefix === "" ? {} : { end: afterPrefix(prefix) }),
  };
  for (const { key, value } of env.records.getRange(range)) {
    const name = textOfKey(key);
    if (name !== after) yield { key: name, value: readRecord(key, value) };
  }
}

/** The first key behind all that begin with `prefix`; keys hold nothing above `~`. */
const afterPrefix = (prefix: string): Buffer => {
  const key = textKey(prefix);
  key[key.length - 1] = (key[key.length - 1] as number) + 1;
  return key;
};
