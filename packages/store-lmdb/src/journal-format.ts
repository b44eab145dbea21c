// How transactions lie in the journal: each begins at a sector of its own, and whatever is not as it was written shows.
import type { Changes, NewBatch } from "./changes.ts";
import { crc32, type LogState } from "./encoding.ts";
import { damaged } from "./errors.ts";

/** What a disk writes whole or not at all, in bytes. */
export const SECTOR_BYTES = 512;
/**
 * Before what a transaction changes: checksum of the header, length, number,
 * checksum of what follows, how many of its sectors hold nothing but zeros.
 */
const HEADER_BYTES = 24;
/** Kinds of entries, each followed by the length of its name, and its name. */
const ENTRY = { log: 1, batch: 2, put: 3, remove: 4 } as const;

const padded = (bytes: number): number => Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES;

/** Encodes transactions, each into the same memory: what it made is gone once it makes more. */
export class TransactionEncoder {
  #buffer = Buffer.alloc(0);
  #at = 0;

  /** @param identity of the journal, mixed into the checksum */
  encode(changes: Changes, number: number, identity: number): Buffer {
    const bytes = HEADER_BYTES + contentBytes(changes);
    this.#reserve(padded(bytes));
    this.#at = HEADER_BYTES;
    for (const batch of changes.batches) this.#batch(batch);
    for (const [key, value] of changes.records) this.#record(key, value);
    for (const [log, state] of changes.logs) this.#log(log, state);
    const whole = this.#buffer.subarray(0, padded(bytes)).fill(0, bytes);
    whole.writeUInt32LE(bytes - HEADER_BYTES, 4);
    whole.writeDoubleLE(number, 8);
    whole.writeUInt32LE(crc32(whole.subarray(HEADER_BYTES, bytes)), 16);
    whole.writeUInt32LE(blankSectors(whole, SECTOR_BYTES, whole.length), 20);
    whole.writeUInt32LE(crc32(whole.subarray(4, HEADER_BYTES), identity), 0);
    return whole;
  }

  #reserve(bytes: number): void {
    if (bytes > this.#buffer.length || this.#buffer.length > 2 ** 22 + bytes * 4)
      this.#buffer = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(bytes)));
  }
  #entry(kind: number, name: string): void {
    this.#buffer[this.#at] = kind;
    this.#buffer.writeUInt16LE(name.length, this.#at + 1);
    this.#at += 3 + this.#buffer.write(name, this.#at + 3, "latin1");
  }
  #batch({ log, first, count, bytesBefore, bytes }: NewBatch): void {
    this.#entry(ENTRY.batch, log);
    this.#number(first);
    this.#number(count);
    this.#number(bytesBefore);
    this.#bytes(bytes);
  }
  #record(key: string, value: Uint8Array | undefined): void {
    this.#entry(value === undefined ? ENTRY.remove : ENTRY.put, key);
    if (value !== undefined) this.#bytes(value);
  }
  #log(name: string, state: LogState): void {
    this.#entry(ENTRY.log, name);
    this.#number(state.start);
    this.#number(state.end);
    this.#number(state.bytesAtStart);
    this.#number(state.bytesAtEnd);
  }
  #number(value: number): void {
    this.#at = this.#buffer.writeDoubleLE(value, this.#at);
  }
  #bytes(value: Uint8Array): void {
    this.#at = this.#buffer.writeUInt32LE(value.length, this.#at);
    this.#buffer.set(value, this.#at);
    this.#at += value.length;
  }
}

/** What a transaction that makes these changes takes in the journal. */
export const journalBytesOf = (changes: Changes): number => padded(HEADER_BYTES + contentBytes(changes));
function contentBytes({ batches, records, logs }: Changes): number {
  let sum = 0;
  for (const { log, bytes } of batches) sum += 3 + log.length + 28 + bytes.length;
  for (const [key, value] of records) sum += 3 + key.length + (value === undefined ? 0 : 4 + value.length);
  for (const log of logs.keys()) sum += 3 + log.length + 32;
  return sum;
}

export interface JournalTransaction {
  readonly number: number;
  readonly changes: Changes;
}

/**
 * The transactions of one journal file, in order, of those numbered above `applied`. One of which sectors are blank
 * was never written to its end: it and what is behind it are not there, unless something was written behind it.
 * @param from where the first one begins
 * @throws STORE_DAMAGED when something is not as it was written
 */
export function readTransactions(file: Buffer, from: number, identity: number, applied: number): JournalTransaction[] {
  const found: JournalTransaction[] = [];
  let last = applied;
  let at = from;
  while (at < file.length && !isBlank(file, at)) {
    const head = headAt(file, at, identity);
    if (head === undefined) throw damaged("a transaction of the journal cannot be decoded", { at });
    const begin = at;
    at += padded(HEADER_BYTES + head.bytes);
    if (head.number <= applied) continue;
    const content = file.subarray(begin + HEADER_BYTES, begin + HEADER_BYTES + head.bytes);
    if (content.length < head.bytes || crc32(content) !== head.checksum) {
      if (blankSectors(file, begin + SECTOR_BYTES, at) <= head.blankSectors)
        throw damaged("the checksum of a transaction in the journal is wrong", { number: head.number });
      break;
    }
    found.push({ number: head.number, changes: decodeChanges(content) });
    last = head.number;
  }
  for (; at < file.length; at += SECTOR_BYTES)
    if ((headAt(file, at, identity)?.number ?? 0) > last)
      throw damaged("a transaction is missing in the journal", { behind: last });
  return found;
}

interface Head {
  readonly bytes: number;
  readonly number: number;
  readonly checksum: number;
  readonly blankSectors: number;
}
function headAt(file: Buffer, at: number, identity: number): Head | undefined {
  if (file.readUInt32LE(at) !== crc32(file.subarray(at + 4, at + HEADER_BYTES), identity)) return undefined;
  return {
    bytes: file.readUInt32LE(at + 4),
    number: file.readDoubleLE(at + 8),
    checksum: file.readUInt32LE(at + 16),
    blankSectors: file.readUInt32LE(at + 20),
  };
}

const BLANK = Buffer.alloc(SECTOR_BYTES);
const isBlank = (file: Buffer, at: number): boolean =>
  file.compare(BLANK, 0, SECTOR_BYTES, at, at + SECTOR_BYTES) === 0;
function blankSectors(file: Buffer, from: number, to: number): number {
  let count = 0;
  for (let at = from; at < to; at += SECTOR_BYTES) if (at >= file.length || isBlank(file, at)) count += 1;
  return count;
}

function decodeChanges(content: Buffer): Changes {
  const batches: NewBatch[] = [];
  const records = new Map<string, Uint8Array | undefined>();
  const logs = new Map<string, LogState>();
  let at = 0;
  const number = () => {
    at += 8;
    return content.readDoubleLE(at - 8);
  };
  const bytes = () => {
    const length = content.readUInt32LE(at);
    at += 4 + length;
    return content.subarray(at - length, at);
  };
  while (at < content.length) {
    const kind = content[at];
    const nameBytes = content.readUInt16LE(at + 1);
    const name = content.toString("latin1", at + 3, at + 3 + nameBytes);
    at += 3 + nameBytes;
    if (kind === ENTRY.batch)
      batches.push({ log: name, first: number(), count: number(), bytesBefore: number(), bytes: bytes() });
    else if (kind === ENTRY.log)
      logs.set(name, { start: number(), end: number(), bytesAtStart: number(), bytesAtEnd: number() });
    else if (kind === ENTRY.put) records.set(name, bytes());
    else if (kind === ENTRY.remove) records.set(name, undefined);
    else throw damaged("an entry of the journal cannot be decoded", { kind });
  }
  return { batches, records, logs };
}
