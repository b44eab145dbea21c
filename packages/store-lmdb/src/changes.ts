// What commits change, and how that is written: the last word on each log and record, and the batches to add.
import {
  BATCH_HEADER_BYTES,
  batchKey,
  encodeLog,
  type LogState,
  RECORD_HEADER_BYTES,
  textKey,
  writeBatch,
  writeRecord,
} from "./encoding.ts";
import { NO_SHARE, shareOf } from "./seal.ts";

export interface NewBatch {
  readonly log: string;
  readonly first: number;
  readonly count: number;
  readonly bytesBefore: number;
  readonly bytes: Uint8Array;
}
export interface Changes {
  readonly logs: Map<string, LogState>;
  /** `undefined` removes it. */
  readonly records: Map<string, Uint8Array | undefined>;
  readonly batches: NewBatch[];
}

interface Put<Value> {
  readonly name: string;
  readonly key: Buffer;
  readonly value: Value;
  /** What it adds to the digest of all; see `seal.ts`. */
  readonly share: number;
}
/** What goes into each table; a record without a value is removed. */
export interface Puts {
  readonly batches: readonly Pick<Put<Buffer>, "key" | "value">[];
  readonly records: readonly Put<Buffer | undefined>[];
  readonly logs: readonly Put<Buffer>[];
}

/** Most bytes of the buffer that is kept; larger ones are made for their transaction alone. */
const KEPT_BYTES_MAX = 8 * 2 ** 20;

/**
 * Everything to put, with all values in one buffer: made before lmdb is asked, so that nothing can fail half-way.
 * What it made is gone once it makes more.
 */
export class ChangesEncoder {
  /** Used again and again: memory that was just made costs more than what is written into it. */
  #kept = Buffer.alloc(0);
  #buffer = this.#kept;
  #used = 0;

  encode(changes: Changes): Puts {
    this.#reserve(bytesOf(changes));
    return {
      batches: changes.batches.map(({ log, first, count, bytesBefore, bytes }) => {
        const key = batchKey(log, first);
        const value = this.#take(BATCH_HEADER_BYTES + bytes.length);
        writeBatch(value, key, count, bytesBefore, bytes);
        return { key, value };
      }),
      records: Array.from(changes.records, ([name, content]) => {
        const key = textKey(name);
        if (content === undefined) return { name, key, value: undefined, share: NO_SHARE };
        const value = this.#take(RECORD_HEADER_BYTES + content.length);
        writeRecord(value, key, content);
        return { name, key, value, share: shareOf(value) };
      }),
      logs: Array.from(changes.logs, ([name, state]) => {
        const key = textKey(name);
        const value = encodeLog(key, state);
        return { name, key, value, share: shareOf(value) };
      }),
    };
  }

  #reserve(bytes: number): void {
    this.#used = 0;
    if (bytes > KEPT_BYTES_MAX) {
      this.#buffer = Buffer.allocUnsafeSlow(bytes);
      return;
    }
    if (bytes > this.#kept.length) this.#kept = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(bytes)));
    this.#buffer = this.#kept;
  }
  #take(bytes: number): Buffer {
    this.#used += bytes;
    return this.#buffer.subarray(this.#used - bytes, this.#used);
  }
}

function bytesOf(changes: Changes): number {
  let sum = 0;
  for (const { bytes } of changes.batches) sum += BATCH_HEADER_BYTES + bytes.length;
  for (const value of changes.records.values()) sum += value === undefined ? 0 : RECORD_HEADER_BYTES + value.length;
  return sum;
}
