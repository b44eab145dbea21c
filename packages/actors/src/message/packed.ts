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
 * | 1 | encoding of the body: 0 msgpack, 1 json, 2 bytes |
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

/** @throws `KEY_INVALID` for a key, `OPTION_INVALID` for an id of more than 1,024 bytes or a due time that is no number */
export function packMessage(fields: PackedFields): Uint8Array {
  const key = fields.key === null ? null : utf8.encode(fields.key);
  const id = fields.id === null ? null : utf8.encode(fields.id);
  if (key !== null && key.length > KEY_BYTES_MAX)
    throw new MessagingError(
      "KEY_INVALID",
      `expected a key of at most ${KEY_BYTES_MAX} bytes, found one of ${key.length}`,
    );
  if (id !== null && id.length > ID_BYTES_MAX)
    throw optionInvalid("id", `at most ${ID_BYTES_MAX} bytes`, `a string of ${id.length} bytes`);
  if (fields.dueMs !== null && !Number.isFinite(fields.dueMs))
    throw optionInvalid("dueMs", "a finite number", fields.dueMs);
  const headers = fields.headers === null ? null : utf8.encode(JSON.stringify(fields.headers));
  const length =
    HEADER +
    (key === null ? 0 : 2 + key.length) +
    (id === null ? 0 : 2 + id.length) +
    (headers === null ? 0 : 4 + headers.length) +
    (fields.dueMs === null ? 0 : 8) +
    fields.body.length;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length, true);
  bytes[4] =
    (key === null ? 0 : FLAG.key) |
    (id === null ? 0 : FLAG.id) |
    (headers === null ? 0 : FLAG.headers) |
    (fields.dueMs === null ? 0 : FLAG.due);
  bytes[5] = ENCODINGS.indexOf(fields.encoding);
  view.setUint16(6, key === null ? NO_SLOT : fields.slot, true);
  let at = HEADER;
  if (key !== null) {
    view.setUint16(at, key.length, true);
    bytes.set(key, at + 2);
    at += 2 + key.length;
  }
  if (id !== null) {
    view.setUint16(at, id.length, true);
    bytes.set(id, at + 2);
    at += 2 + id.length;
  }
  if (headers !== null) {
    view.setUint32(at, headers.length, true);
    bytes.set(headers, at + 4);
    at += 4 + headers.length;
  }
  if (fields.dueMs !== null) {
    view.setFloat64(at, fields.dueMs, true);
    at += 8;
  }
  bytes.set(fields.body, at);
  return bytes;
}

const damaged = (what: string): MessagingError<"PROTOCOL_VIOLATION"> =>
  new MessagingError("PROTOCOL_VIOLATION", `expected a packed message, found ${what}`);

/** Reads fields of the packed message that begins at `at`, without touching its body. Every read is checked against the message's own length. */
export class PackedReader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  /** Where the message begins and where it ends. */
  at = 0;
  end = 0;
  #flags = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  /** Moves to the message after the current one (the first, at the start). False at the end of the batch. @throws `PROTOCOL_VIOLATION` */
  next(): boolean {
    if (this.end === this.bytes.length) return false;
    this.at = this.end;
    if (this.bytes.length - this.at < HEADER)
      throw damaged(`${this.bytes.length - this.at} bytes where a header of ${HEADER} is due`);
    const length = this.#view.getUint32(this.at, true);
    if (length < HEADER || length > this.bytes.length - this.at)
      throw damaged(`a length of ${length} with ${this.bytes.length - this.at} bytes left`);
    this.end = this.at + length;
    this.#flags = this.bytes[this.at + 4]!;
    if (this.#flags > 15) throw damaged(`unknown flags ${this.#flags}`);
    if (this.bytes[this.at + 5]! > 2) throw damaged(`unknown encoding ${this.bytes[this.at + 5]}`);
    if (this.#bodyAt() > this.end) throw damaged("fields longer than the message");
    if (this.hasKey && this.#u16(this.at + HEADER) > KEY_BYTES_MAX)
      throw damaged(`a key of more than ${KEY_BYTES_MAX} bytes`);
    if (this.hasId && this.#u16(this.#idAt()) > ID_BYTES_MAX) throw damaged(`an id of more than ${ID_BYTES_MAX} bytes`);
    if (this.hasKey ? this.slot >= SLOTS : this.slot !== NO_SLOT) throw damaged(`a slot ${this.slot}`);
    if (this.dueMs !== null && !Number.isFinite(this.dueMs)) throw damaged("a due time that is no number");
    return true;
  }
  get length(): number {
    return this.end - this.at;
  }
  get slot(): number {
    return this.#view.getUint16(this.at + 6, true);
  }
  get hasKey(): boolean {
    return (this.#flags & FLAG.key) !== 0;
  }
  get hasId(): boolean {
    return (this.#flags & FLAG.id) !== 0;
  }
  get key(): string | null {
    return this.hasKey ? this.#text(this.at + HEADER) : null;
  }
  get id(): string | null {
    return this.hasId ? this.#text(this.#idAt()) : null;
  }
  get dueMs(): number | null {
    return (this.#flags & FLAG.due) === 0 ? null : this.#view.getFloat64(this.#bodyAt() - 8, true);
  }
  get headers(): Readonly<Record<string, string>> | null {
    if ((this.#flags & FLAG.headers) === 0) return null;
    const at = this.#headersAt();
    const length = this.#view.getUint32(at, true);
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
  get encoding(): Encoding {
    return ENCODINGS[this.bytes[this.at + 5]!]!;
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
    if ((this.#flags & FLAG.headers) !== 0)
      at += at + 4 <= this.end ? 4 + this.#view.getUint32(at, true) : this.bytes.length + 1;
    return (this.#flags & FLAG.due) === 0 ? at : at + 8;
  }
  /** A length field; past the message's end it reads as one that no message can hold. */
  #u16(at: number): number {
    return at + 2 <= this.end ? this.#view.getUint16(at, true) : this.bytes.length;
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
