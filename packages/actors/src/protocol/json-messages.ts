// Packed messages as JSON, for people and other languages, and back.
import {
  concatBytes,
  ID_BYTES_MAX,
  KEY_BYTES_MAX,
  type PackedFields,
  PackedReader,
  packMessage,
} from "../message/packed.ts";
import { NO_SLOT, SLOTS, slotOf } from "../message/route.ts";
import type { Encoding } from "../message/topic.ts";
import {
  type Check,
  choice,
  dictionary,
  fault,
  finite,
  nullable,
  optional,
  record,
  string,
  stringOfBytes,
  whole,
} from "./checks.ts";
import { CONTAINER_BYTES, containersIn, objectsFault } from "./json-text.ts";
import type { PackedAs } from "./packed-fields.ts";
import { DEPTH_MAX, describeFound, violation } from "./violation.ts";

interface ReadableMessage {
  readonly key?: string | null;
  readonly id?: string | null;
  /** Left out, it is the key's. */
  readonly slot?: number | null;
  readonly headers?: Readonly<Record<string, string>> | null;
  /** Ms since 1970. */
  readonly dueMs?: number | null;
  readonly encoding: Encoding;
  /** The value itself where the encoding is "json", base64 of the bytes otherwise. */
  readonly body: unknown;
}
/** Instead of a readable message, when its JSON would not come back as the same bytes. */
interface PackedMessage {
  readonly packed: string;
}

/** Levels a readable body may have; below it are those of frame, batch and message. */
const BODY_DEPTH_MAX = DEPTH_MAX - 8;
const HEADERS_MAX = 1_024;

const utf8 = new TextEncoder();
const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/* ---------- bytes as JSON ---------- */

const readableList = (messages: Uint8Array): readonly (ReadableMessage | PackedMessage)[] | string => {
  const items: (ReadableMessage | PackedMessage)[] = [];
  try {
    const reader = new PackedReader(messages);
    while (reader.next()) items.push(readableMessage(reader));
    return items;
  } catch {
    return toBase64(messages);
  }
};
const readableOne = (message: Uint8Array): ReadableMessage | PackedMessage | string => {
  const items = readableList(message);
  return typeof items !== "string" && items.length === 1 ? items[0]! : toBase64(message);
};
function readableMessage(reader: PackedReader): ReadableMessage | PackedMessage {
  try {
    const readable: ReadableMessage = {
      key: reader.key,
      id: reader.id,
      slot: reader.hasKey ? reader.slot : null,
      headers: reader.headers,
      ...(reader.dueMs === null ? {} : { dueMs: reader.dueMs }),
      encoding: reader.encoding,
      body: reader.encoding === "json" ? JSON.parse(text.decode(reader.body)) : toBase64(reader.body),
    };
    // a body of mostly brackets stays packed: the peer's bound on them would refuse it
    const isDense = reader.encoding === "json" && containersIn(reader.body) > 4 + reader.body.length / CONTAINER_BYTES;
    if (
      !isDense &&
      objectsFault(readable.body, BODY_DEPTH_MAX) === null &&
      sameBytes(packReadable(readable), reader.message)
    )
      return readable;
  } catch {
    // a body or headers that are not the JSON they should be
  }
  return { packed: toBase64(reader.message) };
}

/* ---------- JSON as bytes ---------- */

const readable = record<ReadableMessage>({
  key: optional(nullable(stringOfBytes(KEY_BYTES_MAX))),
  id: optional(nullable(stringOfBytes(ID_BYTES_MAX))),
  slot: optional(nullable(whole(0, SLOTS - 1))),
  headers: optional(nullable(dictionary(HEADERS_MAX, string(Number.MAX_SAFE_INTEGER)))),
  dueMs: optional(nullable(finite)),
  encoding: choice("msgpack", "json", "bytes"),
  body: ((value) => (value === undefined ? fault("a body", value) : null)) as Check<unknown>,
});
const packed = record<PackedMessage>({ packed: string(Number.MAX_SAFE_INTEGER) });

const packReadable = (message: ReadableMessage): Uint8Array => {
  const fields: PackedFields = {
    key: message.key ?? null,
    slot: message.slot ?? (typeof message.key === "string" ? slotOf(message.key) : NO_SLOT),
    id: message.id ?? null,
    headers: message.headers ?? null,
    dueMs: message.dueMs ?? null,
    encoding: message.encoding,
    body: message.encoding === "json" ? utf8.encode(JSON.stringify(message.body)) : fromBase64(message.body),
  };
  return packMessage(fields);
};
function packOne(frame: string, value: unknown): Uint8Array {
  if (typeof value === "string") return fromBase64(value);
  const asBytes = typeof value === "object" && value !== null && Object.hasOwn(value, "packed");
  const found = asBytes ? packed(value) : readable(value);
  if (found !== null)
    throw violation(frame, `message${found.field === "" ? "" : `.${found.field}`}`, found.expected, found.found);
  return asBytes ? fromBase64((value as PackedMessage).packed) : packReadable(value as ReadableMessage);
}
const packList = (frame: string, value: unknown): unknown => {
  if (typeof value === "string") return fromBase64(value);
  // the frame's tables say what is wrong with anything else
  return Array.isArray(value) ? concatBytes(value.map((item) => packOne(frame, item))) : value;
};

/** Packed messages as what JSON has of them. */
export const asJson: PackedAs = {
  many: (bytes) => readableList(bytes as Uint8Array),
  one: (bytes) => readableOne(bytes as Uint8Array),
};
/** What JSON has of the messages of such a frame as packed ones. */
export const fromJson = (frame: string): PackedAs => ({
  many: (value) => packList(frame, value),
  one: (value) => packOne(frame, value),
});

/* ---------- base64 ---------- */

/** What `String.fromCharCode` takes at once without running out of stack. */
const CHUNK = 8_192;
function toBase64(bytes: Uint8Array): string {
  let units = "";
  for (let at = 0; at < bytes.length; at += CHUNK) units += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(units);
}
function fromBase64(value: unknown): Uint8Array {
  try {
    if (typeof value !== "string") throw new TypeError();
    const units = atob(value);
    const bytes = new Uint8Array(units.length);
    for (let at = 0; at < units.length; at++) bytes[at] = units.charCodeAt(at);
    return bytes;
  } catch {
    throw violation("packet", "", "base64", describeFound(value));
  }
}
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}
