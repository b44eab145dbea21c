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
  readonly key: Buffer;
  readonly value: Value;
}
/** What goes into each table; a record without a value is removed. */
export interface Puts {
  readonly batches: readonly Put<Buffer>[];
  readonly records: readonly Put<Buffer | undefined>[];
  readonly logs: readonly Put<Buffer>[];
}
/** Everything to put, with all values in one buffer: made before lmdb is asked, so that nothing can fail half-way. */
export function encodeChanges(changes: Changes): Puts {
  let size = 0;
  for (const { bytes } of changes.batches) size += BATCH_HEADER_BYTES + bytes.length;
  for (const value of changes.records.values()) size += value === undefined ? 0 : RECORD_HEADER_BYTES + value.length;
  const buffer = Buffer.allocUnsafeSlow(size);
  let at = 0;
  const room = (bytes: number) => {
    at += bytes;
    return buffer.subarray(at - bytes, at);
  };
  return {
    batches: changes.batches.map(({ log, first, count, bytesBefore, bytes }) => {
      const key = batchKey(log, first);
      const value = room(BATCH_HEADER_BYTES + bytes.length);
      writeBatch(value, key, count, bytesBefore, bytes);
      return { key, value };
    }),
    records: [...changes.records].map(([name, content]) => {
      const key = textKey(name);
      if (content === undefined) return { key, value: undefined };
      const value = room(RECORD_HEADER_BYTES + content.length);
      writeRecord(value, key, content);
      return { key, value };
    }),
    logs: [...changes.logs].map(([log, state]) => {
      const key = textKey(log);
      return { key, value: encodeLog(key, state) };
    }),
  };
}
