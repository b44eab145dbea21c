// Faults of our own in a session: whatever throws while a frame is handled, a question answered or an answer written ends that link with INTERNAL, and nothing else.
import { afterEach, describe, expect, it, vi } from "vitest";
import { type Epoch, epoch, offset, sequence } from "../message/brands.ts";
import { concatBytes, packMessage } from "../message/packed.ts";
import { SLOTS, slotOf } from "../message/route.ts";
import { topicSpec } from "../message/topic.ts";
import { FaultyFrame, INJECTED } from "../protocol/faulty-frame.fixture.ts";
import type { BrokerFrame, ClientFrame, Settlement } from "../protocol/frames.ts";
import { binaryCodec } from "../protocol/index.ts";
import type { Question } from "../protocol/questions.ts";
import { PROTOCOL_VERSIONS } from "../protocol/version.ts";
import { LeaseKeeper } from "../queue/lease-keeper.ts";
import { message } from "../queue/queue.fixture.ts";
import { SubscriptionState } from "../queue/subscription-state.ts";
import { BrokerBench, TestClient } from "./broker.fixture.ts";

const decode = binaryCodec.decode.bind(binaryCodec);
const encode = binaryCodec.encode.bind(binaryCodec);
afterEach(() => vi.restoreAllMocks());

/** Keys of queue 0. */
const [K, L] = [..."abcdefghijklmnop"].filter((key) => slotOf(key) < SLOTS / 2) as [string, string];
const settlement = (more: Partial<Settlement> = {}): Settlement => ({
  ranges: [],
  redriven: [],
  tried: [],
  redrivenTried: [],
  ...more,
});
const failure = { name: "Error", message: "boom", code: null };
const OF = { topic: "t", group: "g" };
const because = { ...OF, reason: "test" };

/** A broker with somebody who has done everything once, and somebody else who must not notice. */
class Scene {
  readonly bench: BrokerBench;
  readonly victim: TestClient;
  readonly other: TestClient;
  /** Of the lease of queue 0. */
  readonly epoch: Epoch;
  readonly laneEpoch: Epoch;
  private constructor(bench: BrokerBench, victim: TestClient, other: TestClient) {
    this.bench = bench;
    this.victim = victim;
    this.other = other;
    this.epoch = victim.last("lease.granted").epoch;
    this.laneEpoch = victim.last("lane.opened").epoch;
  }
  static async set(): Promise<Scene> {
    const unordered = topicSpec({ name: "u", queues: 1, ordered: false });
    const bench = await BrokerBench.start({ topics: [topicSpec({ name: "t", queues: 2 }), unordered] });
    const other = await bench.client("other");
    const victim = await bench.client("victim");
    await victim.join("one");
    await victim.produce([K, K, L], 0);
    await bench.runtime.advance(1);
    await victim.acquire(1);
    await victim.acquire(0);
    const scene = new Scene(bench, victim, other);
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
type Case = (scene: Scene) => ClientFrame | Promise<ClientFrame>;

/** Every frame a client can send, where it does something. */
const FRAMES: { readonly [Type in ClientFrame["type"]]: readonly Case[] } = {
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
const QUESTIONS: { readonly [Kind in Question["kind"]]: (entry: string) => Question } = {
  describe: () => ({ kind: "describe" }),
  "describe.topic": () => ({ kind: "describe.topic", topic: "t" }),
  "describe.group": () => ({ kind: "describe.group", ...OF }),
  explain: () => ({ kind: "explain", topic: "t", key: K }),
  ends: () => ({ kind: "ends", topic: "t" }),
  reached: () => ({ kind: "reached", ...OF, ends: [{ queue: 0, end: offset(0) }] }),
  account: () => ({ kind: "account", ...OF }),
  declare: () => ({ kind: "declare", spec: topicSpec({ name: "declared" }) }),
  "aside.list": () => ({ kind: "aside.list", ...OF, after: null, limit: 10 }),
  "aside.peek": () => ({ kind: "aside.peek", ...OF, key: K, limit: 10 }),
  "aside.retry": (entry) => ({ kind: "aside.retry", ...because, entry }),
  "aside.skip": (entry) => ({ kind: "aside.skip", ...because, entry }),
  "aside.replace": (entry) => ({ kind: "aside.replace", ...because, entry, message: replacement }),
  "aside.redrive": () => ({ kind: "aside.redrive", ...because, key: K }),
  "aside.discard": () => ({ kind: "aside.discard", ...because, key: K }),
};
const replacement = packMessage({
  key: K,
  id: null,
  headers: null,
  dueMs: null,
  encoding: "json",
  body: new TextEncoder().encode("1"),
  slot: slotOf(K),
});
const KINDS = Object.keys(QUESTIONS) as Question["kind"][];
async function parkedScene(): Promise<{ scene: Scene; entry: string }> {
  const scene = await Scene.set();
  await scene.park();
  await scene.victim.say(scene.ask({ kind: "aside.list", ...OF, after: null, limit: 10 }));
  const { entries } = scene.victim.last("answer").answer as { readonly entries: readonly { readonly entry: string }[] };
  return { scene, entry: entries[0]!.entry };
}

const actorState = ({ bench }: Scene): string | undefined =>
  bench.broker.actors.list("subscription").find(({ path }) => path.endsWith("t/0/g"))?.state;

/** The next frame of a type that the broker reads throws at the n-th look into it. */
function throwAtLook(at: number, type: ClientFrame["type"]): FaultyFrame {
  const faulty = new FaultyFrame(at);
  vi.spyOn(binaryCodec, "decode").mockImplementation((packet) =>
    decode(packet).map((frame) => (frame.type === type ? faulty.wrap(frame) : frame)),
  );
  return faulty;
}
/** Nothing of this type can be written. */
function throwWhenWriting(type: BrokerFrame["type"], isIt: (frame: BrokerFrame) => boolean = () => true): void {
  vi.spyOn(binaryCodec, "encode").mockImplementation((frames) => {
    if (frames.some((frame) => frame.type === type && isIt(frame as BrokerFrame))) faultyEncode();
    return encode(frames);
  });
}
function faultyEncode(): never {
  throw new TypeError(INJECTED);
}

describe("a fault while a frame is handled", () => {
  const each = (Object.keys(FRAMES) as ClientFrame["type"][]).flatMap((type) =>
    FRAMES[type].map((make, index) => ({ type, name: index === 0 ? type : `${type} (${index + 1})`, make })),
  );
  it.each(each)("$name: ends its link, at whatever look into it", async ({ type, make }) => {
    let looks = 0;
    for (;;) {
      const scene = await Scene.set();
      const victim = type === "hello" ? scene.bench.dial() : scene.victim;
      const frame = await make(scene);
      const faulty = throwAtLook(looks + 1, type);
      await victim.say(frame);
      await scene.bench.runtime.advance(1);
      if (!faulty.struck) break;
      looks++;
      await scene.mustBeContained(type, victim);
    }
    if (type !== "goodbye") expect(looks).toBeGreaterThan(0);
  });
  it.each(KINDS)("ask %s: ends its link, at whatever look into it", async (kind) => {
    let looks = 0;
    for (;;) {
      const { scene, entry } = await parkedScene();
      const faulty = throwAtLook(looks + 1, "ask");
      await scene.victim.say(scene.ask(QUESTIONS[kind](entry)));
      await scene.bench.runtime.advance(1);
      if (!faulty.struck) break;
      looks++;
      await scene.mustBeContained("ask");
    }
    expect(looks).toBeGreaterThan(1);
  });
});

/** What makes the broker send each of its frames. */
const SAYS: { readonly [Type in BrokerFrame["type"]]: (scene: Scene) => Promise<unknown> } = {
  welcome: async ({ bench }) => await bench.client("new"),
  goodbye: async ({ victim }) =>
    await victim.say({
      type: "hello",
      versions: PROTOCOL_VERSIONS,
      instance: "x",
      link: 1,
      client: "x",
      ordinal: null,
    }),
  refused: async ({ victim }) => await victim.say({ type: "topic.find", request: victim.next(), topic: "nope" }),
  "topic.found": async ({ victim }) => await victim.say({ type: "topic.find", request: victim.next(), topic: "t" }),
  "lane.opened": async (scene) => await scene.victim.say(await FRAMES["lane.open"][0]!(scene)),
  "batch.appended": async (scene) => await scene.victim.say(scene.batch()),
  "lane.kept": async (scene) => {
    await scene.victim.say(scene.batch());
    await scene.bench.runtime.advance(10);
  },
  "lane.rewind": async (scene) => {
    const { beforeApply } = scene.bench.disk;
    scene.bench.disk.beforeApply = () => {
      throw new Error("the disk failed");
    };
    await scene.victim.say(scene.batch());
    await scene.bench.runtime.settle();
    scene.bench.disk.beforeApply = beforeApply;
    await scene.bench.runtime.advance(2_000);
  },
  "batch.refused": async (scene) => await scene.victim.say(scene.batch({ sequence: sequence(9) })),
  "member.joined": async (scene) => await scene.victim.say(await FRAMES["member.join"][0]!(scene)),
  "heartbeat.answered": async (scene) => await scene.victim.say(await FRAMES.heartbeat[0]!(scene)),
  "lease.offered": async (scene) => {
    await scene.victim.say(await FRAMES["member.join"][0]!(scene));
    await scene.bench.runtime.advance(1);
  },
  "lease.granted": async ({ victim }) => await victim.acquire(0),
  "lease.revoke": async ({ bench, other }) => {
    await other.join("two");
    await bench.runtime.advance(1_100);
  },
  "lease.released": async (scene) => await scene.victim.say(await FRAMES["lease.release"][0]!(scene)),
  "lease.ended": async ({ victim, other, bench }) => {
    for (let beat = 1; beat <= 4; beat++) {
      await bench.runtime.advance(2_999);
      for (const client of [victim, other])
        await client.say({ type: "topic.find", request: client.next(), topic: "t" });
    }
  },
  deliver: async (scene) => {
    await scene.victim.say(scene.batch());
    await scene.bench.runtime.advance(10);
  },
  redeliver: async (scene) => {
    await scene.park();
    await scene.victim.say(scene.ask(QUESTIONS["aside.redrive"]("")));
    await scene.bench.runtime.advance(10);
  },
  settled: async (scene) => await scene.victim.say(await FRAMES.settle[0]!(scene)),
  "settle.refused": async ({ victim, lease }) =>
    await victim.say({ type: "settle", ...lease, epoch: epoch(1), settle: 0, settlement: settlement() }),
  "aside.done": async ({ victim, put }) => await victim.say(put),
  answer: async (scene) => await scene.victim.say(scene.ask({ kind: "describe" })), // each kind of question below
};
describe("a fault while an answer is written", () => {
  it.each(Object.keys(SAYS) as BrokerFrame["type"][])("%s: ends its link", async (type) => {
    const scene = await Scene.set();
    throwWhenWriting(type);
    const said = await SAYS[type](scene);
    const victim = said instanceof TestClient ? said : scene.victim;
    await scene.bench.runtime.settle();
    if (type !== "goodbye") return await scene.mustBeContained(type, victim);
    // it was saying why it ends: it ends all the same
    expect(victim.link.end?.code).toBe("violation");
    expect(scene.bench.entries.filter(({ data }) => data["code"] === "INTERNAL")).toHaveLength(1);
    vi.restoreAllMocks();
    await scene.mustGoOn();
  });
  it.each(KINDS)("answer to %s: ends its link", async (kind) => {
    const { scene, entry } = await parkedScene();
    throwWhenWriting("answer");
    await scene.victim.say(scene.ask(QUESTIONS[kind](entry)));
    await scene.mustBeContained("answer");
  });
  it("the goodbye that tells of it cannot be written either: the link ends without one", async () => {
    const scene = await Scene.set();
    vi.spyOn(binaryCodec, "encode").mockImplementation((frames) =>
      frames[0]?.type === "ask" ? encode(frames) : faultyEncode(),
    );
    await scene.victim.say(scene.ask({ kind: "describe" }));
    expect([scene.victim.link.end?.code, scene.victim.all("goodbye")]).toEqual(["internal", []]);
    vi.restoreAllMocks();
    await scene.mustGoOn();
  });
});

describe("a fault beside any frame", () => {
  it("a change that throws in its turn ends the link of whoever waits for its answer", async () => {
    const scene = await Scene.set();
    const faulty = throwAtLook(4, "lease.raise"); // behind request, member and queue: its epoch, in its turn
    await scene.victim.say({ type: "lease.raise", request: scene.victim.next(), ...scene.lease });
    expect(faulty.struck).toBe(true);
    expect(scene.bench.logged.filter((line) => line.includes("reloading"))).toHaveLength(1);
    await scene.mustBeContained("lease.raise");
  });
  it("a logger that throws keeps no link from ending", async () => {
    const scene = await Scene.set();
    vi.spyOn(scene.bench.entries, "push").mockImplementation(() => faultyEncode());
    throwWhenWriting("topic.found");
    await SAYS["topic.found"](scene);
    expect(scene.victim.last("goodbye").error?.code).toBe("INTERNAL");
  });
  it("a logger that throws keeps no subscription from going on from the store after a change that failed", async () => {
    const scene = await Scene.set();
    const { bench, victim } = scene;
    const said = vi.spyOn(bench.entries, "push").mockImplementation(() => faultyEncode());
    const { beforeApply } = bench.disk;
    bench.disk.beforeApply = () => {
      throw new Error("the disk failed");
    };
    await victim.say(await FRAMES.settle[0]!(scene));
    bench.disk.beforeApply = beforeApply;
    expect(said).toHaveBeenCalled();
    await bench.runtime.advance(1_000);
    await victim.acquire(0);
    expect(victim.last("lease.granted").epoch).toBe(scene.epoch + 1);
    await scene.mustGoOn();
  });
  it("an authorizer that throws refuses what it was asked about, and says nothing of why", async () => {
    const bench = await BrokerBench.start({ authorize: () => faultyEncode() });
    const client = await bench.client("a");
    await client.join("one");
    expect(client.last("refused").error.code).toBe("UNAVAILABLE");
    expect(JSON.stringify(client.frames)).not.toContain("swordfish");
    expect(client.link.end).toBeNull();
    expect(bench.entries.filter(({ text }) => text.includes("the authorizer threw"))).toHaveLength(1);
  });
  it("an authorizer that answers with a promise refuses, whatever becomes of it", async () => {
    for (const answer of [async () => true, async () => false, () => Promise.reject(new Error("swordfish"))]) {
      const bench = await BrokerBench.start({ authorize: answer as never });
      const client = await bench.client("a");
      await client.join("one");
      expect(client.last("refused").error.code).toBe("UNAVAILABLE");
      expect(JSON.stringify(client.frames)).not.toContain("swordfish");
      const [{ data }] = bench.entries.filter(({ text }) => text.includes("the authorizer threw")) as never as [
        { data: { error: Error } },
      ];
      expect(data.error.message).toBe("authorize must return true or false, found object: it cannot be async");
    }
  });
  it("tells whoever's change waits behind it for the store that it could not be made, and not why", async () => {
    const { scene, entry } = await parkedScene();
    const { bench, victim, other } = scene;
    const stored: (() => void)[] = [];
    bench.disk.beforeApply = () => new Promise((resolve) => stored.push(resolve));
    const tried = { ...scene.lease, settlement: settlement({ tried: [[2, 1]] }) };
    for (let settle = 0; settle < 64; settle++) await victim.say({ type: "settle", ...tried, settle });
    const ask = other.next();
    await other.say({ type: "ask", request: ask, question: QUESTIONS["aside.retry"](entry) }); // gathers: the store has enough to do
    vi.spyOn(SubscriptionState.prototype, "settle").mockImplementationOnce(faultyEncode);
    await victim.say({ type: "settle", ...tried, settle: 64, settlement: settlement({ ranges: [[2, 3]] }) });
    expect(other.last("refused")).toMatchObject({ request: ask, error: { code: "UNAVAILABLE" } });
    bench.disk.beforeApply = undefined;
    for (const go of stored) go();
    await scene.mustBeContained("settle");
  });
  it("where what has gathered for the store cannot be written, is contained: whoever waits for it is refused", async () => {
    const { scene, entry } = await parkedScene();
    const { bench, victim, other } = scene;
    const stored: (() => void)[] = [];
    bench.disk.beforeApply = () => new Promise((resolve) => stored.push(resolve));
    const tried = { ...scene.lease, settlement: settlement({ tried: [[2, 1]] }) };
    for (let settle = 0; settle < 64; settle++) await victim.say({ type: "settle", ...tried, settle });
    await other.say({ type: "ask", request: other.next(), question: QUESTIONS["aside.retry"](entry) });
    const encoding = vi.spyOn(SubscriptionState.prototype, "encode").mockImplementation(faultyEncode);
    bench.disk.beforeApply = undefined;
    for (const go of stored) go();
    await bench.runtime.settle();
    encoding.mockRestore();
    expect(other.last("refused").error.code).toBe("UNAVAILABLE");
    expect(bench.logged.filter((line) => line.includes("a change failed"))).toHaveLength(1);
    expect(victim.last("lease.ended").reason).toBe("fenced");
    await scene.mustGoOn();
  });
  it("what waited for the link to drain and throws ends its link, and nobody else's", async () => {
    const scene = await Scene.set();
    const { bench, victim } = scene;
    victim.theirs.bufferedBytes = 2 ** 21;
    await victim.say(scene.batch());
    await bench.runtime.advance(10);
    expect(victim.all("deliver")).toHaveLength(1);
    expect(actorState(scene)).toBe("leased.suspended");
    vi.spyOn(LeaseKeeper.prototype, "tell").mockImplementationOnce(() => faultyEncode());
    victim.theirs.bufferedBytes = 0;
    await scene.mustBeContained("a drain");
  });
  it("an observer of actors that throws is logged, and hears the next change", async () => {
    const scene = await Scene.set();
    let heard = 0;
    scene.bench.broker.actors.watch("subscription").subscribe(() => {
      heard++;
      faultyEncode();
    });
    await scene.victim.acquire(0);
    expect(heard).toBeGreaterThan(1);
    expect(scene.victim.link.end).toBeNull();
    expect(scene.bench.entries.filter(({ text }) => text.includes("observer of the actors"))).toHaveLength(heard);
  });
  it("an observer of events that throws is logged, and hears the next event", async () => {
    const scene = await Scene.set();
    let heard = 0;
    scene.bench.broker.events$.subscribe(() => {
      heard++;
      faultyEncode();
    });
    await scene.victim.acquire(0);
    expect(heard).toBeGreaterThan(1);
    expect(scene.victim.link.end).toBeNull();
    expect(scene.bench.entries.filter(({ text }) => text.includes("observer"))).toHaveLength(heard);
  });
});
