// Changes that are in the journal and not in lmdb yet, as they are read: the last word on each log and record, and the batches still to be kept.
import { SortedRecords, type StoredRecord } from "@seriatim/actors";
import type { Changes, NewBatch } from "./changes.ts";
import type { LogState } from "./encoding.ts";

/** Stands for a record that was removed. */
const GONE = new Uint8Array(0);

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
  /** In key order; see `Store.list`. A value of `null`: removed. */
  listed(prefix: string, after: string | undefined): { readonly key: string; readonly value: Uint8Array | null }[] {
    return this.#records
      .list(prefix, after, Number.POSITIVE_INFINITY)
      .map(({ key, value }: StoredRecord) => ({ key, value: value === GONE ? null : value }));
  }

  /** What is to be written to lmdb. */
  changes(): Changes {
    const records = new Map<string, Uint8Array | undefined>();
    for (const { key, value } of this.listed("", undefined)) records.set(key, value ?? undefined);
    return { logs: this.logs, records, batches: [...this.#batches.values()].flat() };
  }
}
