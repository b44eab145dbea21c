import type { MessagingError } from "../message/errors.ts";
import { type Codec, type FrameReader, framesOf } from "./codec.ts";
import type { FrameTables } from "./frame-tables.ts";
import type { Frame, ReadFrame } from "./frames.ts";
import { INTAKE, tooMuch } from "./intake-limits.ts";
import { asJson, fromJson } from "./json-messages.ts";
import { BRACKETS, CONTAINER_BYTES, CONTAINERS_FREE, JsonExtent, objectsFault } from "./json-text.ts";
import { type MapPacked, type PackedAs, packedIn } from "./packed-fields.ts";
import { type Answers, QUESTIONS, type QuestionKind } from "./questions.ts";
import { RouteCache } from "./route-cache.ts";
import { sendable } from "./sendable.ts";
import { frameTables, requireFromClient } from "./validate-frame.ts";
import { DEPTH_MAX, FRAMES_MAX, tooManyFrames, violation } from "./violation.ts";

/**
 * A packet is a JSON array of frames, for a browser's network tab and for other languages. Where a frame holds packed
 * messages, JSON has an array of readable ones (one of them, where the frame holds one message), or base64 of the
 * packed bytes.
 *
 *     [ { "type": "batch.append", …, "messages": [ { "key": "k", "encoding": "json", "body": 1 } ] }, … ]
 */
export const JSON_FIRST_BYTE = 0x5b;

const utf8 = new TextEncoder();
const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

type Loose = Readonly<Record<string, unknown>>;
const isLoose = (value: unknown): value is Loose =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Where answers have packed messages, by the kind of their question. */
const IN_ANSWERS = new Map(
  Object.values(QUESTIONS).map(({ kind, answer }) => [kind as QuestionKind, packedIn(answer)]),
);
const mapped = (value: unknown, map: MapPacked | null | undefined, as: PackedAs): unknown => map?.(value, as) ?? value;

/** One protocol version's. */
class JsonCodec implements Codec {
  readonly name = "json";
  readonly #tables: FrameTables;
  /** Those of other versions that links have asked for. */
  readonly #others = new Map<number, JsonCodec>();
  readonly #routes = new RouteCache((fields) => JSON.stringify(fields).slice(1));

  /** Where its frames have packed messages. */
  readonly #packed: MapPacked | null;

  constructor(tables: FrameTables) {
    this.#tables = tables;
    this.#packed = packedIn(tables.check);
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
    if (frame.type !== "answer") return JSON.stringify(mapped(frame, this.#packed, asJson));
    const sent = this.#tables.sent(frame);
    return JSON.stringify({ ...sent, answer: mapped(sent.answer, IN_ANSWERS.get(frame.kind), asJson) });
  }

  decode(packet: Uint8Array): ReadFrame[] {
    return framesOf(this.#open(packet, false));
  }
  reader(packet: Uint8Array): FrameReader {
    return this.#open(packet, true) as FrameReader<ReadFrame> as FrameReader; // it refuses what only brokers send
  }
  #open(packet: Uint8Array, isIntake: boolean): FrameReader<ReadFrame> {
    if (packet[0] !== JSON_FIRST_BYTE)
      throw violation("packet", "", "an array of frames", packet.length === 0 ? "nothing" : "something else");
    return new JsonReader(packet, this.#tables, this.#packed, isIntake);
  }
  answerTo<Kind extends QuestionKind>(kind: Kind, answer: unknown): Answers[Kind] {
    return this.#tables.answerTo(kind, mapped(answer, IN_ANSWERS.get(kind), fromJson("answer")));
  }
  refusal(frame: Frame): MessagingError | null {
    return this.#tables.refusal(frame);
  }
}
/**
 * Takes one frame after the other out of the array, so that the text of a packet is never made into values all at
 * once.
 */
class JsonReader implements FrameReader<ReadFrame> {
  readonly #packet: Uint8Array;
  readonly #extent: JsonExtent;
  #tables: FrameTables;
  readonly #packed: MapPacked | null;
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

  constructor(packet: Uint8Array, tables: FrameTables, packed: MapPacked | null, isIntake: boolean) {
    this.#packed = packed;
    this.#packet = packet;
    this.#extent = new JsonExtent(packet, 1); // behind the bracket
    this.#tables = tables;
    this.#isIntake = isIntake;
  }
  next(): ReadFrame | null {
    if (this.#isOver) return null;
    const isFirst = this.#left === FRAMES_MAX;
    const text = this.#item();
    if (isFirst && this.#isOver && BLANK.test(text)) return null;
    if (this.#left-- === 0) throw tooManyFrames();
    const value = parsed(text);
    const found = objectsFault(value, DEPTH_MAX - 1);
    if (found !== null) throw violation("packet", "", `at most ${DEPTH_MAX} levels and harmless keys`, found);
    if (this.#isIntake && isLoose(value)) requireReasonable(value);
    const frame = this.#tables.validate(this.#withBytes(value));
    this.#tables = this.#tables.after(frame);
    return frame;
  }
  /** The frame with bytes where JSON has messages. */
  #withBytes(value: unknown): unknown {
    if (!isLoose(value)) return value;
    const { type } = value;
    return mapped(value, this.#packed, fromJson(typeof type === "string" ? type : "packet"));
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

/** The JSON codec of all versions there are tables for: the newest one's. */
export const jsonCodecOf = (tables: FrameTables): Codec => new JsonCodec(tables);
/**
 * For people and other languages. Hundreds of times slower than `binaryCodec` (it reads every message), and bodies
 * that are not JSON grow by a third.
 */
export const jsonCodec: Codec = jsonCodecOf(frameTables);
