// The data as of the last commit: what lmdb holds, under what is in the journal and not in lmdb yet.
import { isStoreKey, type StoredBatch, type StoredRecord } from "@seriatim/actors/store";
import type { NewBatch } from "./changes.ts";
import type { LogState } from "./encoding.ts";
import { AHEAD_MAX, type LayerRecord } from "./layer.ts";
import { batchHolding, readBatches, recordAt, recordsIn } from "./reads.ts";
import type { StoreData } from "./store-data.ts";

/** `undefined` for a log that was never written. */
export function stateOf({ layers, logs }: StoreData, log: string): LogState | undefined {
  for (const layer of layers) {
    const state = layer.logs.get(log);
    if (state !== undefined) return state;
  }
  return logs.get(log);
}

/** @throws STORE_DAMAGED */
export function recordOf({ layers, env }: StoreData, key: string): Uint8Array | undefined {
  for (const layer of layers) {
    const value = layer.record(key);
    if (value !== undefined) return value ?? undefined;
  }
  return recordAt(env, key);
}

/** The batch that holds an offset which must be there. @throws STORE_DAMAGED */
export function batchOf({ layers, env }: StoreData, log: string, offset: number): Omit<NewBatch, "log"> {
  for (const layer of layers) {
    const batches = layer.batchesOf(log);
    const batch = batches[placeOf(batches, offset)];
    if (batch !== undefined && batch.first <= offset) return batch;
  }
  return batchHolding(env, log, offset);
}

/** See `Store.read`. @throws STORE_DAMAGED when a batch is missing or cannot be decoded */
export function readLog(data: StoreData, log: string, from: number, bytesMax: number): StoredBatch[] {
  const state = stateOf(data, log);
  if (state === undefined || !(from < state.end) || state.start === state.end) return [];
  let next = Math.max(from, state.start);
  const recent = data.layers.toReversed().map((layer) => layer.batchesOf(log));
  const stored = recent.find((batches) => batches.length > 0)?.[0]?.first ?? state.end;
  const found = next < stored ? readBatches(data.env, log, { ...state, end: stored }, next, bytesMax) : [];
  const last = found.at(-1);
  if (last !== undefined) next = last.first + last.count;
  if (next < stored) return found;
  let total = found.reduce((sum, { bytes }) => sum + bytes.length, 0);
  for (const batches of recent)
    for (let at = placeOf(batches, next); at < batches.length; at++) {
      const { first, count, bytes } = batches[at] as NewBatch;
      total += bytes.length;
      if (total > bytesMax && found.length > 0) return found;
      found.push({ first, count, bytes });
      next = first + count;
    }
  return found;
}
/** Where the batch that holds an offset lies, or the first one behind it. */
function placeOf(batches: readonly NewBatch[], offset: number): number {
  let low = 0;
  let high = batches.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { first, count } = batches[middle] as NewBatch;
    if (first + count <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * See `Store.list`. Reads no more than what it returns,
 * but for what was removed or replaced on the way and `AHEAD_MAX` of each layer.
 * @throws STORE_DAMAGED
 */
export function listOf(
  { layers, env }: StoreData,
  prefix: string,
  options: { readonly after?: string; readonly limit?: number },
): StoredRecord[] {
  const { after, limit = Number.POSITIVE_INFINITY } = options;
  const found: StoredRecord[] = [];
  if (limit <= 0 || (prefix !== "" && !isStoreKey(prefix))) return found;
  const sources = layers
    .filter((layer) => !layer.isEmpty)
    .map((layer) => layer.records(prefix, after, Math.min(limit, AHEAD_MAX)));
  for (const { key, value } of merged([...sources, recordsIn(env, prefix, after)])) {
    if (value !== null) found.push({ key, value });
    if (found.length >= limit) break;
  }
  return found;
}
/** What sources in key order hold, in key order; of those that hold the same key, the first one's. */
function* merged(sources: readonly Generator<LayerRecord>[]): Generator<LayerRecord> {
  const next = sources.map((source) => source.next());
  try {
    for (;;) {
      let least: LayerRecord | undefined;
      for (const { value } of next)
        if (value !== undefined && (least === undefined || value.key < least.key)) least = value;
      if (least === undefined) return;
      yield least;
      for (const [n, source] of sources.entries()) if (next[n]?.value?.key === least.key) next[n] = source.next();
    }
  } finally {
    for (const source of sources) source.return(undefined);
  }
}
