import { INTAKE, tooMuch } from "./intake-limits.ts";
import { DEPTH_MAX, FORBIDDEN_KEYS, OBJECT_KEY_MAX, violation } from "./violation.ts";

/**
 * Arrays, maps and byte strings that a packet may hold as plain values: these (six lists of a settlement and a resume,
 * full), and one more for so many bytes of it.
 */
const CONTAINERS_FREE = 65_536;
const CONTAINER_BYTES = 16;

// a BOM is a character like any other: a key that begins with one must not lose it
const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads what `ByteWriter` wrote. Every read is checked against the packet's end, every length before anything is
 * allocated for it.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #numbers: DataView | null = null;
  #at = 0;
  #containers = 0;
  /** Type of the frame being read, for errors. */
  frame = "packet";
  /** Plain values that may still come. */
  valuesLeft = Number.POSITIVE_INFINITY;

  constructor(packet: Uint8Array) {
    // a plain view, whatever subclass the packet is: what is cut from it is plain as well
    this.#bytes = new Uint8Array(packet.buffer, packet.byteOffset, packet.byteLength);
  }
  /** Most frames hold no number that is read with it. */
  get #view(): DataView {
    const { buffer, byteOffset, byteLength } = this.#bytes;
    this.#numbers ??= new DataView(buffer, byteOffset, byteLength);
    return this.#numbers;
  }
  get done(): boolean {
    return this.#at === this.#bytes.length;
  }
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) throw this.#ended(1);
    this.#at++;
    return value;
  }
  flag(): boolean {
    const value = this.byte();
    if (value > 1) throw violation(this.frame, "", "0 or 1", String(value));
    return value === 1;
  }
  uint(): number {
    let byte = this.byte();
    if (byte < 128) return byte;
    let value = byte & 127;
    let scale = 128;
    for (let more = 1; more < 8; more++) {
      byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) {
        if (byte === 0 || !Number.isSafeInteger(value)) break;
        return value;
      }
      scale *= 128;
    }
    throw violation(this.frame, "", "a whole number from 0 to 2^53 - 1 in its shortest form", "another");
  }
  float(): number {
    return this.#view.getFloat64(this.#take(8), true);
  }
  /** Shares the packet's memory. */
  bytes(): Uint8Array {
    return this.#cut(this.uint());
  }
  /** At most `max` items, each of `bytesMin` bytes or more. */
  list<T>(max: number, bytesMin: number, read: () => T): T[] {
    const count = this.uint();
    if (count > max || count * bytesMin > this.left)
      throw violation(
        this.frame,
        "",
        `at most ${max} items within the packet`,
        `a list of ${count} with ${this.left} bytes left`,
      );
    const items: T[] = [];
    for (let index = 0; index < count; index++) items.push(read());
    return items;
  }
  nullable<T>(read: () => T): T | null {
    return this.flag() ? read() : null;
  }

  plainWithLength(): unknown {
    const length = this.#view.getUint32(this.#take(4), true);
    if (length > this.left) throw this.#ended(length);
    const end = this.#at + length;
    const value = this.plain();
    if (this.#at !== end)
      throw violation(this.frame, "", `a value of ${length} bytes`, `one of ${this.#at - end + length}`);
    return value;
  }
  plain(depth = 0): unknown {
    if (--this.valuesLeft < 0) throw tooMuch(this.frame, INTAKE.plainValues, "values");
    const code = this.byte();
    if (code < 0x80) return code;
    if (code < 0x90) return this.#map(code & 15, depth);
    if (code < 0xa0) return this.#array(code & 15, depth);
    if (code < 0xc0) return this.#text(code & 31);
    if (code >= 0xe0) return code - 256;
    switch (code) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        this.#container();
        return this.#cut(this.#length(1 << (code - 0xc4)));
      case 0xca:
        return this.#view.getFloat32(this.#take(4));
      case 0xcb:
        return this.#view.getFloat64(this.#take(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#length(1 << (code - 0xcc));
      case 0xcf:
        return this.#safe(this.#view.getUint32(this.#take(4)), this.#view.getUint32(this.#take(4)));
      case 0xd0:
        return this.#view.getInt8(this.#take(1));
      case 0xd1:
        return this.#view.getInt16(this.#take(2));
      case 0xd2:
        return this.#view.getInt32(this.#take(4));
      case 0xd3:
        return this.#safe(this.#view.getInt32(this.#take(4)), this.#view.getUint32(this.#take(4)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#length(1 << (code - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#length(code === 0xdc ? 2 : 4), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#length(code === 0xde ? 2 : 4), depth);
      default:
        throw violation(this.frame, "", "MessagePack without extensions", `a byte 0x${code.toString(16)}`);
    }
  }
  #array(length: number, depth: number): unknown[] {
    this.#deeper(length, length, depth);
    // exact where it is small; where a length promises much, room is made for what is there
    const items: unknown[] = length <= 16 ? new Array(length) : [];
    for (let index = 0; index < length; index++) items[index] = this.plain(depth + 1);
    return items;
  }
  #map(length: number, depth: number): Record<string, unknown> {
    this.#deeper(length, length * 2, depth);
    const object: Record<string, unknown> = {};
    for (let index = 0; index < length; index++) {
      const name = this.#name();
      object[name] = this.plain(depth + 1);
    }
    return object;
  }
  #name(): string {
    const code = this.byte();
    let length: number;
    if (code >= 0xa0 && code < 0xc0) length = code & 31;
    else if (code >= 0xd9 && code <= 0xdb) length = this.#length(1 << (code - 0xd9));
    else
      throw violation(this.frame, "", "a map whose keys are strings", `a key that begins with 0x${code.toString(16)}`);
    if (length > OBJECT_KEY_MAX)
      throw violation(this.frame, "", `keys of at most ${OBJECT_KEY_MAX} bytes`, `one of ${length}`);
    const name = this.#text(length);
    if (FORBIDDEN_KEYS.has(name)) throw violation(this.frame, "", "no such key", `"${name}"`);
    return name;
  }
  #deeper(length: number, bytesMin: number, depth: number): void {
    if (bytesMin > this.left)
      throw violation(this.frame, "", "lengths within the packet", `one of ${length} with ${this.left} bytes left`);
    if (depth >= DEPTH_MAX) throw violation(this.frame, "", `at most ${DEPTH_MAX} levels`, "more");
    this.#container();
  }
  /** An empty map is one byte that becomes sixty: no real packet holds many. */
  #container(): void {
    if (++this.#containers > CONTAINERS_FREE + this.#bytes.length / CONTAINER_BYTES)
      throw violation(this.frame, "", "values with something in them", "too many empty ones");
  }
  #length(size: number): number {
    const at = this.#take(size);
    return size === 1 ? this.#bytes[at]! : size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }
  #safe(high: number, low: number): number {
    const value = high * 2 ** 32 + low;
    if (!Number.isSafeInteger(value)) throw violation(this.frame, "", "numbers up to 2^53 - 1", "a larger one");
    return value;
  }
  #text(length: number): string {
    const at = this.#take(length);
    if (length < 24) {
      let value = "";
      let index = at;
      for (; index < at + length; index++) {
        const unit = this.#bytes[index]!;
        if (unit > 127) break;
        value += String.fromCharCode(unit);
      }
      if (index === at + length) return value;
    }
    try {
      return text.decode(this.#bytes.subarray(at, at + length));
    } catch {
      throw violation(this.frame, "", "UTF-8", "other bytes");
    }
  }
  #cut(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }
  #take(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) throw this.#ended(length);
    this.#at = at + length;
    return at;
  }
  #ended(length: number): Error {
    return violation(this.frame, "", `${length} more bytes`, `${this.left}`);
  }
}
