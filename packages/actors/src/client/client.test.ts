import { describe, expect, it } from "vitest";
import { z } from "zod";
import { ask } from "../link/ask.ts";
import { linkedBy } from "../link/connections.fixture.ts";
import { codeOf, TappedBroker, type TappedOptions } from "../link/tapped-broker.fixture.ts";
import { isMessagingError, MessagingError } from "../message/errors.ts";
import { topic, typed } from "../message/topic.ts";
import { jsonCodec } from "../protocol/index.ts";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import type { Client } from "./client-api.ts";

const lines = topic("lines", { schema: typed<string>(), key: "send", queues: 1 });

async function setUp(options: TappedOptions = {}) {
  const broker = await TappedBroker.start({ topics: [lines], ...options });
  return { broker, runtime: broker.runtime, tap: broker.tap };
}

describe("the first connection", () => {
  it("fails with CONNECT_TIMEOUT when nobody answers in time, with the reason", async () => {
    const { runtime, broker, tap } = await setUp();
    tap.onDial = () => new MessagingError("UNAVAILABLE", "nobody listens");
    const error = await broker.connect({ connectTimeoutMs: 3_000 }).catch((reason: unknown) => reason);
    expect(isMessagingError(error, "CONNECT_TIMEOUT") && error.message).toContain("nobody listens");
    expect(runtime.now()).toBe(3_000);
    expect(tap.dials).toBeGreaterThan(3);
    expect(broker.clientTimers.size).toBe(0);
  });
  it("aborts a dial that hangs, and a broker that says nothing", async () => {
    const hanging = await setUp();
    hanging.tap.onDial = () => "hang";
    expect(await codeOf(hanging.broker.connect({ connectTimeoutMs: 1_000 }))).toBe("CONNECT_TIMEOUT");
    const silent = await setUp();
    silent.tap.hold("hello");
    expect(await codeOf(silent.broker.connect({ connectTimeoutMs: 1_000 }))).toBe("CONNECT_TIMEOUT");
    expect(silent.tap.live).toEqual([]);
  });
  it("fails at once where trying again cannot help", async () => {
    for (const code of ["UNAUTHENTICATED", "FORBIDDEN", "VERSION_UNSUPPORTED"] as const) {
      const { runtime, broker, tap } = await setUp();
      tap.onDial = () => new MessagingError(code, "no");
      expect(await codeOf(broker.connect())).toBe(code);
      expect([tap.dials, runtime.now(), broker.clientTimers.size]).toEqual([1, 0, 0]);
    }
  });
  it("fails when the broker speaks no version of ours", async () => {
    const { broker, tap } = await setUp();
    tap.on("welcome", (welcome) => ({ ...welcome, version: 9 }));
    expect(await codeOf(broker.connect())).toBe("PROTOCOL_VIOLATION");
  });
  it("refuses options that cannot be", async () => {
    const { broker } = await setUp();
    for (const options of [{ name: "a b" }, { connectTimeoutMs: 0 }, { token: 5 }, { transport: {} }])
      expect(await codeOf(broker.connect(options as never))).toBe("OPTION_INVALID");
  });
  it("works in every codec", async () => {
    const { runtime, broker } = await setUp({ codec: jsonCodec });
    const client = await broker.connect();
    await runtime.run(client.producer(lines).send("a", { key: "k" }));
    expect(broker.stored(lines)).toHaveLength(1);
  });
});

describe("a lost link", () => {
  it("is dialled anew for ever, later and later, with a token asked anew", async () => {
    const { runtime, broker, tap } = await setUp();
    let asked = 0;
    const client = await broker.connect({ token: () => `t${++asked}` });
    tap.onDial = () => new MessagingError("UNAVAILABLE", "away");
    tap.cut();
    await runtime.advance(120_000);
    expect(tap.dials).toBeGreaterThan(100); // never more than backoff.maxMs apart
    expect(tap.dials).toBeLessThan(400);
    expect(client.actors.list("connection").map(({ state }) => state)).toEqual(["backingOff"]);
    tap.onDial = () => null;
    await runtime.advance(1_000);
    expect(client.actors.list("connection").map(({ state }) => state)).toEqual(["open"]);
    expect(broker.events.map(({ type }) => type)).toEqual(["link.closed", "link.opened"]);
    expect(broker.events[0]).toMatchObject({ broker: "broker", code: "UNAVAILABLE" });
    expect(tap.tokens.at(-1)).toBe(`t${asked}`);
    expect(new Set(tap.tokens).size).toBe(asked);
    expect(tap.sent("hello").map(({ link }) => link)).toEqual([1, 2]);
    expect(new Set(tap.sent("hello").map(({ instance }) => instance)).size).toBe(1);
  });
  it("shows its place among clients again, which comes from its first welcome by those data", async () => {
    const { runtime, broker, tap } = await setUp();
    let data: { readonly ordinal: number; readonly brokerId?: string } = { ordinal: 7 };
    tap.on("welcome", (welcome) => ({ ...welcome, ...data }));
    await broker.connect();
    for (const next of [{ ordinal: 9 }, { ordinal: 11, brokerId: "b2" }, { ordinal: 13, brokerId: "b2" }]) {
      data = next;
      tap.cut();
      await runtime.advance(10_000);
    }
    expect(tap.sent("hello").map(({ ordinal }) => ordinal)).toEqual([null, 7, 7, 11]);
  });
  it("is dialled anew although the token is refused, and events$ tells the code", async () => {
    const { runtime, broker, tap } = await setUp();
    const client = await broker.connect();
    tap.onDial = () => new MessagingError("UNAUTHENTICATED", "expired");
    tap.cut();
    await runtime.advance(1_000);
    const codes = broker.emitted("link.closed").map(({ code }) => code);
    expect(codes).toEqual(expect.arrayContaining(["UNAVAILABLE", "UNAUTHENTICATED"]));
    tap.onDial = () => null;
    await runtime.advance(2_000);
    expect(client.actors.list("connection")[0]?.state).toBe("open");
  });
  it("waits longer each time a broker that takes it drops it at once", async () => {
    const { runtime, broker, tap } = await setUp();
    await broker.connect();
    tap.on("hello", (_, link) => {
      link.cut();
      return null;
    });
    tap.cut();
    await runtime.advance(20_000);
    expect(tap.dials).toBeGreaterThan(5);
    expect(tap.dials).toBeLessThan(60);
  });
  it("is what garbage leads to: closed as a violation, dialled anew", async () => {
    const { runtime, broker, tap } = await setUp();
    await broker.connect();
    const garbage = [
      new Uint8Array([1, 2, 3]),
      new Uint8Array(0),
      tap.codec.encode([{ type: "topic.find", request: 1, topic: "x" }]),
      tap.codec.encode([{ type: "member.joined", request: 99, member: 1, ordered: true }]),
      tap.codec.encode([{ type: "heartbeat.answered", beat: 99, renewed: [], ended: [] }]),
    ];
    for (const packet of garbage) {
      const link = tap.live[0];
      link?.insertPacket(packet);
      await runtime.advance(5_000);
      expect(link?.closedWith?.code).toBe("violation");
      expect(tap.live).toHaveLength(1);
    }
  });
  it("follows a goodbye, with its code", async () => {
    const { runtime, broker, tap } = await setUp();
    await broker.connect();
    tap.insert({ type: "goodbye", error: { code: "LIMIT_EXCEEDED", message: "too many", data: {} } });
    await runtime.advance(5_000);
    expect(broker.emitted("link.closed").map(({ code }) => code)).toEqual(["LIMIT_EXCEEDED"]);
    expect(tap.live).toHaveLength(1);
  });
});

describe("heartbeats", () => {
  it("go out every heartbeatMs, one for all", async () => {
    const { runtime, broker, tap } = await setUp();
    await broker.connect();
    await runtime.advance(30_000);
    expect(tap.sent("heartbeat")).toHaveLength(10);
  });
  it("find a broker that went silent: the link is aborted and dialled anew", async () => {
    const { runtime, broker, tap } = await setUp();
    await broker.connect();
    tap.hold("heartbeat");
    await runtime.advance(9_500);
    expect(tap.dials).toBe(1);
    await runtime.advance(4_000);
    expect(tap.dials).toBe(2);
  });
});

describe("questions", () => {
  it("are asked again on the next link when they change nothing", async () => {
    const { runtime, broker, tap } = await setUp();
    const client = await broker.connect();
    const goOn = tap.hold("ask");
    const asked = client.describe();
    await runtime.settle();
    tap.cut();
    goOn();
    expect((await runtime.run(asked)).topics.map(({ topic }) => topic)).toEqual(["lines"]);
    expect(tap.sent("ask")).toHaveLength(2);
  });
  it("are not asked again when they do: OUTCOME_UNKNOWN", async () => {
    const { runtime, broker, tap } = await setUp();
    const client = await broker.connect();
    const goOn = tap.hold("ask");
    const asked = codeOf(client.admin.setAside(lines, { group: "g" }).retry("e", { reason: "r" }));
    await runtime.settle();
    tap.cut();
    goOn();
    expect(await runtime.run(asked)).toBe("OUTCOME_UNKNOWN");
    await runtime.advance(5_000);
    expect(tap.sent("ask")).toHaveLength(1);
  });
  it("give up after a while, and when the client closes", async () => {
    const { runtime, broker, tap } = await setUp();
    const client = await broker.connect();
    const answersAgain = tap.on("answer", () => null);
    expect(await runtime.run(codeOf(client.explain(lines, "k")))).toBe("UNAVAILABLE");
    answersAgain();
    const unknown = topic("unknown", { schema: typed<string>(), key: "send" });
    expect(await runtime.run(codeOf(client.explain(unknown, "k")))).toBe("TOPIC_UNKNOWN");
    await runtime.run(client.close());
    expect(await codeOf(client.describe())).toBe("CLOSED");
    expect(broker.clientTimers.size).toBe(0);
  });
  it("stop when their signal fires", async () => {
    const runtime = simulatedRuntime({ seed: 7 });
    const brokers = linkedBy();
    const stop = new AbortController();
    const asked = ask({ ...brokers, runtime }, { kind: "describe" }, stop.signal).catch((reason: unknown) => reason);
    stop.abort("enough");
    expect(await asked).toBe("enough");
    expect(runtime.timers).toBe(0);
  });
});

describe("admin", () => {
  const bodies = topic("bodies", {
    schema: z.object({ id: z.string(), n: z.coerce.number() }),
    key: (body) => body.id,
    queues: 2,
  });
  const of = { group: "g" };
  /** Bodies of any kind, and a group that parks them all. */
  const anything = topic("bodies", { schema: typed<unknown>(), key: "send", queues: 2 });
  const unkeyed = topic("bodies", { schema: typed<unknown>(), key: null, queues: 2 });
  async function park(broker: TappedBroker, send: (client: Client) => readonly Promise<unknown>[]): Promise<void> {
    const client = await broker.beside();
    const consumer = client.consumer(anything, { ...of, retry: { attempts: 3, initialMs: 1, jitter: 0 } });
    void consumer.run(() => {
      throw new Error("no");
    });
    await broker.runtime.run(Promise.all([consumer.ready(), ...send(client)]));
    await broker.runtime.run(consumer.caughtUp());
    await broker.runtime.run(consumer.close());
  }

  it("lists page by page, with bodies parsed, or raw where the schema refuses them", async () => {
    const { runtime, broker, tap } = await setUp({ topics: [bodies] });
    const client = await broker.connect();
    await park(broker, (other) => {
      const keyed = other.producer(anything);
      return [
        keyed.send({ id: "k", n: "5" }, { key: "k", id: "id-1", headers: { h: "1" } }),
        keyed.send({ id: "k", n: 6 }, { key: "k" }),
        keyed.send({ id: "k", n: 7 }, { key: "k" }),
        keyed.send({ id: 7 }, { key: "l" }),
        other.producer(unkeyed).send({ id: "k", n: 1 }),
      ];
    });
    tap.on("ask", (frame) => {
      const { question } = frame;
      return question.kind === "aside.list" ? { ...frame, question: { ...question, limit: 2 } } : frame;
    });
    const read = async (limit?: number) => {
      const entries = [];
      for await (const entry of client.admin.setAside(bodies, of).list(limit === undefined ? {} : { limit }))
        entries.push(entry);
      return entries;
    };
    const entries = await runtime.run(read());
    expect(tap.sent("ask")).toHaveLength(2);
    expect(entries.map(({ kind, key, message }) => [kind, key, message.body])).toEqual(
      expect.arrayContaining([
        ["parked", "k", { id: "k", n: 5 }],
        ["parked", "l", { id: 7 }],
        ["dead-letter", null, { id: "k", n: 1 }],
      ]),
    );
    expect(entries).toHaveLength(3);
    expect(entries.find(({ key }) => key === "k")).toMatchObject({
      behind: 2,
      attempts: 3,
      message: { topic: "bodies", id: "id-1", headers: { h: "1" } },
    });
    expect(await runtime.run(read(1))).toHaveLength(1);
  });
  it("records what was redriven and discarded, and tells who did it", async () => {
    const { runtime, broker } = await setUp({ topics: [bodies] });
    const client = await broker.connect({ name: "ops" });
    await park(broker, (other) => {
      const producer = other.producer(anything);
      return ["a", "b", "c"].flatMap((key) => [
        producer.send({ id: key, n: "x" }, { key, id: `${key}1` }),
        producer.send({ id: key, n: 2 }, { key }),
      ]);
    });
    const aside = client.admin.setAside(bodies, of);
    const placesOf = async (key: string) => (await runtime.run(aside.peek(key))).map(({ offset }) => offset);
    const [a, b, c] = [await placesOf("a"), await placesOf("b"), await placesOf("c")];
    const listed = async () => {
      for await (const { key, entry } of aside.list()) if (key === "c") return entry;
      throw new Error("not listed");
    };
    const entry = await runtime.run(listed());
    expect(await runtime.run(aside.redrive("a", { reason: "bank is back" }))).toEqual({ redriven: 2 });
    expect(await runtime.run(aside.discard("b", { reason: "test data" }))).toEqual({ discarded: 2 });
    await runtime.run(aside.replace(entry, { id: "c", n: "4" }, { reason: "typo" }));
    const steps = broker.history.map((step) => [step.type, "offset" in step && step.offset, "id" in step && step.id]);
    expect(steps.slice(0, 5)).toEqual([
      ["redriven", a?.[0], "a1"],
      ["redriven", a?.[1], null],
      ["discarded", b?.[0], "b1"],
      ["discarded", b?.[1], null],
      ["redriven", c?.[0], "c1"],
    ]);
    expect(broker.events).toMatchObject([
      { type: "key.redriven", key: "a", reason: "bank is back", by: "ops" },
      { type: "key.discarded", by: "ops" },
      { type: "message.replaced", offset: c?.[0], key: "c" },
    ]);
    expect(await codeOf(aside.redrive("a", { reason: " " }))).toBe("OPTION_INVALID");
    expect(await codeOf(aside.replace(entry, { id: 5 } as never, { reason: "x" }))).toBe("SCHEMA_FAILED");
  });
  it("declares topics and counts offsets", async () => {
    const { runtime, broker, tap } = await setUp({ topics: [] });
    const client = await broker.connect();
    await runtime.run(client.admin.declare(bodies));
    const ready = client.consumer(bodies, of);
    void ready.run(() => {});
    await runtime.run(ready.ready());
    const counted = await runtime.run(client.admin.account(bodies, of));
    expect(counted.map(({ queue, end }) => [queue, end])).toEqual([
      [0, 0],
      [1, 0],
    ]);
    expect(tap.sent("ask").map(({ question }) => question)).toMatchObject([
      { kind: "declare", spec: { name: "bodies", queues: 2 } },
      { kind: "account", topic: "bodies", group: "g" },
    ]);
  });
});

describe("close", () => {
  it("says goodbye, once, and ends everything", async () => {
    const { runtime, broker, tap } = await setUp();
    const client = await broker.connect();
    let completed = false;
    client.events$.subscribe({ complete: () => (completed = true) });
    await runtime.run(Promise.all([client.close(), client.close(), client[Symbol.asyncDispose]()]));
    await runtime.advance(60_000);
    expect(tap.sent("goodbye")).toHaveLength(1);
    expect(tap.live).toEqual([]);
    const types = broker.events.map(({ type }) => type);
    expect([types, completed, broker.clientTimers.size, tap.dials]).toEqual([["link.closed"], true, 0, 1]);
  });
  it("ends a client that is reconnecting, too", async () => {
    const { runtime, broker, tap } = await setUp();
    const client = await broker.connect();
    tap.onDial = () => "hang";
    tap.cut();
    await runtime.advance(5_000);
    const send = codeOf(client.producer(lines).send("a", { key: "k" }));
    await runtime.run(client.close({ timeoutMs: 1_000 }));
    expect(await send).toBe("CLOSED");
    await runtime.settle();
    expect(broker.clientTimers.size).toBe(0);
  });
});
