// Changes that are in the journal and not in lmdb yet, as they are read:
// the last word on each log and record, and the batches still to be kept.
import { SortedRecords, type StoredRecord } from "@seriatim/actors/store";
import type { Changes, NewBatch } from "./changes.ts";
import type { LogState } from "./encoding.ts";

/** Stands for a record that was removed. */
const GONE = new Uint8Array(0);

/** Most records that are read at once where it is not known how many are needed. */
export const AHEAD_MAX = 256;

/** A value of `null`: removed. */
export interface LayerRecord {
  readonly key: string;
  readonly value: Uint8Array | null;
}
export type LayerEntry = LayerRecord | { readonly log: string; readonly state: LogState; readonly batch?: NewBatch };

export class Layer {
  readonly logs = new Map<string, LogState>();
  readonly #records = new SortedRecords();
  readonly #batches = new Map<string, NewBatch[]>();
  /** What its writes take in lmdb's file, roughly and at most, in bytes. */
  cost = 0;
  /** Number of the last transaction in it. */
  last = 0;

  get isEmpty(): boolean {
    return this.last === 0;
  }

  /** Takes in what a transaction changes. The values of its records are copied, the bytes of its batches are not. */
  add(changes: Changes, cost: number, number: number): void {
    this.last = number;
    this.cost += cost;
    for (const [key, value] of changes.records) this.#records.put(key, value === undefined ? GONE : value.slice());
    for (const batch of changes.batches) {
      const batches = this.#batches.get(batch.log);
      if (batches === undefined) this.#batches.set(batch.log, [batch]);
      else batches.push(batch);
    }
    for (const [log, state] of changes.logs) {
      this.logs.set(log, state);
      this.#drop(log, state.start);
    }
  }
  /** What was truncated before it came into lmdb never has to. */
  #drop(log: string, before: number): void {
    const batches = this.#batches.get(log);
    const [first] = batches ?? [];
    if (batches === undefined || first === undefined || first.first >= before) return;
    const left = batches.findIndex((batch) => batch.first >= before);
    if (left < 0) this.#batches.delete(log);
    else batches.splice(0, left);
  }

  /** Of one log, in order. */
  batchesOf(log: string): readonly NewBatch[] {
    return this.#batches.get(log) ?? [];
  }
  /** `null`: removed; `undefined`: not in this layer. */
  record(key: string): Uint8Array | null | undefined {
    const value = this.#records.get(key);
    return value === GONE ? null : value;
  }
  /** At most `limit`, in key order; see `Store.list`. */
  listed(prefix: string, after: string | undefined, limit: number): LayerRecord[] {
    return this.#records
      .list(prefix, after, limit)
      .map(({ key, value }: StoredRecord) => ({ key, value: value === GONE ? null : value }));
  }
  /** The same as they are asked for, `ahead` of them at a time. */
  *records(prefix: string, after: string | undefined, ahead = AHEAD_MAX): Generator<LayerRecord, undefined> {
    for (let last = after; ; ) {
      const records = this.listed(prefix, last, ahead);
      yield* records;
      if (records.length < ahead) return;
      last = records.at(-1)?.key;
    }
  }

  /** What is to be written to lmdb, in one piece. */
  changes(): Changes {
    const records = new Map<string, Uint8Array | undefined>();
    for (const { key, value } of this.listed("", undefined, Number.POSITIVE_INFINITY))
      records.set(key, value ?? undefined);
    return { logs: this.logs, records, batches: [...this.#batches.values()].flat() };
  }
  /**
   * The same one by one: each batch with its log as it is up to there,
   * logs of which only the extent has changed, records.
   */
  *entries(): Generator<LayerEntry, undefined> {
    for (const [log, state] of this.logs) {
      const batches = this.batchesOf(log);
      if (batches.length === 0) yield { log, state };
      for (const batch of batches) {
        const { first, count, bytesBefore, bytes } = batch;
        yield { log, batch, state: { ...state, end: first + count, bytesAtEnd: bytesBefore + bytes.length } };
      }
    }
    yield* this.records("", undefined);
  }
}
