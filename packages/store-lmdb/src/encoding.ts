// How logs and records lie in lmdb: keys that sort as we read them, values that carry a checksum of key and content.
import * as zlib from "node:zlib";
import { damaged } from "./errors.ts";

/** Bytes before a batch's own: checksum, count of messages, bytes of the log before this batch. */
export const BATCH_HEADER_BYTES = 16;
/** Most messages of one batch: what its header can hold. */
export const BATCH_COUNT_MAX = 0xffff_ffff;
/** Bytes before a record's own: checksum. */
export const RECORD_HEADER_BYTES = 4;

/**
 * What is kept of a log beside its batches.
 * The `bytes…` count all bytes ever appended, up to the batch at `start` and up to `end`.
 */
export interface LogState {
  readonly start: number;
  readonly end: number;
  readonly bytesAtStart: number;
  readonly bytesAtEnd: number;
}
export const EMPTY_LOG: LogState = { start: 0, end: 0, bytesAtStart: 0, bytesAtEnd: 0 };
export interface StoredBatchHead {
  readonly count: number;
  readonly bytesBefore: number;
  readonly bytes: Uint8Array;
}

/** A record's key or a log's name (printable ASCII) as bytes. */
export const textKey = (text: string): Buffer => Buffer.from(text, "latin1");
export const textOfKey = (key: Uint8Array): string =>
  Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");

/**
 * `name`, 0, offset as 8 bytes, highest first:
 * batches of a log lie together, in order; the 0 sorts before all that a name may hold.
 */
export function batchKey(log: string, first: number): Buffer {
  const key = Buffer.allocUnsafe(log.length + 9);
  key.write(log, 0, "latin1");
  key[log.length] = 0;
  key.writeUInt32BE(Math.floor(first / 2 ** 32), log.length + 1);
  key.writeUInt32BE(first % 2 ** 32, log.length + 5);
  return key;
}
export function batchOfKey(key: Uint8Array): { readonly log: string; readonly first: number } {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
  const at = bytes.length - 9;
  if (at < 1 || bytes[at] !== 0) throw damaged("a batch's key cannot be decoded", { key: bytes.toString("hex") });
  return {
    log: bytes.toString("latin1", 0, at),
    first: bytes.readUInt32BE(at + 1) * 2 ** 32 + bytes.readUInt32BE(at + 5),
  };
}

/** Writes a batch's value into `target`, which is `BATCH_HEADER_BYTES` longer than `bytes`. */
export function writeBatch(
  target: Buffer,
  key: Uint8Array,
  count: number,
  bytesBefore: number,
  bytes: Uint8Array,
): void {
  target.writeUInt32LE(count >>> 0, 4);
  target.writeDoubleLE(bytesBefore, 8);
  target.set(bytes, BATCH_HEADER_BYTES);
  target.writeUInt32LE(crc32(target.subarray(4), crc32(key)), 0);
}
/** @throws STORE_DAMAGED */
export function readBatch(key: Uint8Array, value: Uint8Array): StoredBatchHead {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (bytes.length < BATCH_HEADER_BYTES || bytes.readUInt32LE(0) !== crc32(bytes.subarray(4), crc32(key)))
    throw damaged("a batch's checksum is wrong", batchOfKey(key));
  return {
    count: bytes.readUInt32LE(4),
    bytesBefore: bytes.readDoubleLE(8),
    bytes: value.subarray(BATCH_HEADER_BYTES),
  };
}

export function writeRecord(target: Buffer, key: Uint8Array, value: Uint8Array): void {
  target.set(value, RECORD_HEADER_BYTES);
  target.writeUInt32LE(crc32(value, crc32(key)), 0);
}
/** @throws STORE_DAMAGED */
export function readRecord(key: Uint8Array, value: Uint8Array): Uint8Array {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const content = value.subarray(RECORD_HEADER_BYTES);
  if (bytes.length < RECORD_HEADER_BYTES || bytes.readUInt32LE(0) !== crc32(content, crc32(key)))
    throw damaged("a record's checksum is wrong", { key: textOfKey(key) });
  return content;
}

export function encodeLog(key: Uint8Array, state: LogState): Buffer {
  const value = Buffer.allocUnsafe(36);
  value.writeDoubleLE(state.start, 4);
  value.writeDoubleLE(state.end, 12);
  value.writeDoubleLE(state.bytesAtStart, 20);
  value.writeDoubleLE(state.bytesAtEnd, 28);
  value.writeUInt32LE(crc32(value.subarray(4), crc32(key)), 0);
  return value;
}
/** @throws STORE_DAMAGED */
export function decodeLog(key: Uint8Array, value: Uint8Array): LogState {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (bytes.length !== 36 || bytes.readUInt32LE(0) !== crc32(bytes.subarray(4), crc32(key)))
    throw damaged("the extent of a log cannot be decoded", { log: textOfKey(key) });
  return {
    start: bytes.readDoubleLE(4),
    end: bytes.readDoubleLE(12),
    bytesAtStart: bytes.readDoubleLE(20),
    bytesAtEnd: bytes.readDoubleLE(28),
  };
}

/** CRC-32 (that of zip and Ethernet), natively where the runtime has it. */
export const crc32: (bytes: Uint8Array, before?: number) => number =
  typeof zlib.crc32 === "function"
    ? (bytes, before = 0) => (bytes.length === 0 ? before : zlib.crc32(bytes, before))
    : crc32InJs(); // zlib answers 0 to an empty array
function crc32InJs(): (bytes: Uint8Array, before?: number) => number {
  const table = Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    return c;
  });
  return (bytes, before = 0) => {
    let c = ~before;
    for (const byte of bytes) c = (c >>> 8) ^ (table[(c ^ byte) & 255] as number);
    return ~c >>> 0;
  };
}
