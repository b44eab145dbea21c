import { MessagingError, optionInvalid } from "./errors.ts";
import { NO_SLOT, SLOTS } from "./route.ts";
import type { Encoding } from "./topic.ts";

/**
 * A message as bytes, packed once by its producer and unpacked once by its consumer; broker and store pass it through.
 * A batch is packed messages end to end. Little-endian:
 *
 * | bytes | what |
 * | --- | --- |
 * | 4 | length of the whole message, these four included |
 * | 1 | flags: 1 key, 2 id, 4 headers, 8 due time |
 * | 1 | encoding of the body: 0 msgpack, 1 json, 2 bytes; only who reads the body looks at it, so a newer one passes through |
 * | 2 | slot of the key, 0xFFFF without one |
 * | 2 + n | key, UTF-8, if flagged |
 * | 2 + n | id, UTF-8, if flagged |
 * | 4 + n | headers, a JSON object of strings, if flagged |
 * | 8 | due time, float64 ms since 1970, if flagged |
 * | rest | body |
 */
const HEADER = 8;
const FLAG = { key: 1, id: 2, headers: 4, due: 8 } as const;
const ENCODINGS: readonly Encoding[] = ["msgpack", "json", "bytes"];
export const KEY_BYTES_MAX = 1_024;
export const ID_BYTES_MAX = 1_024;

const EMPTY = new Uint8Array(0);
const utf8 = new TextEncoder();
// a BOM is a character like any other: keys that differ in one are different keys
const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export interface PackedFields {
  readonly key: string | null;
  readonly slot: number;
  readonly id: string | null;
  readonly headers: Readonly<Record<string, string>> | null;
  readonly dueMs: number | null;
  readonly encoding: Encoding;
  readonly body: Uint8Array;
}

/**
 * @throws `KEY_INVALID` for a key, `OPTION_INVALID` for an id of more than 1,024 bytes or a due time that is no number
 */
export function packMessage(fields: PackedFields): Uint8Array {
  const space = new PackSpace(0);
  const length = packInto(space, fields);
  return space.view(length);
}
/**
 * Packs a message into `space` and says how long it is: it begins at `space.at`. Messages packed one after another
 * lie end to end there, as a batch does, while a slab lasts. Throws as `packMessage` does.
 */
export function packInto(space: PackSpace, fields: PackedFields): number {
  const { key, id, dueMs, body } = fields;
  const keyText = key === null ? null : wireText(key);
  if (keyText !== null && keyText.length > KEY_BYTES_MAX)
    throw new MessagingError(
      "KEY_INVALID",
      `expected a key of at most ${KEY_BYTES_MAX} bytes, found one of ${keyText.length}`,
    );
  const idText = id === null ? null : wireText(id);
  if (idText !== null && idText.length > ID_BYTES_MAX)
    throw optionInvalid("id", `at most ${ID_BYTES_MAX} bytes`, `a string of ${idText.length} bytes`);
  if (dueMs !== null && !Number.isFinite(dueMs)) throw optionInvalid("dueMs", "a finite number", dueMs);
  const headers = fields.headers === null ? null : utf8.encode(JSON.stringify(fields.headers));
  const length =
    HEADER +
    (keyText === null ? 0 : 2 + keyText.length) +
    (idText === null ? 0 : 2 + idText.length) +
    (headers === null ? 0 : 4 + headers.length) +
    (dueMs === null ? 0 : 8) +
    body.length;
  space.take(length);
  const { slab: bytes, at: start } = space;
  putU32(bytes, start, length);
  bytes[start + 4] =
    (keyText === null ? 0 : FLAG.key) |
    (idText === null ? 0 : FLAG.id) |
    (headers === null ? 0 : FLAG.headers) |
    (dueMs === null ? 0 : FLAG.due);
  bytes[start + 5] = ENCODINGS.indexOf(fields.encoding);
  putU16(bytes, start + 6, keyText === null ? NO_SLOT : fields.slot);
  let at = start + HEADER;
  if (keyText !== null) at = putText(bytes, at, keyText);
  if (idText !== null) at = putText(bytes, at, idText);
  if (headers !== null) {
    putU32(bytes, at, headers.length);
    bytes.set(headers, at + 4);
    at += 4 + headers.length;
  }
  if (dueMs !== null) {
    new DataView(bytes.buffer, bytes.byteOffset).setFloat64(at, dueMs + 0, true); // minus zero is zero, as in JSON
    at += 8;
  }
  bytes.set(body, at);
  return length;
}

/** The largest slab. One stays for as long as one of its messages does. */
const SLAB_BYTES = 64 * 1024;
/** A message of more than this share of the largest slab has memory of its own. */
const SLAB_SHARE = 1 / 16;

/**
 * Where messages are packed one behind another: memory is cut from slabs, since an array of its own costs V8 several
 * times what a small message needs.
 */
export class PackSpace {
  slab: Uint8Array = EMPTY;
  /** Where the message packed last begins. */
  at = 0;
  /**
   * Bytes of messages that are still needed: a slab holds about
   * twice as many, so that whoever sends little holds little.
   */
  live = 0;
  #end = 0;
  readonly #least: number;

  /** `least`: bytes of the smallest slab; 0: every message has memory of its own. */
  constructor(least = SLAB_BYTES) {
    this.#least = least;
  }
  /** Makes room for a message: `length` bytes of `slab`, from `at` on. */
  take(length: number): void {
    if (this.#end + length > this.slab.length) {
      const isAlone = this.#least === 0 || length > SLAB_BYTES * SLAB_SHARE;
      this.slab = new Uint8Array(isAlone ? length : this.#slabBytes(length));
      this.#end = 0;
    }
    this.at = this.#end;
    this.#end += length;
  }
  #slabBytes(length: number): number {
    return Math.min(SLAB_BYTES, Math.max(this.#least, 2 * (this.live + length)));
  }
  /** The message packed last. */
  view(length: number): Uint8Array {
    return this.slab.subarray(this.at, this.at + length);
  }
}
/** Longer texts are encoded as a whole. */
const PLAIN_LENGTH_MAX = 64;
/** The text itself when it is short and ASCII, as nearly all keys are: then its bytes are its characters. */
function wireText(value: string): string | Uint8Array {
  if (value.length > PLAIN_LENGTH_MAX) return utf8.encode(value);
  for (let at = 0; at < value.length; at++) if (value.charCodeAt(at) > 0x7f) return utf8.encode(value);
  return value;
}
function putText(bytes: Uint8Array, at: number, value: string | Uint8Array): number {
  putU16(bytes, at, value.length);
  if (typeof value === "string")
    for (let index = 0; index < value.length; index++) bytes[at + 2 + index] = value.charCodeAt(index);
  else bytes.set(value, at + 2);
  return at + 2 + value.length;
}
function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}
function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
const u16 = (bytes: Uint8Array, at: number): number => bytes[at]! | (bytes[at + 1]! << 8);
const u32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;

/** The key read last of each slot: most keys are read again and again, and comparing costs less than decoding. */
const KEYS: (string | undefined)[] = [];

const damaged = (what: string): MessagingError<"PROTOCOL_VIOLATION"> =>
  new MessagingError("PROTOCOL_VIOLATION", `expected a packed message, found ${what}`);

const newerEncoding = (code: number): MessagingError<"FORMAT_UNSUPPORTED"> =>
  new MessagingError(
    "FORMAT_UNSUPPORTED",
    `the body has encoding ${code}, which is of a newer version: expected 0 to ${ENCODINGS.length - 1} (${ENCODINGS.join(", ")}); upgrade what reads it`,
    { data: { encoding: code, known: ENCODINGS } },
  );

/**
 * Reads fields of the packed message that begins at `at`, without touching
 * its body. Every read is checked against the message's own length.
 */
export class PackedReader {
  bytes: Uint8Array;
  /** Where the message begins and where it ends. */
  at = 0;
  end = 0;
  #flags = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
  /**
   * Moves to the message after the current one (the first, at the start). False at the end of the batch.
   * @throws `PROTOCOL_VIOLATION`
   */
  next(): boolean {
    if (this.end === this.bytes.length) return false;
    this.at = this.end;
    if (this.bytes.length - this.at < HEADER)
      throw damaged(`${this.bytes.length - this.at} bytes where a header of ${HEADER} is due`);
    const length = u32(this.bytes, this.at);
    if (length < HEADER || length > this.bytes.length - this.at)
      throw damaged(`a length of ${length} with ${this.bytes.length - this.at} bytes left`);
    this.end = this.at + length;
    this.#flags = this.bytes[this.at + 4]!;
    if (this.#flags > 15) throw damaged(`unknown flags ${this.#flags}`);
    if (this.#flags === FLAG.key && this.#isPlain()) return true;
    if (this.#bodyAt() > this.end) throw damaged("fields longer than the message");
    if (this.hasKey && this.#u16(this.at + HEADER) > KEY_BYTES_MAX)
      throw damaged(`a key of more than ${KEY_BYTES_MAX} bytes`);
    if (this.hasId && this.#u16(this.#idAt()) > ID_BYTES_MAX) throw damaged(`an id of more than ${ID_BYTES_MAX} bytes`);
    if (this.hasKey ? this.slot >= SLOTS : this.slot !== NO_SLOT) throw damaged(`a slot ${this.slot}`);
    if (this.dueMs !== null && !Number.isFinite(this.dueMs)) throw damaged("a due time that is no number");
    return true;
  }
  /** With a key and nothing else, as nearly all are, and all of it in order: the checks of `next` in one look. */
  #isPlain(): boolean {
    const { bytes, at, end } = this;
    if (at + HEADER + 2 > end) return false;
    const keyBytes = u16(bytes, at + HEADER);
    return at + HEADER + 2 + keyBytes <= end && keyBytes <= KEY_BYTES_MAX && u16(bytes, at + 6) < SLOTS;
  }
  /** Moves to a message that `next` has passed before, here or in another reader. */
  seek(bytes: Uint8Array, at: number, length: number): void {
    this.bytes = bytes;
    this.at = at;
    this.end = at + length;
    this.#flags = bytes[at + 4]!;
  }
  get length(): number {
    return this.end - this.at;
  }
  get slot(): number {
    return u16(this.bytes, this.at + 6);
  }
  get hasKey(): boolean {
    return (this.#flags & FLAG.key) !== 0;
  }
  get hasId(): boolean {
    return (this.#flags & FLAG.id) !== 0;
  }
  get key(): string | null {
    if (!this.hasKey) return null;
    const { slot } = this;
    const known = KEYS[slot];
    if (known !== undefined && this.#reads(known, this.at + HEADER)) return known;
    const key = this.#text(this.at + HEADER);
    if (key.length <= PLAIN_LENGTH_MAX) KEYS[slot] = key;
    return key;
  }
  /** Whether it has the key of these bytes (UTF-8): nothing is decoded. */
  hasKeyOf(key: Uint8Array): boolean {
    if (!this.hasKey) return false;
    const from = this.at + HEADER;
    if (this.#u16(from) !== key.length) return false;
    for (let at = 0; at < key.length; at++) if (this.bytes[from + 2 + at] !== key[at]) return false;
    return true;
  }
  get id(): string | null {
    return this.hasId ? this.#text(this.#idAt()) : null;
  }
  get dueMs(): number | null {
    if ((this.#flags & FLAG.due) === 0) return null;
    const { buffer, byteOffset } = this.bytes;
    return new DataView(buffer, byteOffset).getFloat64(this.#bodyAt() - 8, true);
  }
  get headers(): Readonly<Record<string, string>> | null {
    if ((this.#flags & FLAG.headers) === 0) return null;
    const at = this.#headersAt();
    const length = u32(this.bytes, at);
    try {
      const headers: unknown = JSON.parse(text.decode(this.bytes.subarray(at + 4, at + 4 + length)));
      if (typeof headers !== "object" || headers === null || Array.isArray(headers))
        throw damaged("headers that are no object");
      // own string properties only: what a peer wrote never reaches a prototype
      return Object.fromEntries(
        Object.entries(headers).filter(([name, value]) => name !== "__proto__" && typeof value === "string"),
      );
    } catch (cause) {
      throw cause instanceof MessagingError ? cause : damaged("headers that are no JSON object");
    }
  }
  /** @throws `FORMAT_UNSUPPORTED` for one of a newer version */
  get encoding(): Encoding {
    const code = this.bytes[this.at + 5]!;
    const encoding = ENCODINGS[code];
    if (encoding === undefined) throw newerEncoding(code);
    return encoding;
  }
  get body(): Uint8Array {
    return this.bytes.subarray(this.#bodyAt(), this.end);
  }
  /** The message's own bytes, shared with the batch. */
  get message(): Uint8Array {
    return this.bytes.subarray(this.at, this.end);
  }

  #idAt(): number {
    return this.at + HEADER + (this.hasKey ? 2 + this.#u16(this.at + HEADER) : 0);
  }
  #headersAt(): number {
    const at = this.#idAt();
    return at + (this.hasId ? 2 + this.#u16(at) : 0);
  }
  #bodyAt(): number {
    let at = this.#headersAt();
    if ((this.#flags & FLAG.headers) !== 0) at += at + 4 <= this.end ? 4 + u32(this.bytes, at) : this.bytes.length + 1;
    return (this.#flags & FLAG.due) === 0 ? at : at + 8;
  }
  /** A length field; past the message's end it reads as one that no message can hold. */
  #u16(at: number): number {
    return at + 2 <= this.end ? u16(this.bytes, at) : this.bytes.length;
  }
  /** Whether the text at `at` is this one. Says no to what is not ASCII. */
  #reads(known: string, at: number): boolean {
    if (this.#u16(at) !== known.length) return false;
    const { bytes } = this;
    for (let index = 0; index < known.length; index++)
      if (bytes[at + 2 + index] !== known.charCodeAt(index) || bytes[at + 2 + index]! > 0x7f) return false;
    return true;
  }
  #text(at: number): string {
    const length = this.#u16(at);
    try {
      return text.decode(this.bytes.subarray(at + 2, at + 2 + length));
    } catch {
      throw damaged("text that is not UTF-8");
    }
  }
}

/** The first message with the body of the second: same key, id and headers. @throws `PROTOCOL_VIOLATION` */
export function withBodyOf(message: Uint8Array, other: Uint8Array): Uint8Array {
  const { key, slot, id, headers, dueMs } = onlyOne(message);
  const { encoding, body } = onlyOne(other);
  return packMessage({ key, slot, id, headers, dueMs, encoding, body });
}
/**
 * The same message without its body, whatever that is encoded in, and its headers.
 * @throws `PROTOCOL_VIOLATION` when it is not one message
 */
export function withoutBody(message: Uint8Array): Uint8Array {
  const { key, slot, id, dueMs } = onlyOne(message);
  return packMessage({ key, slot, id, headers: null, dueMs, encoding: "bytes", body: new Uint8Array() });
}
function onlyOne(message: Uint8Array): PackedReader {
  const reader = new PackedReader(message);
  if (!reader.next() || reader.end !== message.length) throw damaged("none or several messages where one is due");
  return reader;
}
/** Packed messages end to end, in one piece. */
export function concatBytes(
  parts: readonly Uint8Array[],
  total = parts.reduce((sum, part) => sum + part.length, 0),
): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
