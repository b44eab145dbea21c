import fc from "fast-check";
import { BrokerBench, type TestClient } from "../broker/broker.fixture.ts";
import { epoch, sequence } from "../message/brands.ts";
import { isMessagingError } from "../message/errors.ts";
import { concatBytes, PackedReader, packMessage } from "../message/packed.ts";
import { topicSpec } from "../message/topic.ts";
import { message } from "../queue/queue.fixture.ts";
import { seededRandom } from "../testing/random.ts";
import { BINARY_MAGIC } from "./binary-codec.ts";
import { anyFrame, anyFrames, packedFields } from "./frames.fixture.ts";
import type { ClientFrame, Frame } from "./frames.ts";
import { binaryCodec, type Codec, jsonCodec, validateFrame } from "./index.ts";
import { ByteWriter } from "./wire-bytes.ts";

/** One kind of input: each call of `step` tries one more and throws when the oracle says no. `last` shows the input. */
export interface FuzzTarget {
  step(): void | Promise<void>;
  readonly last: string;
  /** Inputs taken, and inputs refused: a fuzzer that is only ever refused, or never, looks at nothing. */
  readonly taken: number;
  readonly refused: number;
}
type Random = () => number;

const below = (random: Random, n: number): number => Math.floor(random() * n);
const pick = <T>(random: Random, items: readonly T[]): T => items[below(random, items.length)]!;
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
  constructor(seed: number, corpus: readonly Uint8Array[], isText: boolean) {
    this.#random = seededRandom(seed);
    this.#corpus = [...corpus];
    this.#isText = isText;
  }
  get last(): string {
    return hex(this.#packet);
  }
  abstract read(packet: Uint8Array): void;
  /** Takes it or refuses it: anything else comes out. */
  try(packet: Uint8Array): boolean {
    this.#packet = packet;
    try {
      this.read(packet);
      this.taken++;
      return true;
    } catch (error) {
      if (!isMessagingError(error, "PROTOCOL_VIOLATION")) throw error;
      if (error.message.length > 2_000) throw new Error(`an error text of ${error.message.length} characters`);
      this.refused++;
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

class CodecTarget extends ByteTarget {
  readonly #codec: Codec;
  constructor(seed: number, codec: Codec, saved: readonly Uint8Array[]) {
    const made = fc.sample(anyFrames, { seed, numRuns: 200 }).map((frames) => codec.encode(frames));
    super(seed, [...saved, ...made], codec.name === "json");
    this.#codec = codec;
  }
  read(packet: Uint8Array): void {
    const frames = this.#codec.decode(packet);
    for (const frame of frames) validateFrame(frame);
    if (containers(frames, packet.length) > 1_024 + packet.length) throw new Error("more objects than bytes");
    // what was taken can be sent on, and comes back the same
    const again = this.#codec.decode(this.#codec.encode(frames));
    if (JSON.stringify(again) !== JSON.stringify(frames)) throw new Error("another value after a round trip");
  }
}

class PackedTarget extends ByteTarget {
  constructor(seed: number, saved: readonly Uint8Array[]) {
    const made = fc.sample(fc.array(packedFields, { minLength: 1, maxLength: 4 }), { seed, numRuns: 200 });
    super(seed, [...saved, ...made.map((batch) => concatBytes(batch.map((fields) => packMessage(fields))))], false);
  }
  read(packet: Uint8Array): void {
    const reader = new PackedReader(packet);
    let end = 0;
    while (reader.next()) {
      if (reader.at !== end || reader.end <= reader.at || reader.end > packet.length)
        throw new Error("a message out of place");
      end = reader.end;
      const { key, id, headers, dueMs, encoding, body, slot, message: whole } = reader;
      if (body.length > whole.length) throw new Error("a body longer than its message");
      packMessage({ key, id, headers, dueMs, encoding, body, slot });
    }
  }
}

/* ---------- sequences of frames ---------- */

const SETTINGS = { exhausted: "park", attempts: 3, startAt: "earliest" } as const;
const NOTHING = { ranges: [], redriven: [], tried: [], redrivenTried: [] };
const ODD = [
  0,
  1,
  2,
  7,
  -1,
  1.5,
  2 ** 31,
  2 ** 32,
  2 ** 53 - 1,
  Number.NaN,
  "",
  "t",
  "x".repeat(200),
  null,
  true,
  [],
  {},
];
/** Sequences until the broker is renewed: what attackers leave behind is theirs to fill. */
const RENEWED_AFTER = 400;

/** A link says hello and then a legal course of frames, but for some that are left out, repeated, swapped, changed or foreign. Another client's work goes on. */
class SessionTarget implements FuzzTarget {
  readonly #random: Random;
  readonly #foreign: readonly Frame[];
  #bench: BrokerBench | null = null;
  #good: TestClient | null = null;
  #sequences = 0;
  #appended = 0;
  #epochs = { lane: epoch(0), lease: epoch(0) };
  #said: unknown[] = [];
  taken = 0;
  refused = 0;
  constructor(seed: number) {
    this.#random = seededRandom(seed);
    const clients = new Set([
      "lease.acquire",
      "lease.release",
      "settle",
      "credit",
      "aside.put",
      "ask",
      "heartbeat",
      "lane.open",
    ]);
    const all = fc.sample(anyFrame, { seed, numRuns: 2_000 });
    this.#foreign = [...all.filter(({ type }) => clients.has(type)), ...all.slice(0, 100)];
  }
  get last(): string {
    return JSON.stringify(this.#said, (_name, value) => (value instanceof Uint8Array ? hex(value) : value));
  }
  async step(): Promise<void> {
    if (this.#sequences++ % RENEWED_AFTER === 0) await this.#renew();
    const bench = this.#bench as BrokerBench;
    this.#said = [];
    const client = bench.dial("mallory");
    const course = this.#course();
    for (const make of course) {
      if (client.link.end !== null) break;
      const frame = this.#changed(make(client) as unknown as Record<string, unknown>);
      const to = new ByteWriter();
      to.byte(BINARY_MAGIC);
      to.byte(0); // any frame may come as a map
      try {
        to.plainWithLength(frame);
      } catch (error) {
        if (isMessagingError(error, "PROTOCOL_VIOLATION")) continue; // cannot even be written
        throw error;
      }
      this.#said.push(frame);
      client.link.send(to.finish());
      if (this.#random() < 0.7) await bench.runtime.settle();
    }
    await bench.runtime.settle();
    if (client.link.end === null) this.taken++;
    else {
      this.refused++;
      const { code } = client.link.end;
      if (code !== "violation" && code !== "normal") throw new Error(`the link ended as ${code}`);
    }
    if (this.#random() < 0.5) client.link.abort();
    else client.link.close("normal");
    if (this.#random() < 0.1) await bench.runtime.advance(500);
    await this.#goodWorks(bench);
  }
  #course(): ((client: TestClient) => object)[] {
    const random = this.#random;
    const queue = below(random, 2);
    const given = (client: TestClient, type: "lane.opened" | "lease.granted") => client.all(type).at(-1)?.epoch ?? 1;
    const at = (client: TestClient) => ({ member: 1, queue, epoch: given(client, "lease.granted") });
    const instance = `i${below(random, 50)}`;
    const error = { name: "E", message: "m", code: null };
    const lane = { lane: 1, topic: "t", queue, producer: `p${below(random, 5)}`, routeVersion: 1 };
    const course: ((client: TestClient) => object)[] = [
      () => ({ type: "hello", versions: [1], instance, link: this.#sequences, client: "m" }),
      () => ({ type: "topic.find", request: 1, topic: "t" }),
      () => ({ type: "lane.open", request: 2, ...lane, epoch: null }),
      ...[0, 1, 2].map((n) => (client: TestClient) => ({
        type: "batch.append",
        lane: 1,
        epoch: given(client, "lane.opened"),
        sequence: (client.all("lane.opened").at(-1)?.expected ?? 0) + n,
        count: 1,
        durability: "memory",
        messages: message("k"),
      })),
      () => ({
        type: "member.join",
        request: 3,
        member: 1,
        topic: "t",
        group: pick(random, ["g", "h"]),
        name: `m${below(random, 3)}`,
        settings: SETTINGS,
        concurrency: 1,
        leaseTtlMs: 10_000,
        revokeTimeoutMs: 2_000,
        allocation: "sticky",
        invisibleMs: 5_000,
        retry: { initialMs: 100, factor: 2, maxMs: 1_000, jitter: 0 },
      }),
      () => ({ type: "lease.acquire", request: 4, member: 1, queue, resume: null }),
      (client) => ({ type: "credit", ...at(client), messages: 10, bytes: 10_000 }),
      (client) => ({ type: "settle", ...at(client), settle: 0, settlement: { ...NOTHING, ranges: [[0, 1]] } }),
      (client) => ({
        type: "settle",
        ...at(client),
        settle: 1,
        settlement: { ranges: [], redriven: [{ strand: 1, offset: 0 }], tried: [[1, 2]], redrivenTried: [] },
      }),
      (client) => {
        const put = {
          kind: pick(random, ["park", "dead-letter", "halt"] as const),
          offset: 1,
          key: "k",
          redriven: null,
        };
        return { type: "aside.put", request: 5, ...at(client), ...put, attempts: 3, error };
      },
      (client) => ({ type: "heartbeat", beat: 1, grantsSeen: 1, leases: [at(client)] }),
      (client) => ({ type: "lease.raise", request: 6, ...at(client) }),
      (client) => {
        const epochSeen = given(client, "lease.granted");
        const resume = {
          epoch: epochSeen,
          settle: NOTHING,
          inHand: [[0, 2]],
          redrivenInHand: [{ strand: 1, offset: 1 }],
        };
        return { type: "lease.acquire", request: 7, member: 1, queue, resume };
      },
      () => ({ type: "ask", request: 8, question: { kind: "account", topic: "t", group: "g" } }),
      () => ({ type: "ask", request: 9, question: { kind: "explain", topic: "t", key: "k" } }),
      () => ({
        type: "ask",
        request: 10,
        question: { kind: "aside.redrive", topic: "t", group: "g", key: "k", reason: "r" },
      }),
      (client) => ({ type: "lease.release", request: 11, ...at(client), settle: { ...NOTHING, ranges: [[0, 3]] } }),
      () => ({ type: "member.leave", member: 1 }),
      () => ({ type: "lane.close", lane: 1 }),
    ];
    for (let changes = below(random, 4); changes > 0; changes--) {
      const place = 1 + below(random, course.length - 1);
      const one = course[place]!;
      switch (below(random, 4)) {
        case 0:
          course.splice(place, 1);
          break;
        case 1:
          course.splice(1 + below(random, course.length), 0, one, one);
          break;
        case 2: {
          const other = 1 + below(random, course.length - 1);
          course[place] = course[other]!;
          course[other] = one;
          break;
        }
        default:
          course.splice(place, 0, () => pick(random, this.#foreign));
      }
    }
    return course;
  }
  /** Now and then one field of a frame, at any depth, becomes something else. */
  #changed(frame: Record<string, unknown>): Record<string, unknown> {
    const random = this.#random;
    if (frame["type"] === "hello" ? random() < 0.995 : random() < 0.97) return frame;
    const copy = structuredClone(frame);
    let place: Record<string, unknown> = copy;
    for (;;) {
      const name = pick(random, Object.keys(place));
      const value = place[name];
      if (typeof value === "object" && value !== null && Object.keys(value).length > 0 && random() < 0.7) {
        if (value instanceof Uint8Array) place[name] = mutate(random, value, value, false);
        else {
          place = value as Record<string, unknown>;
          continue;
        }
      } else
        place[name] =
          typeof value === "number" && random() < 0.5 ? value + pick(random, [-1, 1, 5]) : pick(random, ODD);
      return copy;
    }
  }
  async #renew(): Promise<void> {
    await this.#bench?.broker.close();
    const topics = [topicSpec({ name: "t", queues: 2 }), topicSpec({ name: "good", queues: 1 })];
    const bench = await BrokerBench.start({
      topics,
      authorize: (right, who) => who === "good" || right.topic !== "good",
    });
    this.#bench = bench;
    this.#appended = 0;
    const good = await bench.client("good", 1, "good");
    this.#good = good;
    await good.join("good", { topic: "good", leaseTtlMs: 60_000 });
    await good.acquire(0);
    const lane = { lane: 1, topic: "good", queue: 0, producer: "good", epoch: null, routeVersion: 1 };
    await good.say({ type: "lane.open", request: good.next(), ...lane });
    this.#epochs = { lane: good.last("lane.opened").epoch, lease: good.last("lease.granted").epoch };
  }
  /** One more message of the good client: appended, delivered and settled at once, in its place. */
  async #goodWorks(bench: BrokerBench): Promise<void> {
    const good = this.#good as TestClient;
    const n = this.#appended++;
    good.frames.length = 0;
    const { lane, lease } = this.#epochs;
    const at = { member: 1, queue: 0, epoch: lease };
    const said: ClientFrame[] = [
      { type: "credit", ...at, messages: n + 10, bytes: 1e9 },
      { type: "heartbeat", beat: n, grantsSeen: 1, leases: [at] },
      {
        type: "batch.append",
        lane: 1,
        epoch: lane,
        sequence: sequence(n),
        count: 1,
        durability: "memory",
        messages: message("k"),
      },
    ];
    await good.say(...said);
    const appended = good.last("batch.appended").runs[0]?.offset;
    const delivered = good.last("deliver").batches[0]?.offset;
    await good.say({ type: "settle", ...at, settle: n, settlement: { ...NOTHING, ranges: [[n, n + 1]] } });
    const settled = good.last("settled").settle;
    if (appended !== n || delivered !== n || settled !== n || good.link.end !== null)
      throw new Error(
        `the good client's message ${n}: appended ${appended}, delivered ${delivered}, settled ${settled}`,
      );
    if (bench.broker.address === "") throw new Error("the broker has closed");
  }
}

export const FUZZ_TARGETS = ["binary", "json", "packed", "session"] as const;
export type FuzzTargetName = (typeof FUZZ_TARGETS)[number];
export function fuzzTarget(name: FuzzTargetName, seed: number, saved: readonly Uint8Array[]): FuzzTarget {
  if (name === "session") return new SessionTarget(seed);
  if (name === "packed") return new PackedTarget(seed, saved);
  return new CodecTarget(seed, name === "json" ? jsonCodec : binaryCodec, saved);
}
