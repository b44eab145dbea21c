import { DEPTH_MAX, describeFound, violation } from "./violation.ts";

const SCRATCH_BYTES = 16_384;
const SCRATCH_BYTES_KEPT = 262_144;
/** Byte strings from this length on are copied once, into the finished packet. */
const APART_BYTES_MIN = 1_024;

const utf8 = new TextEncoder();

/** Fields of a map as they are written, one after another. */
export interface WrittenFields {
  readonly count: number;
  readonly bytes: Uint8Array;
}

/**
 * Writes the bytes of a binary packet. Whole numbers are LEB128 varints of 1 to 8 bytes in their shortest form, other
 * numbers float64 little-endian, byte strings and lists have their length in front. `plain` values are MessagePack
 * without extensions: nil, booleans, numbers, strings, byte strings, arrays, and maps with string keys.
 */
export class ByteWriter {
  #bytes = new Uint8Array(SCRATCH_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;
  /** Long byte strings, and where in the scratch bytes each belongs. */
  readonly #apart: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  #apartBytes = 0;

  /** Bytes written so far. */
  get length(): number {
    return this.#at + this.#apartBytes;
  }
  /** Forgets what was written. */
  clear(): void {
    this.#at = 0;
    this.#apart.length = 0;
    this.#apartBytes = 0;
    if (this.#bytes.length > SCRATCH_BYTES_KEPT) this.#renew(new Uint8Array(SCRATCH_BYTES));
  }
  /** Everything written, in an array of its own. */
  finish(): Uint8Array<ArrayBuffer> {
    const packet = new Uint8Array(this.length);
    let from = 0;
    let at = 0;
    for (const part of this.#apart) {
      packet.set(this.#bytes.subarray(from, part.at), at);
      at += part.at - from;
      packet.set(part.bytes, at);
      at += part.bytes.length;
      from = part.at;
    }
    packet.set(this.#bytes.subarray(from, this.#at), at);
    return packet;
  }

  byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#at++] = value;
  }
  flag(value: boolean): void {
    this.byte(value ? 1 : 0);
  }
  /** A whole number from 0 to 2^53 − 1. @throws `PROTOCOL_VIOLATION` for any other */
  uint(value: number): void {
    if (value >= 0 && value < 128 && value >>> 0 === value) {
      this.byte(value); // most are
      return;
    }
    if (value >>> 0 !== value && !(Number.isSafeInteger(value) && value >= 0))
      throw violation("packet", "", "a whole number from 0 to 2^53 - 1", describeFound(value));
    this.#room(8);
    let rest = value;
    while (rest > 0x7fffffff) {
      this.#bytes[this.#at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    while (rest > 127) {
      this.#bytes[this.#at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.#bytes[this.#at++] = rest;
  }
  float(value: number): void {
    this.#room(8);
    this.#view.setFloat64(this.#at, value, true);
    this.#at += 8;
  }
  bytes(value: Uint8Array): void {
    this.uint(value.length);
    this.#raw(value);
  }
  list<T>(items: readonly T[], write: (item: T) => void): void {
    this.uint(items.length);
    for (const item of items) write(item);
  }
  nullable<T>(value: T | null, write: (value: T) => void): void {
    this.flag(value !== null);
    if (value !== null) write(value);
  }

  /** A plain value with its length in bytes, as uint32, in front. */
  plainWithLength(value: unknown): void {
    this.#room(4);
    const at = this.#at;
    this.#at += 4;
    const before = this.length;
    this.plain(value);
    this.#view.setUint32(at, this.length - before, true);
  }
  /**
   * A map of plain values with its length in front, as `plainWithLength` writes it: these fields, and behind them
   * others that were written before.
   */
  mapWithLength(fields: object, written: WrittenFields): void {
    this.#room(4);
    const at = this.#at;
    this.#at += 4;
    const before = this.length;
    const entries = Object.entries(fields);
    this.#head(entries.length + written.count, { short: 0x80, below: 16 }, 0xdd);
    this.#entries(entries, 0);
    this.#raw(written.bytes);
    this.#view.setUint32(at, this.length - before, true);
  }
  /** Fields of a map, to be written into many. */
  static fields(of: object): WrittenFields {
    const writer = new ByteWriter();
    const entries = Object.entries(of);
    writer.#entries(entries, 0);
    return { count: entries.length, bytes: writer.finish() };
  }
  /** A plain value. `undefined` properties are left out. @throws `PROTOCOL_VIOLATION` for what is not plain data */
  plain(value: unknown, depth = 0): void {
    if (value === null || value === undefined) this.byte(0xc0);
    else if (typeof value === "string") this.#text(value);
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "boolean") this.byte(value ? 0xc3 : 0xc2);
    else if (typeof value === "object") this.#object(value, depth);
    else throw violation("packet", "", "plain data", `a ${typeof value}`);
  }
  #object(value: object, depth: number): void {
    if (depth >= DEPTH_MAX) throw violation("packet", "", `at most ${DEPTH_MAX} levels`, "more");
    if (value instanceof Uint8Array) {
      this.#head(value.length, null, 0xc4);
      this.#raw(value);
    } else if (Array.isArray(value)) {
      this.#head(value.length, { short: 0x90, below: 16 }, 0xdb);
      for (const item of value) this.plain(item, depth + 1);
    } else if (isPlainObject(value)) {
      const entries = Object.entries(value).filter(([, item]) => item !== undefined);
      this.#head(entries.length, { short: 0x80, below: 16 }, 0xdd);
      this.#entries(entries, depth);
    } else throw violation("packet", "", "plain data", "an instance of a class");
  }
  #entries(entries: readonly (readonly [name: string, item: unknown])[], depth: number): void {
    for (const [name, item] of entries) {
      this.#text(name);
      this.plain(item, depth + 1);
    }
  }
  #number(value: number): void {
    this.#room(9);
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.#bytes[this.#at] = 0xcb;
      this.#view.setFloat64(this.#at + 1, value);
      this.#at += 9;
    } else if (value >= -32 && value < 0x80) {
      this.#bytes[this.#at++] = value; // a negative one wraps to 0xe0 and above
    } else {
      const size = intBytes(value);
      const at = this.#at + 1;
      this.#bytes[this.#at] = (value < 0 ? 0xd0 : 0xcc) + Math.log2(size);
      if (size === 1) this.#bytes[at] = value;
      else if (size === 2) this.#view.setUint16(at, value);
      else if (size === 4) this.#view.setUint32(at, value);
      else {
        this.#view.setUint32(at, Math.floor(value / 2 ** 32));
        this.#view.setUint32(at + 4, value % 2 ** 32);
      }
      this.#at = at + size;
    }
  }
  #text(value: string): void {
    // names of fields and the like: ASCII, and too short to be worth a call
    if (value.length < 32) {
      this.#room(1 + value.length);
      let at = this.#at;
      this.#bytes[at++] = 0xa0 | value.length;
      for (let index = 0; index < value.length; index++) {
        const unit = value.charCodeAt(index);
        if (unit > 127) break;
        this.#bytes[at++] = unit;
      }
      if (at === this.#at + 1 + value.length) {
        this.#at = at;
        return;
      }
    }
    const encoded = utf8.encode(value);
    this.#head(encoded.length, { short: 0xa0, below: 32 }, 0xd9);
    this.#raw(encoded);
  }
  /**
   * The head of a string, byte string, array or map. `long` is the code with an 8-bit length; arrays and maps have
   * none, their 16-bit code comes right after.
   */
  #head(length: number, compact: { readonly short: number; readonly below: number } | null, long: number): void {
    this.#room(5);
    if (compact !== null && length < compact.below) {
      this.#bytes[this.#at++] = compact.short | length;
    } else if (length < 0x100 && (long === 0xc4 || long === 0xd9)) {
      this.#bytes[this.#at++] = long;
      this.#bytes[this.#at++] = length;
    } else if (length < 0x1_0000) {
      this.#bytes[this.#at++] = long + 1;
      this.#view.setUint16(this.#at, length);
      this.#at += 2;
    } else {
      this.#bytes[this.#at++] = long + 2;
      this.#view.setUint32(this.#at, length);
      this.#at += 4;
    }
  }
  #raw(value: Uint8Array): void {
    if (value.length >= APART_BYTES_MIN) {
      this.#apart.push({ at: this.#at, bytes: value });
      this.#apartBytes += value.length;
      return;
    }
    this.#room(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }
  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + bytes));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#renew(grown);
  }
  #renew(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}
const isPlainObject = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};
const intBytes = (value: number): 1 | 2 | 4 | 8 => {
  if (value >= 0) return value < 2 ** 8 ? 1 : value < 2 ** 16 ? 2 : value < 2 ** 32 ? 4 : 8;
  return value >= -(2 ** 7) ? 1 : value >= -(2 ** 15) ? 2 : value >= -(2 ** 31) ? 4 : 8;
};
