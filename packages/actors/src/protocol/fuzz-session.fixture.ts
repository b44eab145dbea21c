import fc from "fast-check";
import { BrokerBench, type TestClient } from "../broker/broker.fixture.ts";
import { epoch, sequence } from "../message/brands.ts";
import { isMessagingError } from "../message/errors.ts";
import { topicSpec } from "../message/topic.ts";
import { message } from "../queue/queue.fixture.ts";
import { seededRandom } from "../runtime/random.ts";
import { BINARY_MAGIC } from "./binary-codec.ts";
import { ByteWriter } from "./byte-writer.ts";
import { anyFrame } from "./frames.fixture.ts";
import type { ClientFrame, Frame } from "./frames.ts";
import { BULK_SLICE_FRAMES, sendBulk } from "./fuzz-bulk.fixture.ts";
import { below, Corpus, type FuzzTarget, fromHex, hex, mutate, pick, type Random } from "./fuzz-bytes.fixture.ts";
import { legalCourse, type Make, NOTHING } from "./fuzz-course.fixture.ts";
import { frameTables } from "./validate-frame.ts";
import { PROTOCOL_VERSIONS } from "./version.ts";

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
/** Sequences that are many frames at once. */
const BULK_SHARE = 0.02;

/**
 * A link says hello and then a legal course of frames, but for some that are left out, repeated, swapped, changed or
 * foreign. Another client's work goes on.
 */
export class SessionTarget implements FuzzTarget {
  readonly #random: Random;
  readonly #foreign: readonly Frame[];
  readonly #saved: readonly string[];
  #bench: BrokerBench | null = null;
  #good: TestClient | null = null;
  #sequences = 0;
  #appended = 0;
  #epochs = { lane: epoch(0), lease: epoch(0) };
  #said: unknown[] = [];
  /** The packets of `#said`, in hexadecimal. */
  #packets: string[] = [];
  /** What the link of this sequence speaks. */
  #version = 1;
  taken = 0;
  refused = 0;
  readonly corpus = new Corpus();
  constructor(seed: number, saved: readonly string[]) {
    this.#random = seededRandom(seed);
    this.#saved = saved;
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
    const said = JSON.stringify(this.#said, (_name, value) => (value instanceof Uint8Array ? hex(value) : value));
    return `${said}\nto save: ${this.#packets.join(" ")}`;
  }
  async step(): Promise<void> {
    if (this.#sequences++ % RENEWED_AFTER === 0) await this.#renew();
    const bench = this.#bench as BrokerBench;
    this.#said = [];
    this.#packets = [];
    if (this.#saved.length > 0 && this.#random() < 0.1) {
      await this.#sendSaved(bench, this.#shuffled(pick(this.#random, this.#saved).split(" ")));
      return;
    }
    if (this.#random() < BULK_SHARE) {
      this.#said.push(await sendBulk(bench, this.#random));
      this.taken++;
      await this.#goodWorks(bench);
      return;
    }
    const client = bench.dial("mallory");
    const course = this.#course();
    for (const make of course) {
      if (client.link.end !== null) break;
      const spoken = this.#spoken(make(client) as Frame);
      if (spoken === null) continue;
      const frame = this.#changed(spoken as unknown as Record<string, unknown>);
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
      const packet = to.finish();
      this.#packets.push(hex(packet));
      client.link.send(packet);
      if (this.#random() < 0.7) await bench.runtime.settle();
    }
    await bench.runtime.settle();
    await this.#look(bench, client);
  }
  /** As the link's version has it; `null` for what came later. */
  #spoken(frame: Frame): Frame | null {
    const tables = frameTables.at(this.#version);
    return tables.refusal(frame) === null ? (tables.trim?.(frame) ?? frame) : null;
  }
  /** A saved sequence, on a broker of its own. */
  async replay(saved: string): Promise<void> {
    await this.#renew();
    this.#packets = [];
    await this.#sendSaved(this.#bench as BrokerBench, saved.split(" "));
  }
  async #sendSaved(bench: BrokerBench, packets: readonly string[]): Promise<void> {
    const client = bench.dial("mallory");
    for (const packet of packets) {
      if (client.link.end !== null) break;
      this.#packets.push(packet);
      client.link.send(fromHex(packet));
      await bench.runtime.settle();
    }
    await this.#look(bench, client);
  }
  /** The hello stays; the rest may lack one, repeat one, come in another order, or have one changed. */
  #shuffled([hello = "", ...rest]: readonly string[]): string[] {
    const random = this.#random;
    const place = below(random, rest.length);
    const one = rest[place];
    if (one === undefined) return [hello];
    const change = below(random, 4);
    if (change === 0) rest.splice(place, 1);
    else if (change === 1) rest.splice(below(random, rest.length), 0, one);
    else if (change === 2) rest[place] = hex(mutate(random, fromHex(one), fromHex(pick(random, rest)), false));
    else rest.push(...rest.splice(0, place));
    return [hello, ...rest];
  }
  /** What came of a sequence; then the link ends, and the good client works on. */
  async #look(bench: BrokerBench, client: TestClient): Promise<void> {
    const answers = client.frames.map((frame) => {
      const error = "error" in frame ? (frame.error as { readonly code: string } | null) : null;
      return error === null ? frame.type : `${frame.type} ${error.code}`;
    });
    for (const answer of new Set(answers)) this.corpus.note(answer, () => this.#packets.join(" "));
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
  #course(): Make[] {
    const random = this.#random;
    this.#version = pick(random, PROTOCOL_VERSIONS);
    const course = legalCourse(random, this.#sequences, this.#version);
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
      sliceFrames: BULK_SLICE_FRAMES,
      authorize: (right, who) => who === "good" || (who !== "stranger" && right.topic !== "good"),
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
