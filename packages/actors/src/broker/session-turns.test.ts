// What one link sends is worked off in slices, within its limits, with other links in between; and nothing of it is
// lost.
import { describe, expect, it } from "vitest";
import { createClientCore } from "../client/client.ts";
import type { SystemEvent } from "../contracts/events.ts";
import { topicSpec } from "../message/topic.ts";
import type { ClientFrame } from "../protocol/frames.ts";
import { binaryCodec, jsonCodec } from "../protocol/index.ts";
import { BrokerBench, type TestClient } from "./broker.fixture.ts";
import { SHARE_SLICES, SLICE_FRAMES, SLICE_MS } from "./turns.ts";

const T = topicSpec({ name: "t", queues: 2 });
const finds = (client: TestClient, count: number): ClientFrame[] =>
  Array.from({ length: count }, () => ({ type: "topic.find", request: client.next(), topic: "t" }) as const);
const opens = (client: TestClient, count: number): ClientFrame[] => {
  const of = { topic: "t", queue: 0, epoch: null, routeVersion: 1 };
  const open = (lane: number) =>
    ({ type: "lane.open", request: client.next(), lane, producer: `p${lane}`, ...of }) as const;
  return Array.from({ length: count }, (_, lane) => open(lane));
};
const beat = (at: number): ClientFrame => ({ type: "heartbeat", beat: at, grantsSeen: 0, leases: [] });
/** In one packet, without waiting for what comes of it. */
const send = (client: TestClient, frames: readonly ClientFrame[]): void =>
  client.link.send(client.codec.encode(frames));
const found = (client: TestClient): number[] => client.all("topic.found").map(({ request }) => request);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

describe("the links of one principal", () => {
  it("have a few slices together in a turn of the loop, however many they are; those of others have theirs", async () => {
    const bench = await BrokerBench.start({ topics: [T], sliceFrames: 10 });
    const hogs: TestClient[] = [];
    for (let n = 0; n < 20; n++) hogs.push(await bench.client(`hog-${n}`, 1, "mallory"));
    const others = [await bench.client("other", 1, "alice"), await bench.client("another", 1, "bob")];
    await bench.runtime.advance(10);
    for (const client of [...hogs, ...others]) send(client, finds(client, 20));
    await bench.runtime.settle();
    const handled = (clients: readonly TestClient[]) => clients.reduce((sum, client) => sum + found(client).length, 0);
    expect(handled(hogs)).toBe(SHARE_SLICES * 10);
    expect(others.map((client) => found(client).length)).toEqual([10, 10]);
    await bench.runtime.advance(10);
    for (const client of [...hogs, ...others]) expect(found(client)).toEqual(upTo(20));
  });
});

describe("a packet of many frames", () => {
  it.each([binaryCodec, jsonCodec])(
    "is worked off in slices, in order, with other links in between (%#)",
    async (codec) => {
      const bench = await BrokerBench.start({ topics: [T] });
      const hog = bench.dial("somebody", codec);
      await hog.say({ type: "hello", versions: [1], instance: "hog", link: 1, client: "hog", ordinal: null });
      const other = await bench.client("other");
      await bench.runtime.advance(SLICE_MS);
      const count = 4 * SLICE_FRAMES;
      send(hog, finds(hog, count));
      const slices: number[] = [];
      const lookEachTurn = (turn: number): void => {
        expect(other.all("heartbeat.answered"), `beats answered by turn ${turn}`).toHaveLength(turn);
        slices.push(found(hog).length);
        send(other, [beat(turn)]);
        if (turn < 5) bench.runtime.setTimeout(() => lookEachTurn(turn + 1), 0);
      };
      bench.runtime.setTimeout(() => lookEachTurn(0), 0);
      await bench.runtime.advance(10);
      expect(slices).toEqual([1, 2, 3, 4, 4, 4].map((slice) => slice * SLICE_FRAMES));
      expect(found(hog)).toEqual(upTo(count));
      expect(hog.theirs.isPaused).toBe(false);
    },
  );

  it("keeps what comes meanwhile behind it: the link is paused, and its order holds", async () => {
    const bench = await BrokerBench.start({ topics: [T], sliceFrames: 10 });
    const client = await bench.client("a");
    await bench.runtime.advance(SLICE_MS);
    for (let packet = 0; packet < 5; packet++) send(client, finds(client, 25));
    await bench.runtime.settle();
    expect(found(client)).toEqual(upTo(10));
    expect(client.theirs.isPaused).toBe(true);
    await bench.runtime.advance(1);
    expect(found(client)).toEqual(upTo(125));
    expect(client.theirs.isPaused).toBe(false);
  });

  it("is all worked off when its link ends meanwhile, and then the session has ended", async () => {
    const bench = await BrokerBench.start({ topics: [T], sliceFrames: 10 });
    const client = await bench.client("a");
    send(client, opens(client, 35));
    await Promise.resolve();
    await Promise.resolve();
    client.link.abort();
    expect(bench.broker.actors.list("session")).toHaveLength(1);
    await bench.runtime.advance(1);
    expect(bench.broker.actors.list("session")).toHaveLength(0);
    const { queues } = (await bench.runtime.run(bench.broker.describe(T))) as { readonly queues?: unknown };
    expect(queues).toBeDefined();
    const { producers } = await bench.runtime.run(bench.broker.describe(T));
    expect(producers).toHaveLength(35);
  });

  it("of joins is worked off a few at a time, in order, with other links in between", async () => {
    const bench = await BrokerBench.start({ topics: [T] });
    const [hog, other] = [await bench.client("hog"), await bench.client("other")];
    await hog.join("first"); // its group is open
    const count = 100;
    const joined = (): number[] => hog.all("member.joined").map(({ member }) => member);
    const steps: number[] = [];
    const lookEachTurn = (turn: number): void => {
      expect(other.all("heartbeat.answered"), `beats answered by turn ${turn}`).toHaveLength(turn);
      steps.push(joined().length - 1);
      send(other, [beat(turn)]);
      if (turn < 9) bench.runtime.setTimeout(() => lookEachTurn(turn + 1), 0);
    };
    send(
      hog,
      Array.from({ length: count }, (_, n) => hog.joinFrame(`m${n}`, { member: n + 2 })),
    );
    bench.runtime.setTimeout(() => lookEachTurn(0), 0);
    await bench.runtime.advance(10);
    expect(joined()).toEqual(upTo(count + 1));
    const most = Math.max(...steps.map((total, turn) => total - (steps[turn - 1] ?? 0)));
    expect(most).toBeLessThan(count / 2);
  });

  it("of joins is worked off no further once its link has ended", async () => {
    const bench = await BrokerBench.start({ topics: [T] });
    const client = await bench.client("a");
    await client.join("first");
    send(
      client,
      Array.from({ length: 100 }, (_, n) => client.joinFrame(`m${n}`, { member: n + 2 })),
    );
    await Promise.resolve();
    await Promise.resolve();
    client.link.abort();
    await bench.runtime.advance(10);
    expect(bench.broker.actors.list("session")).toHaveLength(0);
    const again = await bench.client("b", 1, "bob");
    await again.join("m99"); // nobody's yet
    expect(again.all("member.joined")).toHaveLength(1);
  });

  it("holds at most 8,192 frames: one more ends the link", async () => {
    const bench = await BrokerBench.start({ topics: [T], settings: { questionsPerSecondMax: 100_000 } });
    for (const codec of [binaryCodec, jsonCodec]) {
      const client = bench.dial("somebody", codec);
      await client.say({ type: "hello", versions: [1], instance: codec.name, link: 1, client: "a", ordinal: null });
      send(client, finds(client, 8_192));
      await bench.runtime.advance(10);
      expect(found(client)).toHaveLength(8_192);
      expect(client.link.end).toBeNull();
      send(client, finds(client, 8_193));
      await bench.runtime.advance(10);
      expect([client.last("goodbye").error?.code, client.link.end?.code]).toEqual(["PROTOCOL_VIOLATION", "violation"]);
      expect(client.last("goodbye").error?.message).toContain("at most 8192 frames");
    }
  });

  it("of heartbeats is answered once, by the newest; what stands between two has both count", async () => {
    const bench = await BrokerBench.start({ topics: [T] });
    const client = await bench.client("a");
    await client.say(...Array.from({ length: 1_000 }, (_, at) => beat(at + 1)));
    expect(client.all("heartbeat.answered").map((answer) => answer.beat)).toEqual([1_000]);
    await client.say(beat(1_001), ...finds(client, 1), beat(1_002), beat(1_003));
    expect(client.all("heartbeat.answered").map((answer) => answer.beat)).toEqual([1_000, 1_001, 1_003]);
  });
});

describe("a link that sends more than its limits allow", () => {
  it("is read later: questions at their rate, ten seconds' worth at once", async () => {
    const bench = await BrokerBench.start({ topics: [T], settings: { questionsPerSecondMax: 10 } });
    const client = await bench.client("a");
    send(client, finds(client, 130));
    await bench.runtime.advance(1);
    expect(found(client).length).toBeLessThanOrEqual(102);
    expect(client.theirs.isPaused).toBe(true);
    await bench.runtime.advance(1_000);
    expect(found(client).length).toBeGreaterThan(108);
    expect(found(client).length).toBeLessThanOrEqual(112);
    await bench.runtime.advance(3_000);
    expect(found(client)).toEqual(upTo(130));
    expect(client.theirs.isPaused).toBe(false);
    expect(client.link.end).toBeNull();
    expect(bench.logged.filter((line) => line.includes("questionsPerSecondMax"))).toHaveLength(1);
  });

  it("is told which one, once a second, where it speaks version 2", async () => {
    const bench = await BrokerBench.start({ topics: [T], settings: { questionsPerSecondMax: 10 } });
    const [newer, older] = [await bench.client("newer"), bench.dial()];
    await older.say({ type: "hello", versions: [1], instance: "older", link: 1, client: "older", ordinal: null });
    for (const client of [newer, older]) send(client, finds(client, 130));
    await bench.runtime.advance(10_000);
    for (const client of [newer, older]) expect(found(client)).toEqual(upTo(130));
    expect(newer.all("limited")[0]).toEqual({
      type: "limited",
      limit: "questionsPerSecondMax",
      max: 10,
      retryInMs: 1_000,
    });
    expect(newer.all("limited")).toHaveLength(3); // 30 too many
    expect(older.all("limited")).toHaveLength(0);
  });

  it("slows down by itself, and tells events$ and the logger: its heartbeats do not stand behind its questions", async () => {
    const bench = await BrokerBench.start({ topics: [T], settings: { questionsPerSecondMax: 20 } });
    const { transport, runtime } = bench;
    const logged: string[] = [];
    const logger = { log: (level: string, text: string) => logged.push(`${level}: ${text}`) };
    const client = await runtime.run(createClientCore({ transport, runtime, logger }));
    const events: SystemEvent[] = [];
    client.events$.subscribe((event) => events.push(event));
    const asked = Array.from({ length: 400 }, () => client.describe(T));
    await runtime.advance(1_000);
    const later = Array.from({ length: 100 }, () => client.describe(T));
    await runtime.run(Promise.all([...asked, ...later]));
    expect(events.filter(({ type }) => type === "link.limited").length).toBeGreaterThan(5);
    expect(events.find(({ type }) => type === "link.limited")).toMatchObject({
      limit: "questionsPerSecondMax",
      max: 20,
      retryInMs: 1_000,
    });
    expect(events.filter(({ type }) => type === "link.closed")).toEqual([]);
    expect(
      logged.filter((line) => line.startsWith("warn: broker") && line.includes("questionsPerSecondMax")),
    ).toHaveLength(1);
    expect(bench.links).toHaveLength(1);
    await runtime.run(client.close());
  });

  it("is read later: all its frames at theirs, a second's worth at once", async () => {
    const bench = await BrokerBench.start({ topics: [T], settings: { framesPerSecondMax: 100 } });
    const client = await bench.client("a");
    const frames = Array.from({ length: 1_000 }, (_, lane) => ({ type: "lane.close", lane }) as const);
    send(client, [...frames, ...finds(client, 1)]);
    await bench.runtime.advance(8_000);
    expect(found(client)).toHaveLength(0);
    await bench.runtime.advance(1_500);
    expect(found(client)).toHaveLength(1);
  });

  it("is neither silent nor given up while it is not listened to, and is again afterwards", async () => {
    const bench = await BrokerBench.start({ topics: [T], settings: { questionsPerSecondMax: 1, heartbeatMs: 100 } });
    const client = await bench.client("a");
    send(client, finds(client, 12));
    await bench.runtime.advance(1_900); // nothing else is sent meanwhile, four heartbeats many times over
    expect(client.link.end).toBeNull();
    await bench.runtime.advance(1_000);
    expect(found(client)).toHaveLength(12);
    expect(client.link.end?.code).toBe("lost");
  });

  it("harms no other link", async () => {
    const bench = await BrokerBench.start({ topics: [T], settings: { questionsPerSecondMax: 10 } });
    const hog = await bench.client("hog");
    const other = await bench.client("other");
    send(hog, finds(hog, 500));
    await bench.runtime.advance(1);
    await other.say(...finds(other, 100));
    expect(found(other)).toHaveLength(100);
  });
});

describe("a link that does not read what it asks for", () => {
  const MIB = 1024 * 1024;
  it("is not listened to while 4 MiB wait for it, and goes on when it has read", async () => {
    const bench = await BrokerBench.start({ topics: [T] });
    const client = await bench.client("a");
    client.theirs.bufferedBytes = 4 * MIB + 1;
    send(client, opens(client, 10));
    await bench.runtime.advance(1);
    expect(client.all("lane.opened")).toHaveLength(0);
    client.theirs.bufferedBytes = 2 * MIB;
    await bench.runtime.advance(1);
    expect(client.all("lane.opened")).toHaveLength(0);
    client.theirs.bufferedBytes = MIB;
    await bench.runtime.advance(1);
    expect(client.all("lane.opened")).toHaveLength(10);
  });
  it("is given up when it reads nothing for as long as a silent one has, and not while it reads something", async () => {
    const bench = await BrokerBench.start({ topics: [T], settings: { heartbeatMs: 1_000 } });
    const client = await bench.client("a");
    client.theirs.bufferedBytes = 8 * MIB;
    send(client, finds(client, 10));
    for (let second = 0; second < 20; second++) {
      await bench.runtime.advance(1_000);
      client.theirs.bufferedBytes -= 1_000;
    }
    expect(client.link.end).toBeNull();
    await bench.runtime.advance(4_100);
    expect(client.link.end?.code).toBe("overloaded");
  });
});
