// Which right each frame, question and order needs: without it FORBIDDEN, with it done, and what goes on under it
// ends when it is revoked.
import { describe, expect, it } from "vitest";
import type { Right } from "../contracts/auth.ts";
import { type Epoch, offset, sequence } from "../message/brands.ts";
import { concatBytes, PackedReader } from "../message/packed.ts";
import { topicSpec } from "../message/topic.ts";
import { type ClientFrame, FRAME_TYPES, ONLY_OF_BROKERS } from "../protocol/frames.ts";
import { binaryCodec, jsonCodec } from "../protocol/index.ts";
import { EXAMPLES, OF } from "../protocol/questions/examples.fixture.ts";
import { QUESTIONS, type Question } from "../protocol/questions.ts";
import { PROTOCOL_VERSIONS } from "../protocol/version.ts";
import { message } from "../queue/queue.fixture.ts";
import { type BenchOptions, BrokerBench, changedStore, type TestClient } from "./broker.fixture.ts";

/* ---------- the table ---------- */

const observeTopic: Right = { verb: "observe", topic: "t", group: null };
const observeGroup: Right = { verb: "observe", topic: "t", group: "g" };
const read: Right = { verb: "read", topic: "t", group: "g" };
const manage: Right = { verb: "manage", topic: "t" };
const produce: Right = { verb: "produce", topic: "t", producer: "mine" };
const consume: Right = { verb: "consume", topic: "t", group: "g", consumer: "m" };
const waitInGroup: Right = { ...consume, consumer: null };

const inGroup = OF;
/**
 * What each frame of a client needs: rights, to be asked for it (`request`); the right of the lane, or of the member,
 * that it belongs to; that of its question; or none, since it only begins the link, keeps or ends what is its own.
 */
const FRAMES: {
  readonly [Type in ClientFrame["type"]]: "none" | "lane" | "member" | "question" | readonly Right[];
} = {
  hello: "none",
  goodbye: "none",
  "topic.find": [observeTopic, produce, consume, manage],
  "lane.open": [produce],
  "lane.close": "none",
  "batch.append": "lane",
  "member.join": [consume],
  "member.leave": "none",
  heartbeat: "none",
  "lease.acquire": "member",
  "lease.raise": "member",
  "lease.release": "member",
  credit: "member",
  settle: "member",
  "aside.put": "member",
  ask: "question",
};

/* ---------- the scene ---------- */

/** Packed messages as what is in them: bodies by their length. */
const packedInWords = (name: string, value: unknown): unknown => {
  if (name !== "message" || !(value instanceof Uint8Array)) return value;
  const reader = new PackedReader(value);
  reader.next();
  return { key: reader.key, headers: reader.headers, body: reader.body.length };
};

const codecs = [binaryCodec, jsonCodec] as const;
const same = (one: Right, other: Right): boolean => JSON.stringify(one) === JSON.stringify(other);
/** Those of the table, as a principal may be given them: all but some, or some. */
const only = (rights: readonly Right[]) => (right: Right) => rights.some((one) => same(one, right));
const allBut = (rights: readonly Right[]) => (right: Right) => !only(rights)(right);
const nothing = () => false;
const everything = () => true;

/** A broker with a topic, a group that has parked a key, and a client whose rights may change. */
class Scene {
  readonly bench: BrokerBench;
  readonly client: TestClient;
  readonly entry: string;
  readonly key = "k";
  allows: (right: Right) => boolean = nothing;
  private constructor(bench: BrokerBench, client: TestClient, entry: string) {
    this.bench = bench;
    this.client = client;
    this.entry = entry;
  }
  static async open(
    codec: (typeof codecs)[number],
    versions: readonly number[] = PROTOCOL_VERSIONS,
    options: BenchOptions = {},
  ): Promise<Scene> {
    let scene: Scene | null = null;
    const bench = await BrokerBench.start({
      ...options,
      topics: [topicSpec({ name: "t", queues: 1 })],
      authorize: (right, principal) => principal === "boss" || scene?.allows(right) === true,
    });
    const boss = await bench.client("boss", 1, "boss");
    await boss.produce(["k", "k", "x"], 0);
    await boss.join("first");
    await bench.runtime.advance(1);
    await boss.acquire(0);
    const { epoch } = boss.last("lease.granted");
    await boss.say({ type: "credit", member: 1, queue: 0, epoch, messages: 10, bytes: 1e6 });
    await boss.say(asidePut(1, epoch, 0, "k"));
    await boss.say({ type: "member.leave", member: 1 });
    await bench.runtime.advance(1);
    await boss.say({
      type: "ask",
      request: 900,
      question: { kind: "aside.list", ...inGroup, after: null, limit: 9 },
    });
    const { entries } = boss.last("answer").answer as { readonly entries: readonly { readonly entry: string }[] };
    const client = bench.dial("somebody", codec);
    client.instance = "a";
    await client.say({ type: "hello", versions, instance: "a", link: 1, client: "a", ordinal: null });
    scene = new Scene(bench, client, entries[0]!.entry);
    return scene;
  }
  /** What a request was answered with, or the code of its refusal; `null`: nothing. */
  async request(frame: { readonly type: ClientFrame["type"] } & Readonly<Record<string, unknown>>) {
    if (frame.type === "credit" || frame.type === "settle") {
      await this.client.say(frame as never);
      return null;
    }
    const request = this.client.next() + 1_000;
    await this.client.say({ ...frame, request } as never);
    return this.answerTo(request);
  }
  answerTo(request: number): string | null {
    const answer = this.client.frames.find((frame) => "request" in frame && frame.request === request);
    return answer === undefined ? null : answer.type === "refused" ? answer.error.code : answer.type;
  }
  ask(question: Question) {
    return this.request({ type: "ask", question });
  }
  /**
   * Opens lane 1, or joins as member 1 and takes the lease with all there is: what frames of lanes and members begin
   * with.
   */
  async openLane(): Promise<Epoch> {
    await this.client.say({ ...laneOpen, request: this.client.next() });
    return this.client.last("lane.opened").epoch;
  }
  async holdLease(): Promise<Epoch> {
    await this.client.join("m");
    await this.bench.runtime.advance(1);
    await this.client.acquire(0);
    const { epoch } = this.client.last("lease.granted");
    await this.client.say({ type: "credit", member: 1, queue: 0, epoch, messages: 10, bytes: 1e6 });
    return epoch;
  }
  async ends(): Promise<readonly number[]> {
    const { queues } = await this.bench.broker.describe(topicSpec({ name: "t" }), { group: "g" });
    return queues.map(({ end }) => end);
  }
  /** All that frames of a member could change. */
  async state(): Promise<unknown> {
    const { queues, counts, members } = await this.bench.broker.describe(topicSpec({ name: "t" }), { group: "g" });
    return { queues: queues.map(({ lagMs: _, ...queue }) => queue), counts, members };
  }
}
const laneOpen = {
  type: "lane.open",
  lane: 1,
  topic: "t",
  queue: 0,
  producer: "mine",
  epoch: null,
  routeVersion: 1,
} as const;
const batch = (epoch: Epoch, at: number) =>
  ({
    type: "batch.append",
    lane: 1,
    epoch,
    sequence: sequence(at),
    count: 1,
    durability: "memory",
    messages: concatBytes([message("k")]),
  }) as const;
const asidePut = (request: number, epoch: Epoch, at: number, key: string) =>
  ({
    type: "aside.put",
    request,
    member: 1,
    queue: 0,
    epoch,
    kind: "park",
    offset: offset(at),
    key,
    redriven: null,
    attempts: 3,
    error: { name: "Error", message: "boom", code: null },
  }) as const;
/** Keeps the link from being silent. */
const heartbeat = { type: "heartbeat", beat: 1, grantsSeen: 0, leases: [] } as const;
const settlement = { ranges: [[offset(2), offset(3)]], redriven: [], tried: [], redrivenTried: [] } as const;
/** What a member that holds the lease of queue 0 may say. */
const OF_MEMBERS = {
  "lease.acquire": () => ({ type: "lease.acquire", member: 1, queue: 0, resume: null }),
  "lease.raise": (epoch) => ({ type: "lease.raise", member: 1, queue: 0, epoch }),
  "lease.release": (epoch) => ({ type: "lease.release", member: 1, queue: 0, epoch, settle: settlement }),
  credit: (epoch) => ({ type: "credit", member: 1, queue: 0, epoch, messages: 20, bytes: 2e6 }),
  settle: (epoch) => ({ type: "settle", member: 1, queue: 0, epoch, settle: 1, settlement }),
  "aside.put": (epoch) => asidePut(0, epoch, 2, "x"),
} as const satisfies Partial<Record<ClientFrame["type"], (epoch: Epoch) => object>>;

/** What answers each, and the last frame that comes of it. */
const ANSWERED = {
  "lease.acquire": ["lease.granted", "lease.granted"],
  "lease.raise": ["lease.granted", "lease.granted"],
  "lease.release": ["lease.released", "lease.released"],
  credit: [null, undefined],
  settle: [null, "settled"],
  "aside.put": ["aside.done", "aside.done"],
} as const;

const requests = {
  "topic.find": { type: "topic.find", topic: "t", producer: "mine", group: "g", consumer: "m" },
  "lane.open": laneOpen,
  "member.join": null,
} as const;

/* ---------- what it says ---------- */

describe("the table of rights", () => {
  it("has every frame and every question there is", () => {
    expect([...Object.keys(FRAMES), ...ONLY_OF_BROKERS].sort()).toEqual([...FRAME_TYPES].sort());
    expect(Object.keys(EXAMPLES).sort()).toEqual(Object.keys(QUESTIONS).sort());
    const ofMembers = Object.entries(FRAMES).filter(([, needs]) => needs === "member");
    expect(ofMembers.map(([type]) => type).sort()).toEqual(Object.keys(OF_MEMBERS).sort());
  });
});

describe.each(codecs)("over the $name codec", (codec) => {
  describe.each(Object.entries(EXAMPLES))('the question "%s"', (_, { asked, any }) => {
    it("is FORBIDDEN without its right, whatever else there is", async () => {
      const scene = await Scene.open(codec);
      expect(await scene.ask(asked(scene))).toBe("FORBIDDEN");
      scene.allows = allBut(any);
      expect(await scene.ask(asked(scene))).toBe("FORBIDDEN");
    });
    it.each(any)("is answered with $verb alone, and FORBIDDEN once that is revoked", async (right) => {
      const scene = await Scene.open(codec);
      scene.allows = only([right]);
      expect(await scene.ask(asked(scene))).toBe("answer");
      scene.allows = nothing;
      expect(await scene.ask(asked(scene))).toBe("FORBIDDEN");
    });
  });

  it.each(["topic.find", "lane.open", "member.join"] as const)('"%s" is FORBIDDEN without its right', async (type) => {
    const any = FRAMES[type] as readonly Right[];
    const answered = { "topic.find": "topic.found", "lane.open": "lane.opened", "member.join": "member.joined" }[type];
    for (const allows of [nothing, allBut(any), ...any.map((right) => only([right]))]) {
      const scene = await Scene.open(codec);
      scene.allows = allows;
      const frame = requests[type];
      if (frame === null) await scene.client.join("m");
      else await scene.request(frame);
      const found = scene.client.frames.at(-1);
      if (allows === nothing || any.every((right) => !allows(right)))
        expect(found).toMatchObject({ type: "refused", error: { code: "FORBIDDEN" } });
      else expect(scene.client.frames.map((frame) => frame.type)).toContain(answered);
    }
  });

  it('"batch.append" on a lane whose right is revoked appends nothing from 5 s on, and is told so in its turn', async () => {
    const scene = await Scene.open(codec);
    const { client, bench } = scene;
    scene.allows = only([produce]);
    const epoch = await scene.openLane();
    await client.say(batch(epoch, 0));
    expect(client.all("batch.appended")).toHaveLength(1);
    scene.allows = allBut([produce]);
    await bench.runtime.advance(10_000);
    await client.say(heartbeat, batch(epoch, 1), batch(epoch, 2));
    expect(client.all("batch.refused")).toMatchObject([
      { sequence: 1, error: { code: "FORBIDDEN", data: produce } },
      { sequence: 2, error: { code: "FORBIDDEN" } },
    ]);
    expect(await scene.ends()).toEqual([4]);
    scene.allows = everything;
    await bench.runtime.advance(5_000);
    await client.say(batch(epoch, 1));
    expect(client.all("batch.appended")).toHaveLength(2);
  });
  it.each(Object.entries(OF_MEMBERS))(
    'the member\'s "%s" changes nothing once its right is revoked: it is told, and its lease passes on when its client no longer has it',
    async (type, frame: (epoch: Epoch) => object) => {
      const scene = await Scene.open(codec);
      const { client, bench } = scene;
      scene.allows = only([consume]);
      const epoch = await scene.holdLease();
      scene.allows = allBut([consume]);
      await bench.runtime.advance(5_000);
      expect(client.last("member.ended")).toMatchObject({ member: 1, error: { code: "FORBIDDEN", data: consume } });
      const before = await scene.state();
      expect(before).toMatchObject({ members: [], queues: [{ state: "revoking" }] });
      const answer = await scene.request(frame(epoch) as never);
      expect(answer).toBe(type === "settle" || type === "credit" ? null : "FORBIDDEN");
      expect(await scene.state()).toEqual(before);
      // it has not heard of it yet, then it has
      await client.say({ type: "heartbeat", beat: 1, grantsSeen: 1, leases: [{ member: 1, queue: 0, epoch }] });
      expect(client.last("heartbeat.answered")).toMatchObject({ renewed: [] });
      expect(await scene.state()).toEqual(before);
      await client.say({ type: "heartbeat", beat: 2, grantsSeen: 1, leases: [] });
      expect(await scene.state()).toMatchObject({ members: [], queues: [{ state: "vacant" }] });
      scene.allows = only([consume]);
      await client.join("m");
      expect(client.all("member.joined")).toHaveLength(2);
    },
  );
  it("the lease of a member whose right is revoked passes on when it has run out, if its client says nothing", async () => {
    const scene = await Scene.open(codec);
    scene.allows = only([consume]);
    await scene.holdLease();
    scene.allows = allBut([consume]);
    await scene.bench.runtime.advance(9_900);
    expect(await scene.state()).toMatchObject({ members: [], queues: [{ state: "revoking" }] });
    await scene.bench.runtime.advance(200);
    expect(await scene.state()).toMatchObject({ members: [], queues: [{ state: "vacant" }] });
  });
  it("the member's frames do what they say while it has its right", async () => {
    for (const [type, frame] of Object.entries(OF_MEMBERS) as [string, (epoch: Epoch) => object][]) {
      const scene = await Scene.open(codec);
      scene.allows = only([consume]);
      const epoch = await scene.holdLease();
      await scene.bench.runtime.advance(4_000);
      await scene.client.say({ type: "heartbeat", beat: 1, grantsSeen: 1, leases: [{ member: 1, queue: 0, epoch }] });
      await scene.bench.runtime.advance(4_000);
      const before = scene.client.frames.length;
      const answer = await scene.request(frame(epoch) as never);
      const came = scene.client.frames.slice(before).map((each) => each.type);
      expect([type, answer, came.at(-1)]).toEqual([type, ...ANSWERED[type as keyof typeof ANSWERED]]);
    }
  });
  it("a question that waits is FORBIDDEN once its right is revoked", async () => {
    const scene = await Scene.open(codec);
    const { client, bench } = scene;
    for (const right of [waitInGroup, observeGroup]) {
      scene.allows = only([right]);
      const ends = [{ queue: 0, end: offset(3) }];
      const request = client.next() + 1_000;
      await client.say({ type: "ask", request, question: { kind: "reached", ...inGroup, ends } });
      await bench.runtime.advance(8_000);
      expect(scene.answerTo(request)).toBeNull();
      scene.allows = nothing;
      await client.say(heartbeat);
      await bench.runtime.advance(10_000);
      expect(scene.answerTo(request)).toBe("FORBIDDEN");
      await client.say(heartbeat);
    }
  });
});

describe("a lane whose right is revoked", () => {
  it("refuses what comes only once what it had before is answered, so that answers keep the order of the batches", async () => {
    const scene = await Scene.open(binaryCodec, PROTOCOL_VERSIONS, {
      store: (store) => changedStore(store, { durabilityMax: "flushed" }),
    });
    const { client, bench } = scene;
    scene.allows = only([produce]);
    const epoch = await scene.openLane();
    const stored: (() => void)[] = [];
    bench.disk.beforeApply = () => new Promise((resolve) => stored.push(resolve));
    await client.say({ ...batch(epoch, 0), durability: "flushed" });
    scene.allows = nothing;
    await bench.runtime.advance(5_000);
    await client.say({ ...batch(epoch, 1), durability: "flushed" });
    await client.say({ ...batch(epoch, 2), durability: "flushed" });
    const answers = () =>
      client.frames.flatMap((frame) =>
        frame.type === "batch.appended" || frame.type === "batch.refused" ? [[frame.type, frame.sequence]] : [],
      );
    expect(answers()).toEqual([]);
    for (const store of stored) store();
    await bench.runtime.settle();
    expect(answers()).toEqual([
      ["batch.appended", 0],
      ["batch.refused", 1],
      ["batch.refused", 2],
    ]);
  });
  it("is refused for as long as nobody can say, and goes on where it stood", async () => {
    const scene = await Scene.open(binaryCodec);
    const { client, bench } = scene;
    scene.allows = only([produce]);
    const epoch = await scene.openLane();
    scene.allows = () => {
      throw new Error("the directory is down: swordfish");
    };
    await bench.runtime.advance(5_000);
    await client.say(batch(epoch, 0));
    expect(client.last("batch.refused")).toMatchObject({ sequence: 0, error: { code: "UNAVAILABLE" } });
    expect(JSON.stringify(client.frames)).not.toContain("swordfish");
    scene.allows = everything;
    await bench.runtime.advance(5_000);
    await client.say(batch(epoch, 0));
    expect(client.last("batch.appended")).toMatchObject({ sequence: 0 });
  });
});

describe("a link of protocol version 1", () => {
  it("ends when a member of it may not stay, since it cannot be told so", async () => {
    const scene = await Scene.open(binaryCodec, [1]);
    scene.allows = only([consume]);
    await scene.holdLease();
    scene.allows = nothing;
    await scene.bench.runtime.advance(5_000);
    expect(scene.client.last("goodbye").error).toMatchObject({ code: "FORBIDDEN", data: consume });
    expect(scene.client.link.end?.code).toBe("unavailable");
    expect(await scene.state()).toMatchObject({ members: [], queues: [{ state: "revoking" }] });
    await scene.bench.runtime.advance(10_000);
    expect(await scene.state()).toMatchObject({ members: [], queues: [{ state: "vacant" }] });
  });
  it("looks topics up, and asks for their ends, under names that are not said", async () => {
    const scene = await Scene.open(binaryCodec, [1]);
    const anyProducer: Right = { ...produce, producer: null };
    const anyGroup: Right = { verb: "consume", topic: "t", group: null, consumer: null };
    for (const right of [anyProducer, anyGroup]) {
      scene.allows = only([right]);
      expect(await scene.request({ type: "topic.find", topic: "t" })).toBe("topic.found");
    }
    expect(await scene.ask({ kind: "ends", topic: "t" })).toBe("answer");
    scene.allows = allBut([anyGroup, observeTopic]);
    expect(await scene.ask({ kind: "ends", topic: "t" })).toBe("FORBIDDEN");
  });
});

describe("what is shown", () => {
  const asked = async (scene: Scene, question: Question): Promise<unknown> => {
    const before = scene.client.all("answer").length;
    await scene.ask(question);
    return scene.client.all("answer")[before]?.answer;
  };
  it("of what is set aside has no body and no headers without the right to read them", async () => {
    for (const version of PROTOCOL_VERSIONS) {
      const scene = await Scene.open(binaryCodec, [version]);
      for (const { asked: question } of [EXAMPLES["aside.list"], EXAMPLES["aside.peek"]]) {
        scene.allows = only([manage]);
        const withheld = JSON.stringify(await asked(scene, question(scene)), packedInWords);
        scene.allows = only([read]);
        const whole = JSON.stringify(await asked(scene, question(scene)), packedInWords);
        const flag = version === 1 ? "" : ',"withheld":true';
        expect(withheld).toContain(`"message":{"key":"k","headers":null,"body":0}${flag}`);
        expect(whole).toContain('"message":{"key":"k","headers":null,"body":10}');
        expect(whole).not.toContain("withheld");
      }
    }
  });
  it("are the topics and groups that one may observe", async () => {
    const scene = await Scene.open(binaryCodec);
    const { bench } = scene;
    const boss = await bench.client("boss2", 1, "boss");
    await boss.say({
      type: "ask",
      request: 1,
      question: { kind: "declare", spec: topicSpec({ name: "u", queues: 1 }) },
    });
    await boss.join("m", { group: "other" });
    scene.allows = (right) => right.verb === "observe" && right.topic === "t" && right.group !== "other";
    expect(await asked(scene, { kind: "describe" })).toMatchObject({
      brokers: [{ name: "broker" }],
      topics: [{ topic: "t", groups: [{ group: "g" }] }],
    });
    expect(await asked(scene, { kind: "describe.topic", topic: "t" })).toMatchObject({ groups: [{ group: "g" }] });
    expect(await asked(scene, { kind: "explain", topic: "t", key: "k" })).toMatchObject({ groups: [{ group: "g" }] });
    scene.allows = only([observeTopic]);
    expect(await asked(scene, { kind: "explain", topic: "t", key: "k" })).toMatchObject({
      groups: [],
      text: "no group that you may observe consumes this topic",
    });
    scene.allows = everything;
    expect(await asked(scene, { kind: "describe" })).toMatchObject({
      topics: [{ topic: "t", groups: [{ group: "g" }, { group: "other" }] }, { topic: "u" }],
    });
  });
  it("says nothing of whether a topic or group is there to whoever may not observe it", async () => {
    const scene = await Scene.open(binaryCodec);
    for (const topic of ["t", "none"]) {
      expect(await scene.ask({ kind: "describe.topic", topic })).toBe("FORBIDDEN");
      expect(await scene.ask({ kind: "ends", topic, group: "g" })).toBe("FORBIDDEN");
      expect(await scene.request({ ...requests["topic.find"], topic })).toBe("FORBIDDEN");
    }
  });
});

describe("a right that much goes on under", () => {
  it("is asked about once for all lanes of a producer, no more than every 5 s, and not at all once they are closed", async () => {
    const scene = await Scene.open(binaryCodec);
    const { client, bench } = scene;
    let asked = 0;
    scene.allows = () => {
      asked++;
      return true;
    };
    for (let lane = 1; lane <= 50; lane++) await client.say({ ...laneOpen, request: client.next(), lane });
    expect(asked).toBe(50);
    asked = 0;
    await bench.runtime.advance(9_999);
    expect(asked).toBe(1);
    for (let lane = 1; lane <= 50; lane++) await client.say({ type: "lane.close", lane });
    const { timers } = bench.runtime;
    await bench.runtime.advance(5_000);
    expect([asked, bench.runtime.timers <= timers]).toEqual([1, true]);
  });
  it("is asked about in turns, so that thousands of producers of one link hold up nobody", async () => {
    const scene = await Scene.open(binaryCodec);
    const { client, bench } = scene;
    scene.allows = everything;
    for (let lane = 1; lane <= 600; lane++)
      await client.say({ ...laneOpen, request: client.next(), lane, producer: `p${lane}` });
    let inOneGo = 0;
    const most: number[] = [];
    scene.allows = () => {
      if (inOneGo++ === 0)
        bench.runtime.setTimeout(() => {
          most.push(inOneGo);
          inOneGo = 0;
        }, 0);
      return true;
    };
    await bench.runtime.advance(5_000);
    expect(most).toEqual([256, 256, 88]);
  });
});

describe("a token that expires", () => {
  it("ends its link then, by the wall clock, with UNAUTHENTICATED; without an expiry a link lasts", async () => {
    for (const aheadMs of [0, 3_600_000]) {
      const scene = await Scene.open(binaryCodec);
      const { bench } = scene;
      const expiresAtMs = bench.runtime.wallNow() + 8_000 + aheadMs;
      const client = bench.dial({ id: "somebody", expiresAtMs });
      const lasting = bench.dial("boss");
      for (const each of [client, lasting])
        await each.say({
          type: "hello",
          versions: [1],
          instance: each === client ? "x" : "y",
          link: 1,
          client: "x",
          ordinal: null,
        });
      await bench.runtime.advance(7_999);
      expect(client.link.end).toBeNull();
      if (aheadMs > 0) bench.runtime.jumpWallClock(aheadMs);
      await lasting.say(heartbeat);
      await bench.runtime.advance(aheadMs > 0 ? 5_000 : 1);
      expect(client.last("goodbye").error).toMatchObject({ code: "UNAUTHENTICATED", data: { expiresAtMs } });
      expect(client.link.end?.code).toBe("unauthenticated");
      expect(lasting.link.end).toBeNull();
    }
  });
  it("ends a link that has not said hello yet, too", async () => {
    const { bench } = await Scene.open(binaryCodec);
    const client = bench.dial({ id: "somebody", expiresAtMs: bench.runtime.wallNow() + 1 });
    await bench.runtime.advance(1);
    expect(client.link.end?.code).toBe("unauthenticated");
  });
});
