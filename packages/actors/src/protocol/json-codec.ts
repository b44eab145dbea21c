import type { MessagingError } from "../message/errors.ts";
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
import { type Codec, type FrameReader, framesOf } from "./codec.ts";
import type { FrameTables } from "./frame-tables.ts";
import type { Frame } from "./frames.ts";
import { INTAKE, requireFromClient, tooMuch } from "./intake-limits.ts";
import { RouteCache } from "./route-cache.ts";
import { sendable } from "./sendable.ts";
import { frameTables } from "./validate-frame.ts";
import {
  DEPTH_MAX,
  describeFound,
  FORBIDDEN_KEYS,
  FRAMES_MAX,
  OBJECT_KEY_MAX,
  tooManyFrames,
  violation,
} from "./violation.ts";

/**
 * A packet is a JSON array of frames, for a browser's network tab and for other languages. Where a frame holds packed messages, JSON has an array of
 * these (one of them, where the frame holds one message), or base64 of the packed bytes.
 */
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
export const JSON_FIRST_BYTE = 0x5b;

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

/* ---------- where frames hold bytes ---------- */

type Loose = Readonly<Record<string, unknown>>;
const isLoose = (value: unknown): value is Loose =>
  typeof value === "object" && value !== null && !Array.isArray(value);
/** The object with one field mapped, if it is one that has it. */
const withField = (value: unknown, name: string, map: (value: unknown) => unknown): unknown =>
  isLoose(value) && Object.hasOwn(value, name) ? { ...value, [name]: map(value[name]) } : value;
const each =
  (map: (value: unknown) => unknown) =>
  (value: unknown): unknown =>
    Array.isArray(value) ? value.map(map) : value;

/** The frame with its packed bytes mapped: `many` for messages end to end, `one` for a single message. */
function mapBytes(frame: Loose, many: (value: unknown) => unknown, one: (value: unknown) => unknown): unknown {
  switch (frame["type"]) {
    case "batch.append":
      return withField(frame, "messages", many);
    case "deliver":
      return withField(
        frame,
        "batches",
        each((batch) => withField(batch, "messages", many)),
      );
    case "redeliver":
      return withField(
        frame,
        "entries",
        each((entry) => withField(entry, "message", one)),
      );
    case "ask":
      return withField(frame, "question", (question) => withField(question, "message", one));
    case "answer": {
      const messages = each((entry) => withField(entry, "message", one));
      return withField(frame, "answer", (answer) => withField(messages(answer), "entries", messages));
    }
    default:
      return frame;
  }
}

/* ---------- limits ---------- */

/** Objects and arrays that a packet may hold: these, and one more for so many bytes of it. */
const CONTAINERS_FREE = 65_536;
const CONTAINER_BYTES = 8;
const BRACKETS = { quote: 0x22, escape: 0x5c, comma: 0x2c, close: 0x5d } as const;
/**
 * Objects and arrays that JSON text opens, `Infinity` when they lie too deep: counted before anything is made of them, since two bytes of `{}` become
 * sixty. Text that is no JSON may be counted wrong; parsing finds that.
 */
function containersIn(json: Uint8Array): number {
  const value = new JsonExtent(json, 0);
  value.skip(false);
  return value.containers;
}
/** How far a value reaches in JSON text, and what it opens. */
class JsonExtent {
  readonly #json: Uint8Array;
  at: number;
  containers = 0;
  /** What has a comma or a bracket before it: about as many as there are values. */
  values = 0;
  constructor(json: Uint8Array, at: number) {
    this.#json = json;
    this.at = at;
  }
  /** Goes to the end of the text or, of an item of a list, to the `,` or `]` behind it. */
  skip(isItem: boolean): void {
    const json = this.#json;
    const depthMax = isItem ? DEPTH_MAX - 1 : DEPTH_MAX;
    let depth = 0;
    let { at, containers, values } = this;
    for (; at < json.length; at++) {
      const byte = json[at]!;
      if (byte === BRACKETS.quote) {
        // to the end of the string
        for (at++; at < json.length && json[at] !== BRACKETS.quote; at++) if (json[at] === BRACKETS.escape) at++;
      } else if (byte === 0x5b || byte === 0x7b) {
        containers++;
        values++;
        if (++depth > depthMax) {
          containers = Number.POSITIVE_INFINITY;
          break;
        }
      } else if (byte === BRACKETS.close || byte === 0x7d) {
        if (isItem && depth === 0) break;
        depth--;
      } else if (byte === BRACKETS.comma) {
        if (isItem && depth === 0) break;
        values++;
      }
    }
    this.at = at;
    this.containers = containers;
    this.values = values;
  }
}

/** What is wrong with the objects inside a value of `JSON.parse`: too many levels, or keys that may not be. */
function objectsFault(value: unknown, depth: number): string | null {
  if (typeof value !== "object" || value === null) return null;
  if (depth === 0) return "more levels than allowed";
  if (Array.isArray(value)) {
    for (const item of value) {
      const found = objectsFault(item, depth - 1);
      if (found !== null) return found;
    }
    return null;
  }
  for (const [name, item] of Object.entries(value)) {
    if (FORBIDDEN_KEYS.has(name)) return `a key "${name}"`;
    if (name.length > OBJECT_KEY_MAX) return `a key of ${name.length} characters`;
    const found = objectsFault(item, depth - 1);
    if (found !== null) return found;
  }
  return null;
}

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

/* ---------- the codec ---------- */

/** One protocol version's. */
class JsonCodec implements Codec {
  readonly name = "json";
  readonly #tables: FrameTables;
  /** Those of other versions that links have asked for. */
  readonly #others = new Map<number, JsonCodec>();
  readonly #routes = new RouteCache((fields) => JSON.stringify(fields).slice(1));

  constructor(tables: FrameTables) {
    this.#tables = tables;
  }
  get versions(): readonly number[] {
    return this.#tables.versions;
  }
  at(version: number): JsonCodec {
    if (version === this.#tables.version) return this;
    const found = this.#others.get(version) ?? new JsonCodec(this.#tables.at(version));
    this.#others.set(version, found);
    return found;
  }

  encode(frames: readonly Frame[]): Uint8Array {
    return utf8.encode(`[${frames.map((frame) => this.#json(frame)).join(",")}]`);
  }
  #json(given: Frame): string {
    const { trim } = this.#tables;
    const whole = sendable(given);
    const frame = trim === null ? whole : trim(whole);
    if (frame.type === "topic.found") {
      const { route, spec, ...rest } = frame;
      return `${JSON.stringify(rest).slice(0, -1)},${this.#routes.of({ route, spec })}`;
    }
    return JSON.stringify(
      mapBytes(
        frame as unknown as Loose,
        (bytes) => readableList(bytes as Uint8Array),
        (bytes) => readableOne(bytes as Uint8Array),
      ),
    );
  }

  decode(packet: Uint8Array): Frame[] {
    return framesOf(this.#open(packet, false));
  }
  reader(packet: Uint8Array): FrameReader {
    return this.#open(packet, true);
  }
  #open(packet: Uint8Array, isIntake: boolean): FrameReader {
    if (packet[0] !== JSON_FIRST_BYTE)
      throw violation("packet", "", "an array of frames", packet.length === 0 ? "nothing" : "something else");
    return new JsonReader(packet, this.#tables, isIntake);
  }
  refusal(frame: Frame): MessagingError | null {
    return this.#tables.refusal(frame);
  }
}
/** Takes one frame after the other out of the array, so that the text of a packet is never made into values all at once. */
class JsonReader implements FrameReader {
  readonly #packet: Uint8Array;
  readonly #extent: JsonExtent;
  #tables: FrameTables;
  /** A broker reads a client. */
  readonly #isIntake: boolean;
  #left = FRAMES_MAX;
  #isOver = false;
  get done(): boolean {
    return this.#isOver;
  }
  get bytesLeft(): number {
    return this.#packet.length - this.#extent.at;
  }

  constructor(packet: Uint8Array, tables: FrameTables, isIntake: boolean) {
    this.#packet = packet;
    this.#extent = new JsonExtent(packet, 1); // behind the bracket
    this.#tables = tables;
    this.#isIntake = isIntake;
  }
  next(): Frame | null {
    if (this.#isOver) return null;
    const isFirst = this.#left === FRAMES_MAX;
    const text = this.#item();
    if (isFirst && this.#isOver && BLANK.test(text)) return null;
    if (this.#left-- === 0) throw tooManyFrames();
    const value = parsed(text);
    const found = objectsFault(value, DEPTH_MAX - 1);
    if (found !== null) throw violation("packet", "", `at most ${DEPTH_MAX} levels and harmless keys`, found);
    if (this.#isIntake && isLoose(value)) requireReasonable(value);
    const frame = this.#tables.validate(isLoose(value) ? packBytes(value) : value);
    this.#tables = this.#tables.after(frame);
    return frame;
  }
  /** The text of the next item, up to the comma or bracket behind it; behind a bracket nothing may stand. */
  #item(): string {
    const packet = this.#packet;
    const extent = this.#extent;
    const { at: from, containers: containersBefore, values: valuesBefore } = extent;
    extent.skip(true);
    const { at: end, containers, values } = extent;
    if (containers + 1 > CONTAINERS_FREE + packet.length / CONTAINER_BYTES)
      throw violation(
        "packet",
        "",
        `at most ${DEPTH_MAX} levels, and values with something in them`,
        Number.isFinite(containers) ? "too many empty ones" : "more levels",
      );
    if (this.#isIntake) {
      if (values - valuesBefore > INTAKE.jsonValues) throw tooMuch("packet", INTAKE.jsonValues, "values in a frame");
      if (containers - containersBefore > INTAKE.jsonContainers)
        throw tooMuch("packet", INTAKE.jsonContainers, "objects and lists in a frame");
    }
    if (end === packet.length) throw noJson();
    extent.at++;
    if (packet[end] === BRACKETS.close) {
      this.#isOver = true;
      if (!BLANK.test(decoded(packet.subarray(end + 1)))) throw noJson();
    }
    return decoded(packet.subarray(from, end));
  }
}
function requireReasonable(frame: Loose): void {
  const { type, messages } = frame;
  if (typeof type === "string") requireFromClient(type);
  if (Array.isArray(messages) && messages.length > INTAKE.jsonMessages)
    throw tooMuch("batch.append", INTAKE.jsonMessages, "messages");
}
const BLANK = /^[ \t\n\r]*$/;
const noJson = () => violation("packet", "", "JSON in UTF-8", "other bytes");
function decoded(bytes: Uint8Array): string {
  try {
    return text.decode(bytes);
  } catch {
    throw noJson();
  }
}
function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw noJson();
  }
}
/** The frame with bytes where JSON has messages. */
function packBytes(frame: Loose): unknown {
  const type = typeof frame["type"] === "string" ? frame["type"] : "packet";
  return mapBytes(
    frame,
    (value) => packList(type, value),
    (value) => packOne(type, value),
  );
}

/** The JSON codec of all versions there are tables for: the newest one's. */
export const jsonCodecOf = (tables: FrameTables): Codec => new JsonCodec(tables);
/** For people and other languages. Hundreds of times slower than `binaryCodec` (it reads every message), and bodies that are not JSON grow by a third. */
export const jsonCodec: Codec = jsonCodecOf(frameTables);
