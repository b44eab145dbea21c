import type { MessagingError } from "../message/errors.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { type Codec, type FrameReader, framesOf } from "./codec.ts";
import type { FrameTables } from "./frame-tables.ts";
import type { Layout } from "./frames/layout.ts";
import { definitionOf, FRAME_TYPES, type Frame, type FrameType, type ReadFrame } from "./frames.ts";
import { INTAKE } from "./intake-limits.ts";
import type { Answers, QuestionKind } from "./questions.ts";
import { RouteCache } from "./route-cache.ts";
import { sendable } from "./sendable.ts";
import { frameTables, requireFromClient } from "./validate-frame.ts";
import { FRAMES_MAX, tooManyFrames, violation } from "./violation.ts";

/**
 * A packet is the byte 0x53 and then frames end to end. A frame is its code (one byte) and its fields in the order of
 * its layout, or the code 0 and, with its length in front, the whole frame as one MessagePack map (`type` among its
 * keys); any frame may be sent that way, the rare ones always are.
 *
 *     0x53 | code  fields … | code  fields … | 0  length  { type: "hello", … } | …
 */
export const BINARY_MAGIC = 0x53;
const AS_MAP = 0;

/** Layouts by the type of their frame. */
export type Layouts = Readonly<Record<string, Layout<Frame>>>;
/** Those of the frames that come with messages, or often. */
export const LAYOUTS: Layouts = Object.fromEntries(
  FRAME_TYPES.flatMap((type) => {
    const { layout } = definitionOf(type);
    return layout === undefined ? [] : [[type, layout]];
  }),
);

/**
 * One writer serves all packets; taken while in use, in case that a property of user data encodes a packet of its own.
 */
let idle: ByteWriter | null = null;

/** One protocol version's. */
class BinaryCodec implements Codec {
  readonly name = "binary";
  readonly #tables: FrameTables;
  readonly #all: Map<number, BinaryCodec>;
  /** Layouts of this version by the frames' types, and by their codes with the type. */
  readonly #layouts = new Map<FrameType, Layout<Frame>>();
  readonly #byCode: (readonly [type: FrameType, layout: Layout<Frame>] | undefined)[] = [];

  readonly #routes = new RouteCache((fields) => ByteWriter.fields(fields));

  constructor(tables: FrameTables, layouts: Layouts, all: Map<number, BinaryCodec>) {
    this.#tables = tables;
    this.#all = all;
    for (const [type, layout] of Object.entries(layouts) as [FrameType, Layout<Frame>][]) {
      if (tables.newestIn(type) > (layout.upTo ?? 1)) continue;
      this.#layouts.set(type, layout);
      this.#byCode[layout.code] = [type, layout];
    }
  }
  get versions(): readonly number[] {
    return this.#tables.versions;
  }
  at(version: number): BinaryCodec {
    return this.#all.get(this.#tables.at(version).version) as BinaryCodec;
  }

  encode(frames: readonly Frame[]): Uint8Array {
    const to = idle ?? new ByteWriter();
    const { trim, version } = this.#tables;
    idle = null;
    try {
      to.byte(BINARY_MAGIC);
      for (const given of frames) {
        const whole = sendable(given);
        const frame = trim === null ? whole : trim(whole);
        const layout = this.#layouts.get(frame.type);
        if (frame.type === "topic.found") {
          const { route, spec, ...rest } = frame;
          to.byte(AS_MAP);
          to.mapWithLength(rest, this.#routes.of({ route, spec }));
        } else if (layout === undefined) {
          to.byte(AS_MAP);
          to.plainWithLength(frame.type === "answer" ? this.#tables.sent(frame) : frame);
        } else {
          to.byte(layout.code);
          layout.write(to, frame, version);
        }
      }
      return to.finish();
    } finally {
      to.clear();
      idle = to;
    }
  }

  decode(packet: Uint8Array): ReadFrame[] {
    return framesOf(this.#open(packet, false));
  }
  reader(packet: Uint8Array): FrameReader {
    return this.#open(packet, true) as FrameReader<ReadFrame> as FrameReader; // it refuses what only brokers send
  }
  #open(packet: Uint8Array, isIntake: boolean): FrameReader<ReadFrame> {
    const from = new ByteReader(packet);
    const magic = from.byte();
    if (magic !== BINARY_MAGIC) throw violation("packet", "", "0x53 as the first byte", `0x${magic.toString(16)}`);
    return new BinaryReader(from, this, isIntake);
  }
  /** One frame, and the codec that those behind it are read with. */
  read(from: ByteReader, reader: BinaryReader): ReadFrame {
    from.frame = "packet";
    const code = from.byte();
    const hot = this.#byCode[code];
    if (hot !== undefined) {
      const [type, layout] = hot;
      from.frame = type;
      if (reader.isIntake) requireFromClient(type);
      const frame = layout.read(from, this.#tables.version);
      return layout.isSound?.(frame) === true ? frame : this.#tables.validate(frame);
    }
    if (code !== AS_MAP)
      throw violation("packet", "", `a frame code from 0 to ${this.#byCode.length - 1}`, String(code));
    if (reader.isIntake) from.valuesLeft = INTAKE.plainValues;
    const frame = this.#tables.validate(from.plainWithLength());
    if (reader.isIntake) requireFromClient(frame.type);
    const next = this.#tables.after(frame);
    if (next !== this.#tables) reader.codec = this.at(next.version);
    return frame;
  }
  answerTo<Kind extends QuestionKind>(kind: Kind, answer: unknown): Answers[Kind] {
    return this.#tables.answerTo(kind, answer);
  }
  refusal(frame: Frame): MessagingError | null {
    return this.#tables.refusal(frame);
  }
}

class BinaryReader implements FrameReader<ReadFrame> {
  readonly #from: ByteReader;
  codec: BinaryCodec;
  /** A broker reads a client. */
  readonly isIntake: boolean;
  #left = FRAMES_MAX;

  constructor(from: ByteReader, codec: BinaryCodec, isIntake: boolean) {
    this.#from = from;
    this.codec = codec;
    this.isIntake = isIntake;
  }
  get done(): boolean {
    return this.#from.done;
  }
  get bytesLeft(): number {
    return this.#from.left;
  }
  next(): ReadFrame | null {
    if (this.#from.done) return null;
    if (this.#left-- === 0) throw tooManyFrames();
    return this.codec.read(this.#from, this);
  }
}

/** The binary codec of all versions there are tables for: the newest one's. */
export function binaryCodecOf(tables: FrameTables, layouts: Layouts = LAYOUTS): Codec {
  const all = new Map<number, BinaryCodec>();
  for (const version of tables.versions) all.set(version, new BinaryCodec(tables.at(version), layouts, all));
  return all.get(tables.version) as BinaryCodec;
}
/** The default. Message bytes are opaque to it: they are copied once to be sent, and never when received. */
export const binaryCodec: Codec = binaryCodecOf(frameTables);
