import fc from "fast-check";
import { isMessagingError } from "../message/errors.ts";
import { concatBytes, PackedReader, packMessage } from "../message/packed.ts";
import type { Encoding } from "../message/topic.ts";
import { seededRandom } from "../runtime/random.ts";
import { anyFrames, packedFields, readBack } from "./frames.fixture.ts";
import type { AnswerOf, Frame } from "./frames.ts";
import { type Codec, validateFrame } from "./index.ts";
import { QUESTIONS, type QuestionKind } from "./questions.ts";

/** One kind of input: each call of `step` tries one more and throws when the oracle says no. `last` shows the input. */
export interface FuzzTarget {
  step(): void | Promise<void>;
  readonly last: string;
  /** Inputs taken, and inputs refused: a fuzzer that is only ever refused, or never, looks at nothing. */
  readonly taken: number;
  readonly refused: number;
  /** Inputs that did something no earlier one did, shortest for each: worth keeping. */
  readonly corpus: Corpus;
  /** Tries a saved input as it is. */
  replay(saved: string): void | Promise<void>;
}
/**
 * Inputs by what they did. Which frames came out, or which refusal: what has its digits and quoted texts taken out
 * counts as the same.
 */
export class Corpus {
  readonly #byOutcome = new Map<string, string>();
  note(outcome: string, input: () => string): void {
    const known = this.#byOutcome.get(outcome);
    if (known !== undefined && known.length <= SHORT_ENOUGH) return;
    const found = input();
    if (found.length <= SAVED_CHARACTERS_MAX && (known === undefined || found.length < known.length))
      this.#byOutcome.set(outcome, found);
  }
  get outcomes(): ReadonlyMap<string, string> {
    return this.#byOutcome;
  }
}
const SHORT_ENOUGH = 64;
const SAVED_CHARACTERS_MAX = 2_000;
const outcomeOf = (text: string): string =>
  text
    .replace(/"[^"]*"/g, '""')
    .replace(/-?\d+(\.\d+)?(e[+-]?\d+)?/g, "#")
    .slice(0, 100);
export type Random = () => number;

export const below = (random: Random, n: number): number => Math.floor(random() * n);
export const pick = <T>(random: Random, items: readonly T[]): T => items[below(random, items.length)]!;
export const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
export const fromHex = (digits: string): Uint8Array =>
  Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

/* ---------- bytes ---------- */

const INTERESTING = [0, 1, 15, 16, 31, 32, 127, 128, 192, 196, 220, 221, 222, 223, 254, 255];
const TOKENS = [
  ...'[]{},:"0-9e.',
  "null",
  "true",
  "1e999",
  "-0",
  "9007199254740993",
  '"__proto__":{}',
  '"constructor":1',
  "\\u0000",
  "\ud800",
  "[[[[[[[[",
  "{},{},{},{},",
];
const utf8 = new TextEncoder();

export function mutate(random: Random, seed: Uint8Array, other: Uint8Array, isText: boolean): Uint8Array {
  let bytes = [...seed];
  for (let changes = 1 + below(random, 6); changes > 0; changes--) {
    const at = below(random, bytes.length + 1);
    switch (below(random, isText ? 9 : 7)) {
      case 0:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << below(random, 8));
        break;
      case 1:
        bytes[at] = pick(random, INTERESTING);
        break;
      case 2:
        bytes.splice(at, 1 + below(random, 8));
        break;
      case 3:
        bytes.splice(at, 0, ...Array.from({ length: 1 + below(random, 8) }, () => below(random, 256)));
        break;
      case 4: {
        const from = below(random, bytes.length);
        bytes.splice(at, 0, ...bytes.slice(from, from + below(random, 64)));
        break;
      }
      case 5:
        bytes = [...bytes.slice(0, at), ...other.slice(below(random, other.length))];
        break;
      case 6:
        bytes.length = at;
        break;
      default:
        bytes.splice(at, 0, ...utf8.encode(pick(random, TOKENS)));
    }
    if (bytes.length > 65_536) bytes.length = 65_536;
  }
  return Uint8Array.from(bytes, (byte) => byte ?? 0);
}

/** Objects and arrays in a value; its byte strings must lie inside the packet or be no longer than it. */
function containers(value: unknown, bytesMax: number): number {
  if (typeof value !== "object" || value === null) return 0;
  if (value instanceof Uint8Array) {
    if (value.length > bytesMax * 4) throw new Error(`${value.length} bytes out of a packet of ${bytesMax}`);
    return 1;
  }
  return Object.values(value).reduce((sum: number, item) => sum + containers(item, bytesMax), 1);
}

abstract class ByteTarget implements FuzzTarget {
  readonly #random: Random;
  readonly #corpus: Uint8Array[];
  readonly #isText: boolean;
  #packet: Uint8Array = new Uint8Array(0);
  taken = 0;
  refused = 0;
  readonly corpus = new Corpus();
  constructor(seed: number, corpus: readonly Uint8Array[], isText: boolean) {
    this.#random = seededRandom(seed);
    this.#corpus = [...corpus];
    this.#isText = isText;
  }
  get last(): string {
    return hex(this.#packet);
  }
  /** Says what it found in there. */
  abstract read(packet: Uint8Array): string;
  replay(saved: string): void {
    this.try(fromHex(saved));
  }
  /** Takes it or refuses it: anything else comes out. */
  try(packet: Uint8Array): boolean {
    this.#packet = packet;
    try {
      const found = this.read(packet);
      this.taken++;
      this.corpus.note(`taken: ${found}`, () => hex(packet));
      return true;
    } catch (error) {
      if (!isMessagingError(error, "PROTOCOL_VIOLATION")) throw error;
      if (error.message.length > 2_000) throw new Error(`an error text of ${error.message.length} characters`);
      this.refused++;
      this.corpus.note(`refused: ${outcomeOf(error.message)}`, () => hex(packet));
      return false;
    }
  }
  step(): void {
    const random = this.#random;
    const packet = mutate(random, pick(random, this.#corpus), pick(random, this.#corpus), this.#isText);
    // what is still taken after a change is worth changing further
    if (this.try(packet) && packet.length > 0) {
      if (this.#corpus.length < 2_000) this.#corpus.push(packet);
      else this.#corpus[below(random, this.#corpus.length)] = packet;
    }
  }
}

export class CodecTarget extends ByteTarget {
  readonly #codec: Codec;
  constructor(seed: number, codec: Codec, saved: readonly Uint8Array[]) {
    const made = fc.sample(anyFrames, { seed, numRuns: 200 }).map((frames) => codec.encode(frames));
    super(seed, [...saved, ...made], codec.name === "json");
    this.#codec = codec;
  }
  read(packet: Uint8Array): string {
    const frames = this.#codec.decode(packet);
    for (const frame of frames) validateFrame(frame);
    const answered = frames.flatMap((frame) => (frame.type === "answer" ? [this.#answers(frame.answer)] : []));
    if (containers(frames, packet.length) > 1_024 + packet.length) throw new Error("more objects than bytes");
    // what was taken can be sent on, and comes back the same
    const again = this.#codec.decode(this.#codec.encode(frames as readonly Frame[]));
    if (JSON.stringify(again) !== JSON.stringify(frames)) throw new Error("another value after a round trip");
    const kinds = frames.map((frame) => (frame.type === "ask" ? frame.question.kind : frame.type));
    if (answered.length === 1 && kinds.length === 1) return `answer to ${answered[0]}`;
    return kinds.length === 1 ? String(kinds[0]) : `${Math.min(kinds.length, 2)} frames`;
  }
  /** Which questions it answers; what is taken goes on, and comes back the same. */
  #answers(given: unknown): string {
    const kinds = KINDS.filter((kind) => {
      const answer = takenOrNot(() => this.#codec.answerTo(kind, given));
      if (answer === undefined) return false;
      const frame: Frame = { type: "answer", request: 1, kind, answer };
      const [again] = readBack(this.#codec, this.#codec.encode([frame]), [frame]);
      if (JSON.stringify((again as AnswerOf).answer) !== JSON.stringify(answer))
        throw new Error("another answer after a round trip");
      return true;
    });
    return kinds[0] ?? "nothing that is asked";
  }
}
const KINDS = Object.keys(QUESTIONS) as QuestionKind[];
/** What it gives; nothing where the protocol is broken. */
function takenOrNot<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (isMessagingError(error, "PROTOCOL_VIOLATION")) return undefined;
    throw error;
  }
}

export class PackedTarget extends ByteTarget {
  constructor(seed: number, saved: readonly Uint8Array[]) {
    const made = fc.sample(fc.array(packedFields, { minLength: 1, maxLength: 4 }), { seed, numRuns: 200 });
    super(seed, [...saved, ...made.map((batch) => concatBytes(batch.map((fields) => packMessage(fields))))], false);
  }
  read(packet: Uint8Array): string {
    const reader = new PackedReader(packet);
    const kinds = new Set<string>();
    let end = 0;
    while (reader.next()) {
      if (reader.at !== end || reader.end <= reader.at || reader.end > packet.length)
        throw new Error("a message out of place");
      end = reader.end;
      const { key, id, headers, dueMs, body, slot, message: whole } = reader;
      if (body.length > whole.length) throw new Error("a body longer than its message");
      const encoding = encodingOf(reader);
      if (encoding === null) {
        kinds.add("a newer encoding");
        continue;
      }
      packMessage({ key, id, headers, dueMs, encoding, body, slot });
      const fields = Object.entries({ key, id, dueMs }).flatMap(([name, value]) => (value === null ? [] : [name]));
      kinds.add([encoding, ...fields].join("+"));
    }
    return kinds.size > 1 ? "several kinds" : [...kinds].join();
  }
}
/** Null for one of a newer version. */
function encodingOf(reader: PackedReader): Encoding | null {
  try {
    return reader.encoding;
  } catch (error) {
    if (isMessagingError(error, "FORMAT_UNSUPPORTED")) return null;
    throw error;
  }
}
