// A broker with somebody who has done everything once, and every frame and question that a client can send, where it
// does something: for tests of what goes wrong at any of them.
import { expect, vi } from "vitest";
import { type Epoch, epoch, offset, sequence } from "../message/brands.ts";
import { concatBytes } from "../message/packed.ts";
import { SLOTS, slotOf } from "../message/route.ts";
import { topicSpec } from "../message/topic.ts";
import { INJECTED } from "../protocol/faulty-frame.fixture.ts";
import type { ClientFrame, Settlement } from "../protocol/frames.ts";
import { binaryCodec, type Codec } from "../protocol/index.ts";
import { EXAMPLES, OF } from "../protocol/questions/examples.fixture.ts";
import type { Question, QuestionKind } from "../protocol/questions.ts";
import { PROTOCOL_VERSIONS } from "../protocol/version.ts";
import { message } from "../queue/queue.fixture.ts";
import { type BenchOptions, BrokerBench, type TestClient } from "./broker.fixture.ts";

/** Keys of queue 0. */
export const [K, L] = [..."abcdefghijklmnop"].filter((key) => slotOf(key) < SLOTS / 2) as [string, string];
export const settlement = (more: Partial<Settlement> = {}): Settlement => ({
  ranges: [],
  redriven: [],
  tried: [],
  redrivenTried: [],
  ...more,
});
const failure = { name: "Error", message: "boom", code: null };

/** Questions that a link may ask at once: few enough for a test to ask more. */
export const QUESTIONS_AT_ONCE = 500;

/** A broker with somebody who has done everything once, and somebody else who must not notice. */
export class Scene {
  readonly bench: BrokerBench;
  readonly victim: TestClient;
  readonly other: TestClient;
  /** Of the lease of queue 0. */
  readonly epoch: Epoch;
  readonly laneEpoch: Epoch;
  /** Names under which nobody may consume any more. */
  readonly revoked: Set<string | null>;
  private constructor(bench: BrokerBench, victim: TestClient, other: TestClient, revoked: Set<string | null>) {
    this.bench = bench;
    this.revoked = revoked;
    this.victim = victim;
    this.other = other;
    this.epoch = victim.last("lease.granted").epoch;
    this.laneEpoch = victim.last("lane.opened").epoch;
  }
  static async set(options: BenchOptions = {}, codec: Codec = binaryCodec): Promise<Scene> {
    const unordered = topicSpec({ name: "u", queues: 1, ordered: false });
    const revoked = new Set<string | null>();
    const bench = await BrokerBench.start({
      topics: [topicSpec({ name: "t", queues: 2 }), unordered],
      authorize: (right) => right.verb !== "consume" || !revoked.has(right.consumer),
      settings: { questionsPerSecondMax: QUESTIONS_AT_ONCE / 10 },
      ...options,
    });
    const other = await bench.client("other");
    const victim = await bench.client("victim", 1, "somebody", null, codec);
    await victim.join("one");
    await victim.produce([K, K, L], 0);
    await bench.runtime.advance(1);
    await victim.acquire(1);
    await victim.acquire(0);
    const scene = new Scene(bench, victim, other, revoked);
    await victim.say({ type: "credit", member: 1, queue: 0, epoch: scene.epoch, messages: 100, bytes: 1e6 });
    expect(victim.last("deliver").batches).toHaveLength(1);
    return scene;
  }
  get lease() {
    return { member: 1, queue: 0, epoch: this.epoch };
  }
  get put() {
    const what = { kind: "park", offset: offset(0), key: K, redriven: null, attempts: 3, error: failure } as const;
    return { type: "aside.put", request: this.victim.next(), ...this.lease, ...what } as const;
  }
  async park(): Promise<void> {
    await this.victim.say(this.put);
    expect(this.victim.last("aside.done").offsets).toEqual([0, 1]);
  }
  batch(more: Partial<Extract<ClientFrame, { type: "batch.append" }>> = {}): ClientFrame {
    const what = { lane: 1, epoch: this.laneEpoch, sequence: sequence(3), count: 1, durability: "memory" } as const;
    return { type: "batch.append", ...what, messages: concatBytes([message(K)]), ...more };
  }
  ask(question: Question): ClientFrame {
    return { type: "ask", request: this.victim.next(), question };
  }
  async shared(): Promise<void> {
    const { victim } = this;
    await victim.join("many", {
      member: 2,
      topic: "u",
      settings: { exhausted: "dead-letter", attempts: 3, startAt: "earliest" },
    });
    const lane = {
      type: "lane.open",
      lane: 5,
      topic: "u",
      queue: 0,
      producer: "p",
      epoch: null,
      routeVersion: 1,
    } as const;
    await victim.say({ ...lane, request: victim.next() });
    const { epoch } = victim.last("lane.opened");
    await victim.say(this.batch({ lane: 5, epoch, sequence: sequence(0), messages: concatBytes([message(null)]) }));
    await victim.say({ type: "credit", member: 2, queue: 0, epoch: 0 as Epoch, messages: 10, bytes: 1e6 });
    expect(victim.last("deliver").member).toBe(2);
  }

  /** What ended the link is told to nobody but the log; everybody else goes on, and so does the queue. */
  async mustBeContained(doing: string, victim = this.victim): Promise<void> {
    const { bench, other } = this;
    await bench.runtime.settle();
    expect(victim.link.end).toMatchObject({ code: "internal" });
    const line = bench.entries.find(({ data }) => data["code"] === "INTERNAL");
    expect(line).toMatchObject({ level: "error", data: { error: `TypeError: ${INJECTED}` } });
    expect(line?.data["stack"]).toContain("faulty");
    if (doing !== "member.join" || line?.text.includes("dealing out") !== true) expect(line?.text).toContain(doing);
    const { reference } = line?.data ?? {};
    expect(victim.link.end?.reason).toBe(reference);
    expect(bench.entries.filter(({ data }) => data["code"] === "INTERNAL")).toHaveLength(1);
    const told = victim.all("goodbye").map(({ error }) => [error?.code, error?.data]);
    if (victim.all("welcome").length > 0 && doing !== "goodbye")
      expect(told).toEqual([["INTERNAL", { at: "broker", reference }]]);
    expect(JSON.stringify([victim.frames, victim.link.end, other.frames])).not.toContain("swordfish");
    vi.restoreAllMocks();
    await this.mustGoOn();
  }
  async mustGoOn(): Promise<void> {
    const { bench, other } = this;
    expect(other.link.end).toBeNull();
    await bench.runtime.advance(1_000); // whatever was read anew has been
    await other.say({
      type: "lane.open",
      request: other.next(),
      lane: 1,
      topic: "t",
      queue: 0,
      producer: "other",
      epoch: null,
      routeVersion: 1,
    });
    const { epoch } = other.last("lane.opened");
    await other.say(this.batch({ epoch, sequence: sequence(0) }));
    expect(other.all("batch.refused")).toEqual([]);
    expect(other.last("batch.appended").runs).toMatchObject([{ count: 1, duplicate: false }]);
    await other.say({ type: "ask", request: other.next(), question: { kind: "account", ...OF } });
    expect(other.last("answer").answer).toHaveLength(2);
  }
}
export type Case = (scene: Scene) => ClientFrame | Promise<ClientFrame>;

/** Every frame a client can send, where it does something. */
export const FRAMES: { readonly [Type in ClientFrame["type"]]: readonly Case[] } = {
  hello: [
    () => ({ type: "hello", versions: PROTOCOL_VERSIONS, instance: "new", link: 1, client: "new", ordinal: null }),
  ],
  goodbye: [() => ({ type: "goodbye", error: null })],
  "topic.find": [({ victim }) => ({ type: "topic.find", request: victim.next(), topic: "t" })],
  "lane.open": [
    ({ victim, laneEpoch }) => ({
      type: "lane.open",
      request: victim.next(),
      lane: 2,
      topic: "t",
      queue: 0,
      producer: "p",
      epoch: laneEpoch,
      routeVersion: 1,
    }),
    ({ victim }) => ({
      type: "lane.open",
      request: victim.next(),
      lane: 2,
      topic: "t",
      queue: 0,
      producer: "q",
      epoch: null,
      routeVersion: 1,
    }),
  ],
  "lane.close": [() => ({ type: "lane.close", lane: 1 })],
  "batch.append": [
    (scene) => scene.batch(),
    (scene) => scene.batch({ sequence: sequence(2), count: 2, messages: concatBytes([message(L), message(K)]) }),
    (scene) => scene.batch({ sequence: sequence(9) }),
  ],
  "member.join": [
    ({ victim }) => ({
      ...(FRAME_OF_JOIN as Extract<ClientFrame, { type: "member.join" }>),
      request: victim.next(),
    }),
  ],
  "member.leave": [() => ({ type: "member.leave", member: 1 })],
  heartbeat: [({ lease }) => ({ type: "heartbeat", beat: 1, grantsSeen: 2, leases: [lease] })],
  "lease.acquire": [
    ({ victim }) => ({ type: "lease.acquire", request: victim.next(), member: 1, queue: 0, resume: null }),
    ({ victim, epoch }) => ({
      type: "lease.acquire",
      request: victim.next(),
      member: 1,
      queue: 0,
      resume: { epoch, settle: settlement({ ranges: [[0, 1]] }), inHand: [[1, 2]], redrivenInHand: [] },
    }),
  ],
  "lease.raise": [({ victim, lease }) => ({ type: "lease.raise", request: victim.next(), ...lease })],
  "lease.release": [
    ({ victim, lease }) => ({
      type: "lease.release",
      request: victim.next(),
      ...lease,
      settle: settlement({ ranges: [[0, 1]], tried: [[1, 1]] }),
    }),
  ],
  credit: [
    ({ lease }) => ({ type: "credit", ...lease, messages: 200, bytes: 2e6 }),
    async (scene) => {
      await scene.shared();
      return { type: "credit", member: 2, queue: 0, epoch: epoch(0), messages: 20, bytes: 2e6 };
    },
  ],
  settle: [
    ({ lease }) => ({
      type: "settle",
      ...lease,
      settle: 0,
      settlement: settlement({ ranges: [[0, 2]], tried: [[2, 1]] }),
    }),
    async (scene) => {
      await scene.shared();
      const of = { member: 2, queue: 0, epoch: epoch(0), settle: 0 };
      return { type: "settle", ...of, settlement: settlement({ ranges: [[0, 1]] }) };
    },
  ],
  "aside.put": [
    ({ put }) => put,
    ({ put }) => ({ ...put, kind: "dead-letter" }),
    ({ put }) => ({ ...put, kind: "halt" }),
    async (scene) => {
      await scene.shared();
      const what = { member: 2, epoch: epoch(0), kind: "dead-letter", key: null } as const;
      return { ...scene.put, ...what };
    },
  ],
  ask: [(scene) => scene.ask({ kind: "describe" })], // each kind of question below
};
const FRAME_OF_JOIN: ClientFrame = {
  type: "member.join",
  request: 0,
  member: 2,
  topic: "t",
  group: "new",
  name: "two",
  settings: { exhausted: "park", attempts: 3, startAt: "earliest" },
  concurrency: 1,
  leaseTtlMs: 10_000,
  revokeTimeoutMs: 2_000,
  allocation: "sticky",
  invisibleMs: 5_000,
  retry: { initialMs: 100, factor: 2, maxMs: 1_000, jitter: 0 },
};
/** Every question, where there is something to answer. */
export const questionOf = (kind: QuestionKind, entry: string): Question => EXAMPLES[kind].asked({ key: K, entry });
/** The scene with a key set aside. */
export async function parkedScene(
  ...how: Parameters<typeof Scene.set>
): Promise<{ readonly scene: Scene; readonly entry: string }> {
  const scene = await Scene.set(...how);
  await scene.park();
  await scene.victim.say(scene.ask({ kind: "aside.list", ...OF, after: null, limit: 10 }));
  const { entries } = scene.victim.last("answer").answer as { readonly entries: readonly { readonly entry: string }[] };
  return { scene, entry: entries[0]!.entry };
}
