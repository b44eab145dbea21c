import { describe, expect, it, vi } from "vitest";
import { epoch, offset, sequence } from "../message/brands.ts";
import { concatBytes } from "../message/packed.ts";
import { topicSpec } from "../message/topic.ts";
import { NEWEST_VERSION, PROTOCOL_VERSIONS } from "../protocol/version.ts";
import { message } from "../queue/queue.fixture.ts";
import { Departure } from "../runtime/departure.ts";
import { BrokerBench } from "./broker.fixture.ts";

describe("a link", () => {
  it("is welcomed with the broker's limits", async () => {
    const bench = await BrokerBench.start();
    const client = await bench.client("a");
    expect(client.last("welcome")).toMatchObject({
      version: NEWEST_VERSION,
      broker: "broker",
      heartbeatMs: 3_000,
      durabilityMax: "memory",
    });
    await bench.broker.close();
    expect(client.last("goodbye").error?.code).toBe("UNAVAILABLE");
    expect(client.link.end?.code).toBe("unavailable");
  });
  it("of another version is told so", async () => {
    const bench = await BrokerBench.start();
    const client = bench.dial();
    await client.say({ type: "hello", versions: [99], instance: "a", link: 1, client: "a", ordinal: null });
    expect(client.last("goodbye").error?.code).toBe("VERSION_UNSUPPORTED");
  });
  it("tells in which order the instances came, over restarts too; a place that was not given is not taken", async () => {
    const bench = await BrokerBench.start();
    const ordinal = async (at: BrokerBench, ...of: Parameters<BrokerBench["client"]>) =>
      (await at.client(...of)).last("welcome").ordinal;
    const first = await ordinal(bench, "a");
    const second = await ordinal(bench, "b");
    expect(second).toBeGreaterThan(first);
    expect(await ordinal(bench, "a", 2, "somebody", first)).toBe(first);
    const third = await ordinal(bench, "c", 1, "somebody", 2 ** 53 - 1);
    expect([third > second, Number.isSafeInteger(third)]).toEqual([true, true]);
    await bench.broker.close();
    const later = await BrokerBench.start({ disk: bench.disk, runtime: bench.runtime });
    expect(await ordinal(later, "d")).toBeGreaterThan(third);
    expect(await ordinal(later, "a", 1, "somebody", first)).toBe(first);
  });
  it("that says nothing is closed", async () => {
    const bench = await BrokerBench.start();
    const client = bench.dial();
    await bench.runtime.advance(5_000);
    expect(client.link.end?.code).toBe("violation");
    expect(bench.broker.actors.list("session")).toEqual([]);
  });
  it("of the same instance ends the older one; an older one is refused, also after the newer has gone", async () => {
    const bench = await BrokerBench.start();
    const first = await bench.client("a", 1);
    const third = await bench.client("a", 3);
    expect(first.last("goodbye").error?.code).toBe("CLOSED");
    const second = await bench.client("a", 2);
    expect(second.last("goodbye").error?.code).toBe("PROTOCOL_VIOLATION");
    third.link.abort();
    await bench.runtime.settle();
    expect((await bench.client("a", 2)).all("welcome")).toEqual([]);
    expect((await bench.client("a", 4)).all("welcome")).toHaveLength(1);
  });
  it("that breaks the protocol is told and closed; nobody else is harmed", async () => {
    const bench = await BrokerBench.start();
    const good = await bench.client("good");
    const garbage = bench.dial();
    garbage.link.send(new Uint8Array([1, 2, 3, 255, 255, 255]));
    const late = await bench.client("late");
    late.link.send(new Uint8Array([7, 7, 7]));
    const unknownLane = await bench.client("lane");
    await unknownLane.say({
      type: "batch.append",
      lane: 9,
      epoch: epoch(1),
      sequence: sequence(0),
      count: 1,
      durability: "memory",
      messages: new Uint8Array(8),
    });
    const twice = await bench.client("twice");
    await twice.say({ type: "hello", versions: PROTOCOL_VERSIONS, instance: "x", link: 1, client: "x", ordinal: null });
    const early = bench.dial();
    await early.say({ type: "topic.find", request: 1, topic: "t" });
    for (const client of [late, unknownLane, twice])
      expect(client.last("goodbye").error?.code).toBe("PROTOCOL_VIOLATION");
    for (const client of [garbage, late, unknownLane, twice, early]) expect(client.link.end?.code).toBe("violation");
    await good.say({ type: "topic.find", request: 1, topic: "t" });
    expect(good.last("topic.found").route.runs).toHaveLength(2);
  });
  it("without a sound for four heartbeats is given up, and leaves nothing behind", async () => {
    const bench = await BrokerBench.start();
    const timers = bench.runtime.timers;
    const client = await bench.client("a");
    await client.join("one");
    await bench.runtime.advance(18_000);
    expect(client.link.end?.code).toBe("lost");
    expect(bench.broker.actors.list("session")).toEqual([]);
    await bench.runtime.advance(5_000);
    expect(bench.runtime.timers).toBeLessThanOrEqual(timers);
  });
  it("that asks and does not read is ended: in time, and at once where an answer comes to 32 MiB", async () => {
    const bench = await BrokerBench.start();
    const client = await bench.client("a");
    client.theirs.bufferedBytes = 40 * 1024 * 1024;
    await client.say({ type: "topic.find", request: 1, topic: "t" });
    expect(client.link.end).toBeNull();
    await bench.runtime.advance(12_001);
    expect(client.link.end?.code).toBe("overloaded");
    const other = await bench.client("b");
    other.link.send(other.codec.encode([{ type: "ask", request: 1, question: { kind: "describe" } }]));
    await Promise.resolve(); // it has come, and its answer has not
    other.theirs.bufferedBytes = 40 * 1024 * 1024;
    await bench.runtime.settle();
    expect(other.link.end?.code).toBe("overloaded");
  });
});

describe("rights", () => {
  it("are asked for at each lane, join and order", async () => {
    const bench = await BrokerBench.start({ authorize: () => false });
    const client = await bench.client("a");
    await client.say({
      type: "lane.open",
      request: 1,
      lane: 1,
      topic: "t",
      queue: 0,
      producer: "p",
      epoch: null,
      routeVersion: 1,
    });
    await client.join("one");
    await client.say({ type: "ask", request: 3, question: { kind: "declare", spec: topicSpec({ name: "u" }) } });
    expect(client.all("refused").map((refused) => refused.error.code)).toEqual(["FORBIDDEN", "FORBIDDEN", "FORBIDDEN"]);
    expect(client.link.end).toBeNull();
  });
  it("are asked for with the names that lane and member go by", async () => {
    const asked: string[] = [];
    const bench = await BrokerBench.start({
      authorize: (right) => {
        asked.push(JSON.stringify(right));
        return "producer" in right ? right.producer === "mine" : "consumer" in right && right.consumer === "mine";
      },
    });
    const client = await bench.client("a");
    const lane = { type: "lane.open", topic: "t", queue: 0, epoch: null, routeVersion: 1 } as const;
    await client.say({ ...lane, request: client.next(), lane: 1, producer: "mine" });
    await client.say({ ...lane, request: client.next(), lane: 2, producer: "another's" });
    await client.join("mine");
    await client.join("another's", { member: 2 });
    expect([...new Set(asked)].map((right) => JSON.parse(right))).toEqual([
      { verb: "produce", topic: "t", producer: "mine" },
      { verb: "produce", topic: "t", producer: "another's" },
      { verb: "consume", topic: "t", group: "g", consumer: "mine" },
      { verb: "consume", topic: "t", group: "g", consumer: "another's" },
    ]);
    expect(client.all("lane.opened").map(({ lane }) => lane)).toEqual([1]);
    expect(client.all("member.joined").map(({ member }) => member)).toEqual([1]);
    expect(client.all("refused").map(({ error }) => error.code)).toEqual(["FORBIDDEN", "FORBIDDEN"]);
  });
});

describe("requests", () => {
  it("about what is not there are refused, each once", async () => {
    const bench = await BrokerBench.start();
    const client = await bench.client("a");
    await client.say(
      { type: "topic.find", request: 1, topic: "nope" },
      { type: "lane.open", request: 2, lane: 1, topic: "t", queue: 9, producer: "p", epoch: null, routeVersion: 1 },
      { type: "lane.open", request: 3, lane: 1, topic: "t", queue: 0, producer: "p", epoch: epoch(5), routeVersion: 1 },
      { type: "lease.acquire", request: 4, member: 9, queue: 0, resume: null },
      { type: "ask", request: 5, question: { kind: "describe.group", topic: "t", group: "none" } },
    );
    expect(client.all("refused").map(({ request, error }) => [request, error.code])).toEqual([
      [1, "TOPIC_UNKNOWN"],
      [2, "WRONG_ROUTE"],
      [3, "PRODUCER_UNKNOWN"],
      [4, "UNAVAILABLE"],
      [5, "OPTION_INVALID"],
    ]);
  });
  it("that wait for a cursor are forgotten with their link", async () => {
    const bench = await BrokerBench.start();
    const client = await bench.client("a");
    await client.join("one");
    await client.say({
      type: "ask",
      request: 9,
      question: { kind: "reached", topic: "t", group: "g", ends: [{ queue: 0, end: 5 as never }] },
    });
    client.link.abort();
    await bench.runtime.settle();
    await bench.broker.close(); // nothing hangs
    expect(client.all("answer")).toEqual([]);
  });
});

describe("heartbeats", () => {
  it("renew what they list, and give back what they do not", async () => {
    const bench = await BrokerBench.start();
    const client = await bench.client("a");
    await client.join("one");
    await bench.runtime.advance(1);
    await client.acquire(0);
    await client.acquire(1);
    const [first, second] = client.all("lease.granted");
    await client.say({
      type: "heartbeat",
      beat: 1,
      grantsSeen: 1,
      leases: [{ member: 1, queue: 0, epoch: first!.epoch }],
    });
    expect(client.last("heartbeat.answered")).toMatchObject({ renewed: [{ queue: 0, ttlMs: 10_000 }], ended: [] });
    const view = async () =>
      (await bench.broker.describe(topicSpec({ name: "t" }), { group: "g" })).queues.map(
        (queue) => queue.lease?.epoch ?? null,
      );
    expect(await view()).toEqual([first!.epoch, second!.epoch]); // the second grant was not seen when this was sent
    await client.say({
      type: "heartbeat",
      beat: 2,
      grantsSeen: 2,
      leases: [{ member: 1, queue: 0, epoch: first!.epoch }],
    });
    expect(await view()).toEqual([first!.epoch, null]);
    await client.say({
      type: "heartbeat",
      beat: 3,
      grantsSeen: 2,
      leases: [
        { member: 1, queue: 1, epoch: second!.epoch },
        { member: 1, queue: 0, epoch: first!.epoch },
      ],
    });
    expect(client.last("heartbeat.answered").ended).toMatchObject([{ queue: 1, epoch: second!.epoch }]);
  });
  it("on a new link give back what is not listed any more, and leave what waits to be resumed", async () => {
    const bench = await BrokerBench.start();
    const old = await bench.client("a", 1);
    await old.join("one");
    await bench.runtime.advance(1);
    await old.acquire(0);
    await old.acquire(1);
    const at = old.all("lease.granted")[0]!.epoch;
    const client = await bench.client("a", 2);
    await client.join("one");
    await client.say({ type: "heartbeat", beat: 1, grantsSeen: 0, leases: [{ member: 1, queue: 0, epoch: at }] });
    expect(client.last("heartbeat.answered")).toMatchObject({ renewed: [], ended: [] });
    const { queues } = await bench.broker.describe(topicSpec({ name: "t" }), { group: "g" });
    expect(queues.map((queue) => queue.state)).toEqual(["leased", "vacant"]);
    const resume = {
      epoch: at,
      settle: { ranges: [], redriven: [], tried: [], redrivenTried: [] },
      inHand: [],
      redrivenInHand: [],
    };
    await client.say({ type: "lease.acquire", request: 50, member: 1, queue: 0, resume });
    expect(client.last("lease.granted").epoch).toBe(at);
  });
  it("of a broker whose data belong to another are not answered, and it stops", async () => {
    const bench = await BrokerBench.start();
    const client = await bench.client("a");
    bench.disk.ownerEpoch++;
    await bench.runtime.advance(2_500);
    await client.say({ type: "heartbeat", beat: 1, grantsSeen: 0, leases: [] });
    expect(client.all("heartbeat.answered")).toEqual([]);
    expect(bench.broker.actors.list("broker")).toEqual([]);
  });
});

describe("explain", () => {
  it("says why a key is where it is", async () => {
    const bench = await BrokerBench.start({ topics: [topicSpec({ name: "t", queues: 1 })] });
    const client = await bench.client("a");
    const why = async () => (await bench.broker.explain(topicSpec({ name: "t" }) as never, "k")).text;
    expect(await why()).toContain("no group");
    await client.join("one");
    expect(await why()).toContain("nothing of this key waits");
    await client.produce(["x", "k", "k"], 0);
    expect(await why()).toContain("nobody holds the queue's lease");
    await bench.runtime.advance(1);
    await client.acquire(0);
    const { epoch: at } = client.last("lease.granted");
    expect(await why()).toContain(`lease epoch ${at} held by one`);
    await client.say({ type: "credit", member: 1, queue: 0, epoch: at, messages: 100, bytes: 1e6 });
    expect(await why()).toContain("message 1 is with the consumer; 1 behind it");
    const error = { name: "Error", message: "boom", code: null };
    const put = {
      type: "aside.put",
      member: 1,
      queue: 0,
      epoch: at,
      kind: "park",
      offset: 1 as never,
      key: "k",
      redriven: null,
      attempts: 3,
      error,
    } as const;
    await client.say({ ...put, request: 90 });
    expect(client.last("aside.done").offsets).toEqual([1, 2]);
    expect(await why()).toMatch(/parked since .* behind message 1 \(Error: boom\); 1 behind it/);
    await client.say({
      type: "ask",
      request: 91,
      question: { kind: "aside.list", topic: "t", group: "g", after: null, limit: 10 },
    });
    expect(client.last("answer").answer).toMatchObject({
      entries: [{ key: "k", offset: 1, behind: 1, kind: "parked" }],
      next: null,
    });
  });
  it("names the message that a key waits for which lies 10,000 behind it", async () => {
    const bench = await BrokerBench.start({ topics: [topicSpec({ name: "t", queues: 1 })] });
    const client = await bench.client("a");
    await client.join("one");
    await client.produce([...Array.from({ length: 10_000 }, () => "x"), "k"], 0);
    const why = async () => (await bench.broker.explain(topicSpec({ name: "t" }) as never, "k")).groups[0];
    expect(await why()).toMatchObject({
      state: "unleased",
      backlog: 10_001,
      blockedBy: { offset: 0, attempt: 1 },
      text: expect.stringMatching(/waits until message 0, the oldest that is not settled, is; nobody holds/),
    });
    await bench.runtime.advance(1);
    await client.acquire(0);
    const { epoch: at } = client.last("lease.granted");
    await client.say({ type: "credit", member: 1, queue: 0, epoch: at, messages: 20_000, bytes: 1e7 });
    expect(await why()).toMatchObject({
      state: "waiting",
      blockedBy: { offset: 0 },
      text: expect.stringContaining("held by one"),
    });
    await client.say({
      type: "settle",
      member: 1,
      queue: 0,
      epoch: at,
      settle: 0,
      settlement: { ranges: [[0, 1]], redriven: [], tried: [], redrivenTried: [] },
    } as never);
    expect(await why()).toMatchObject({ state: "handling", blockedBy: { offset: 10_000 } });
  });
});

describe("a producer's name", () => {
  it("stays with the instance that came last, when an older one opens a lane only then, and on a new link", async () => {
    const bench = await BrokerBench.start();
    const older = await bench.client("frozen");
    const newer = await bench.client("successor");
    await newer.produce(["k"], 0);
    const lane = { type: "lane.open", request: 1, lane: 1, topic: "t", queue: 0, producer: "p", epoch: null } as const;
    await older.say({ ...lane, routeVersion: 1 });
    expect(older.last("refused").error.code).toBe("PRODUCER_FENCED");
    const awake = await bench.client("frozen", 2, "somebody", older.last("welcome").ordinal);
    await awake.say({ ...lane, routeVersion: 1 });
    expect(awake.last("refused").error.code).toBe("PRODUCER_FENCED");
    await newer.say({ ...lane, request: 2, lane: 2, routeVersion: 1 });
    expect(newer.all("lane.opened")).toHaveLength(2);
    await awake.say({ ...lane, request: 2, queue: 1, routeVersion: 1 });
    expect(awake.all("lane.opened")).toHaveLength(1);
  });
});

describe("deliveries to a link that holds too much", () => {
  it.each([true, false])(
    "wait until it says that it has drained, and for nothing else (ordered: %s)",
    async (ordered) => {
      const bench = await BrokerBench.start({ topics: [topicSpec({ name: "t", queues: 1, ordered })] });
      const client = await bench.client("a");
      await client.join("m", { concurrency: 10 });
      if (ordered) await client.acquire(0);
      const { epoch } = client.last("lease.granted");
      await client.say({ type: "credit", member: 1, queue: 0, epoch, messages: 100, bytes: 1e9 });
      client.theirs.bufferedBytes = 2 * 1024 * 1024;
      const producer = await bench.client("p");
      await producer.produce(["k"], 0);
      const { timers } = bench.runtime;
      await bench.runtime.advance(500);
      expect(client.all("deliver")).toEqual([]);
      expect(bench.runtime.timers).toBeLessThanOrEqual(timers); // nobody looks by the clock
      client.theirs.bufferedBytes = 300 * 1024;
      await bench.runtime.settle();
      expect(client.all("deliver")).toEqual([]);
      client.theirs.bufferedBytes = 200 * 1024;
      await bench.runtime.settle();
      expect(client.all("deliver")).toHaveLength(1);
    },
  );
});

describe("what one client can pile up", () => {
  it("no more than 1,000 questions without an answer on a link", async () => {
    const bench = await BrokerBench.start();
    const client = await bench.client("a");
    await client.join("m");
    const question = { kind: "reached", topic: "t", group: "g", ends: [{ queue: 0, end: offset(1) }] } as const;
    await client.say(
      ...Array.from({ length: 1_200 }, (_, n) => ({ type: "ask", request: 100 + n, question }) as const),
    );
    await bench.runtime.advance(1);
    expect(client.all("refused").map(({ error }) => error.code)).toEqual(new Array(200).fill("LIMIT_EXCEEDED"));
    await bench.client("b"); // others ask on
    expect(client.link.end).toBeNull();
  });
  it("nothing of questions that have their answer, however long the link lasts", async () => {
    const departures = vi.spyOn(Departure.prototype, "when");
    const bench = await BrokerBench.start();
    const client = await bench.client("a");
    const listening = vi.spyOn(client.theirs.ended, "then");
    await client.join("m");
    const question = { kind: "reached", topic: "t", group: "g", ends: [{ queue: 0, end: offset(1) }] } as const;
    for (let request = 100; request < 150; request++) await client.say({ type: "ask", request, question });
    const [departure] = departures.mock.contexts as Departure[];
    expect(departure?.awaited).toBe(50);
    await client.acquire(0);
    await client.say({
      type: "credit",
      member: 1,
      queue: 0,
      epoch: client.last("lease.granted").epoch,
      messages: 9,
      bytes: 1e6,
    });
    await client.produce(["k"], 0);
    await client.say({
      type: "settle",
      member: 1,
      queue: 0,
      epoch: client.last("lease.granted").epoch,
      settle: 0,
      settlement: { ranges: [[offset(0), offset(1)]], redriven: [], tried: [], redrivenTried: [] },
    });
    expect(client.all("answer")).toHaveLength(50);
    expect(departure?.awaited).toBe(0);
    for (const kind of ["describe", "describe"] as const)
      await client.say({ type: "ask", request: client.next() + 1_000, question: { kind } });
    expect(listening).not.toHaveBeenCalled();
  });
  it("no more than 1,000 groups of a topic", async () => {
    const bench = await BrokerBench.start({ topics: [topicSpec({ name: "t", queues: 1 })] });
    const client = await bench.client("a");
    for (let n = 0; n <= 1_000; n++) {
      await client.join("m", { group: `g${n}` });
      await client.say({ type: "member.leave", member: 1 });
    }
    expect(client.all("member.joined")).toHaveLength(1_000);
    expect(client.all("refused").map(({ error }) => error)).toEqual([
      {
        code: "LIMIT_EXCEEDED",
        message: 'topic "t" has 1000 groups, the limit: join one that is there, or spread them over more topics',
        data: { groupsMax: 1_000 },
      },
    ]);
  });
  it("nothing under an epoch that its lane was not opened with", async () => {
    const bench = await BrokerBench.start();
    const client = await bench.client("a");
    await client.produce(["k"], 0);
    const { epoch: given } = client.last("lane.opened");
    const batch = { type: "batch.append", lane: 1, sequence: sequence(1), count: 1, durability: "memory" } as const;
    await client.say({ ...batch, epoch: epoch(given + 1), messages: concatBytes([message("k")]) });
    expect(client.last("batch.refused")).toMatchObject({ sequence: 1, error: { code: "PRODUCER_FENCED" } });
    await client.say({ ...batch, epoch: given, messages: concatBytes([message("k")]) });
    expect(client.last("batch.appended")).toMatchObject({ sequence: 1 });
  });
});
