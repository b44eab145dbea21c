// Faults of our own in a session: whatever throws while a frame is handled, a question answered or an answer written
// ends that link with INTERNAL, and nothing else.
import { afterEach, describe, expect, it, vi } from "vitest";
import { epoch, sequence } from "../message/brands.ts";
import { FaultyFrame, INJECTED } from "../protocol/faulty-frame.fixture.ts";
import type { BrokerFrame, ClientFrame } from "../protocol/frames.ts";
import { binaryCodec, changedFrames } from "../protocol/index.ts";
import { KINDS } from "../protocol/questions/examples.fixture.ts";
import { PROTOCOL_VERSIONS } from "../protocol/version.ts";
import { Lease } from "../subscription/lease.ts";
import { SubscriptionState } from "../subscription/subscription-state.ts";
import { BrokerBench, TestClient } from "./broker.fixture.ts";
import { FRAMES, parkedScene, QUESTIONS_AT_ONCE, questionOf, Scene, settlement } from "./every-frame.fixture.ts";

const reader = binaryCodec.reader.bind(binaryCodec);
const encode = binaryCodec.encode.bind(binaryCodec);
afterEach(() => vi.restoreAllMocks());

const actorState = ({ bench }: Scene): string | undefined =>
  bench.broker.actors.list("subscription").find(({ path }) => path.endsWith("t/0/g"))?.state;

/** The next frame of a type that the broker reads throws at the n-th look into it. */
function throwAtLook(at: number, type: ClientFrame["type"]): FaultyFrame {
  const faulty = new FaultyFrame(at);
  vi.spyOn(binaryCodec, "reader").mockImplementation((packet) =>
    changedFrames(reader(packet), (frame) => (frame.type === type ? faulty.wrap(frame) : frame)),
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
      await scene.victim.say(scene.ask(questionOf(kind, entry)));
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
  limited: async ({ bench, victim }) => {
    const find = () => ({ type: "topic.find", request: victim.next(), topic: "nope" }) as const;
    await victim.say(...Array.from({ length: QUESTIONS_AT_ONCE + 1 }, find));
    await bench.runtime.advance(1);
  },
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
  "member.ended": async ({ bench, revoked }) => {
    revoked.add("one");
    await bench.runtime.advance(5_000);
    revoked.clear();
  },
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
    await scene.victim.say(scene.ask(questionOf("aside.redrive", "")));
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
    await scene.victim.say(scene.ask(questionOf(kind, entry)));
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
      const line = bench.entries.find(({ text }) => text.includes("the authorizer threw"));
      expect(line?.data["error"]).toBe(
        "TypeError: authorize must return true or false, found object: it cannot be async",
      );
    }
  });
  it("tells whoever's change waits behind it for the store that it could not be made, and not why", async () => {
    const { scene, entry } = await parkedScene();
    const { bench, victim, other } = scene;
    const stored: (() => void)[] = [];
    bench.disk.beforeApply = () => new Promise((resolve) => stored.push(resolve));
    const tried = (attempts: number) => ({ ...scene.lease, settlement: settlement({ tried: [[2, attempts]] }) });
    for (let settle = 0; settle < 64; settle++) await victim.say({ type: "settle", ...tried(settle + 1), settle });
    const ask = other.next();
    await other.say({ type: "ask", request: ask, question: questionOf("aside.retry", entry) }); // gathers: the store has enough to do
    vi.spyOn(SubscriptionState.prototype, "settle").mockImplementationOnce(faultyEncode);
    await victim.say({ type: "settle", ...scene.lease, settle: 64, settlement: settlement({ ranges: [[2, 3]] }) });
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
    const tried = (attempts: number) => ({ ...scene.lease, settlement: settlement({ tried: [[2, attempts]] }) });
    for (let settle = 0; settle < 64; settle++) await victim.say({ type: "settle", ...tried(settle + 1), settle });
    await other.say({ type: "ask", request: other.next(), question: questionOf("aside.retry", entry) });
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
    vi.spyOn(Lease.prototype, "send").mockImplementationOnce(() => faultyEncode());
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
