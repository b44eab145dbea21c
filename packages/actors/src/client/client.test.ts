import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { SystemEvent } from "../contracts/events.ts";
import type { HistoryStep } from "../contracts/history.ts";
import { ask } from "../link/ask.ts";
import { FakeBroker } from "../link/fake-broker.fixture.ts";
import { encodeBody } from "../message/body.ts";
import { offset } from "../message/brands.ts";
import { isMessagingError, MessagingError } from "../message/errors.ts";
import { packMessage } from "../message/packed.ts";
import { topic, typed } from "../message/topic.ts";
import { jsonCodec } from "../protocol/index.ts";
import type { Answers, AsideListed, Question } from "../protocol/questions.ts";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { type ClientCoreOptions, createClientCore } from "./client.ts";

const lines = topic("lines", { schema: typed<string>(), key: "send", queues: 1 });

function setUp(seed = 7, options: ConstructorParameters<typeof FakeBroker>[1] = { topics: [lines] }) {
  const runtime = simulatedRuntime({ seed });
  const broker = new FakeBroker(runtime, options);
  const connect = (more: Partial<ClientCoreOptions> = {}) =>
    runtime.run(createClientCore({ transport: broker.transport, runtime, ...more }));
  return { runtime, broker, connect };
}
const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return "fulfilled";
  } catch (error) {
    return isMessagingError(error) ? error.code : String(error);
  }
};

describe("the first connection", () => {
  it("fails with CONNECT_TIMEOUT when nobody answers in time, with the reason", async () => {
    const { runtime, broker, connect } = setUp();
    broker.onDial = () => new MessagingError("UNAVAILABLE", "nobody listens");
    const error = await connect({ connectTimeoutMs: 3_000 }).catch((reason: unknown) => reason);
    expect(isMessagingError(error, "CONNECT_TIMEOUT") && error.message).toContain("nobody listens");
    expect(runtime.now()).toBe(3_000);
    expect(broker.dials).toBeGreaterThan(3);
    expect(runtime.timers).toBe(0);
  });
  it("aborts a dial that hangs, and a broker that says nothing", async () => {
    const hanging = setUp();
    hanging.broker.onDial = () => "hang";
    expect(await codeOf(hanging.connect({ connectTimeoutMs: 1_000 }))).toBe("CONNECT_TIMEOUT");
    const silent = setUp();
    silent.broker.ignores = () => true;
    expect(await codeOf(silent.connect())).toBe("CONNECT_TIMEOUT");
    expect(silent.broker.live).toEqual([]);
  });
  it("fails at once where trying again cannot help", async () => {
    for (const code of ["UNAUTHENTICATED", "FORBIDDEN", "VERSION_UNSUPPORTED"] as const) {
      const { runtime, broker, connect } = setUp();
      broker.onDial = () => new MessagingError(code, "no");
      expect(await codeOf(connect())).toBe(code);
      expect([broker.dials, runtime.now(), runtime.timers]).toEqual([1, 0, 0]);
    }
  });
  it("fails when the broker speaks no version of ours", async () => {
    const { broker, connect } = setUp();
    broker.welcome = { version: 9 };
    expect(await codeOf(connect())).toBe("PROTOCOL_VIOLATION");
  });
  it("refuses options that cannot be", async () => {
    const { connect } = setUp();
    for (const options of [{ name: "a b" }, { connectTimeoutMs: 0 }, { token: 5 }, { transport: {} }])
      expect(await codeOf(connect(options as never))).toBe("OPTION_INVALID");
  });
  it("works in every codec", async () => {
    const { runtime, broker, connect } = setUp(1, { topics: [lines], codec: jsonCodec });
    const client = await connect({ codec: jsonCodec });
    await runtime.run(client.producer(lines).send("a", { key: "k" }));
    expect(broker.log("lines")).toHaveLength(1);
  });
});

describe("a lost link", () => {
  it("is dialled anew for ever, later and later, with a token asked anew", async () => {
    const { runtime, broker, connect } = setUp();
    let asked = 0;
    const client = await connect({ token: () => `t${++asked}` });
    const events: SystemEvent[] = [];
    client.events$.subscribe((event) => events.push(event));
    broker.onDial = () => new MessagingError("UNAVAILABLE", "away");
    broker.cut();
    await runtime.advance(120_000);
    expect(broker.dials).toBeGreaterThan(100); // never more than backoff.maxMs apart
    expect(broker.dials).toBeLessThan(400);
    expect(client.actors.list("connection").map(({ state }) => state)).toEqual(["backingOff"]);
    broker.onDial = () => null;
    await runtime.advance(1_000);
    expect(client.actors.list("connection").map(({ state }) => state)).toEqual(["open"]);
    expect(events.map(({ type }) => type)).toEqual(["link.closed", "link.opened"]);
    expect(events[0]).toMatchObject({ broker: "fake", code: "UNAVAILABLE" });
    expect(broker.tokens.at(-1)).toBe(`t${asked}`);
    expect(new Set(broker.tokens).size).toBe(asked);
    expect(broker.hellos.map(({ link }) => link)).toEqual([1, 2]);
    expect(new Set(broker.hellos.map(({ instance }) => instance)).size).toBe(1);
  });
  it("shows its place among clients again, which comes from its first welcome by those data", async () => {
    const { runtime, broker, connect } = setUp();
    broker.welcome = { ordinal: 7 };
    await connect();
    for (const welcome of [{ ordinal: 9 }, { ordinal: 11, brokerId: "b2" }, { ordinal: 13, brokerId: "b2" }]) {
      broker.welcome = welcome;
      broker.cut();
      await runtime.advance(10_000);
    }
    expect(broker.hellos.map(({ ordinal }) => ordinal)).toEqual([null, 7, 7, 11]);
  });
  it("is dialled anew although the token is refused, and events$ tells the code", async () => {
    const { runtime, broker, connect } = setUp();
    const client = await connect();
    const codes: unknown[] = [];
    client.events$.subscribe((event) => event.type === "link.closed" && codes.push(event.code));
    broker.onDial = () => new MessagingError("UNAUTHENTICATED", "expired");
    broker.cut();
    await runtime.advance(1_000);
    expect(codes).toEqual(expect.arrayContaining(["UNAVAILABLE", "UNAUTHENTICATED"]));
    broker.onDial = () => null;
    await runtime.advance(2_000);
    expect(client.actors.list("connection")[0]?.state).toBe("open");
  });
  it("waits longer each time a broker that takes it drops it at once", async () => {
    const { runtime, broker, connect } = setUp();
    await connect();
    broker.ignores = (frame) => {
      if (frame.type !== "hello") return false;
      broker.cut();
      return true;
    };
    broker.cut();
    await runtime.advance(20_000);
    expect(broker.dials).toBeLessThan(60);
  });
  it("is what garbage leads to: closed as a violation, dialled anew", async () => {
    const { runtime, broker, connect } = setUp();
    await connect();
    const garbage = [
      new Uint8Array([1, 2, 3]),
      new Uint8Array(0),
      broker.codec.encode([{ type: "topic.find", request: 1, topic: "x" }]),
      broker.codec.encode([{ type: "member.joined", request: 99, member: 1, ordered: true }]),
      broker.codec.encode([{ type: "heartbeat.answered", beat: 99, renewed: [], ended: [] }]),
    ];
    for (const packet of garbage) {
      const session = broker.live[0];
      session?.sendBytes(packet);
      await runtime.advance(5_000);
      expect(session?.closedWith?.code).toBe("violation");
      expect(broker.live).toHaveLength(1);
    }
  });
  it("follows a goodbye, with its code", async () => {
    const { runtime, broker, connect } = setUp();
    const client = await connect();
    const codes: unknown[] = [];
    client.events$.subscribe((event) => event.type === "link.closed" && codes.push(event.code));
    broker.live[0]?.send({ type: "goodbye", error: { code: "LIMIT_EXCEEDED", message: "too many", data: {} } });
    await runtime.advance(5_000);
    expect(codes).toEqual(["LIMIT_EXCEEDED"]);
    expect(broker.live).toHaveLength(1);
  });
});

describe("heartbeats", () => {
  it("go out every heartbeatMs, one for all", async () => {
    const { runtime, broker, connect } = setUp();
    await connect();
    await runtime.advance(30_000);
    expect(broker.frames.filter(({ type }) => type === "heartbeat")).toHaveLength(10);
  });
  it("find a broker that went silent: the link is aborted and dialled anew", async () => {
    const { runtime, broker, connect } = setUp();
    await connect();
    broker.ignores = (frame) => frame.type === "heartbeat";
    await runtime.advance(9_500);
    expect(broker.dials).toBe(1);
    await runtime.advance(4_000);
    expect(broker.dials).toBe(2);
  });
});

describe("questions", () => {
  it("are asked again on the next link when they change nothing", async () => {
    const { runtime, broker, connect } = setUp();
    const client = await connect();
    broker.onAsk = () => "silent";
    const asked = client.describe();
    await runtime.settle();
    broker.onAsk = () => ({ brokers: [], topics: [] });
    broker.cut();
    expect(await runtime.run(asked)).toEqual({ brokers: [], topics: [] });
  });
  it("are not asked again when they do: OUTCOME_UNKNOWN", async () => {
    const { runtime, broker, connect } = setUp();
    const client = await connect();
    broker.onAsk = () => "silent";
    const asked = codeOf(client.admin.setAside(lines, { group: "g" }).retry("e", { reason: "r" }));
    await runtime.settle();
    broker.cut();
    expect(await runtime.run(asked)).toBe("OUTCOME_UNKNOWN");
  });
  it("give up after a while, and when the client closes", async () => {
    const { runtime, broker, connect } = setUp();
    const client = await connect();
    broker.onAsk = () => "silent";
    expect(await runtime.run(codeOf(client.explain(lines, "k")))).toBe("UNAVAILABLE");
    broker.onAsk = () => new MessagingError("TOPIC_UNKNOWN", "no");
    expect(await runtime.run(codeOf(client.explain(lines, "k")))).toBe("TOPIC_UNKNOWN");
    await runtime.run(client.close());
    expect(await codeOf(client.describe())).toBe("CLOSED");
    expect(runtime.timers).toBe(0);
  });
  it("stop when their signal fires", async () => {
    const { runtime, broker } = setUp();
    const connection = { link: null, links$: { subscribe: () => ({ unsubscribe() {} }) } } as never;
    const stop = new AbortController();
    const asked = ask({ connection, runtime }, { kind: "describe" }, stop.signal).catch((reason: unknown) => reason);
    stop.abort("enough");
    expect(await asked).toBe("enough");
    expect([runtime.timers, broker.dials]).toEqual([0, 0]);
  });
});

describe("admin", () => {
  const bodies = topic("bodies", {
    schema: z.object({ id: z.string(), n: z.coerce.number() }),
    key: (body) => body.id,
    queues: 2,
  });
  const stored = (at: number, body: unknown, id: string | null = null) => ({
    queue: 1,
    offset: offset(at),
    appendedAtMs: 1_000,
    message: packMessage({
      key: "k",
      slot: 3,
      id,
      headers: { h: "1" },
      dueMs: null,
      encoding: "msgpack",
      body: encodeBody("msgpack", body),
    }),
  });
  const listed = (at: number, body: unknown, kind: AsideListed["kind"] = "parked"): AsideListed => ({
    ...stored(at, body, `id-${at}`),
    kind,
    entry: `e${at}`,
    key: "k",
    behind: kind === "parked" ? 2 : 0,
    sinceMs: 5,
    attempts: 3,
    error: { name: "Error", message: "no", code: null },
  });

  it("lists page by page, with bodies parsed, or raw where the schema refuses them", async () => {
    const { runtime, broker, connect } = setUp(1, { topics: [bodies] });
    const client = await connect();
    broker.onAsk = (question) => {
      if (question.kind !== "aside.list") throw new Error(question.kind);
      return question.after === null
        ? { entries: [listed(1, { id: "k", n: "5" }), listed(2, { id: 7 })], next: "2" }
        : { entries: [listed(3, { id: "k", n: 1 }, "dead-letter")], next: null };
    };
    const read = async (limit?: number) => {
      const entries = [];
      for await (const entry of client.admin
        .setAside(bodies, { group: "g" })
        .list(limit === undefined ? {} : { limit }))
        entries.push(entry);
      return entries;
    };
    const entries = await runtime.run(read());
    expect(entries.map(({ kind, message }) => [kind, message.offset, message.body])).toEqual([
      ["parked", 1, { id: "k", n: 5 }],
      ["parked", 2, { id: 7 }],
      ["dead-letter", 3, { id: "k", n: 1 }],
    ]);
    expect(entries[0]).toMatchObject({
      key: "k",
      behind: 2,
      attempts: 3,
      message: { topic: "bodies", id: "id-1", headers: { h: "1" } },
    });
    expect(await runtime.run(read(1))).toHaveLength(1);
  });
  it("records what was redriven and discarded, and tells who did it", async () => {
    const { runtime, broker, connect } = setUp(1, { topics: [bodies] });
    const history: HistoryStep[] = [];
    const client = await connect({ name: "ops", history: { record: (step) => history.push(step) } });
    const events: SystemEvent[] = [];
    client.events$.subscribe((event) => events.push(event));
    const asked: Question[] = [];
    broker.onAsk = (question): Answers[keyof Answers] => {
      asked.push(question);
      if (question.kind === "aside.peek") return [stored(1, {}, "a"), stored(4, {}, null)];
      const about = { queue: 1, revision: 9, key: "k" };
      if (question.kind === "aside.replace") return { ...about, offsets: [offset(1)], id: "a" };
      return { ...about, offsets: [offset(1), offset(4)], id: null };
    };
    const aside = client.admin.setAside(bodies, { group: "g" });
    expect(await runtime.run(aside.redrive("k", { reason: "bank is back" }))).toEqual({ redriven: 2 });
    expect(await runtime.run(aside.discard("k", { reason: "test data" }))).toEqual({ discarded: 2 });
    await runtime.run(aside.replace("e1", { id: "k", n: "4" }, { reason: "typo" }));
    expect(history.map((step) => [step.type, "offset" in step && step.offset, "id" in step && step.id])).toEqual([
      ["redriven", 1, "a"],
      ["redriven", 4, null],
      ["discarded", 1, "a"],
      ["discarded", 4, null],
      ["redriven", 1, "a"],
    ]);
    expect(events).toMatchObject([
      { type: "key.redriven", key: "k", reason: "bank is back", by: "ops" },
      { type: "key.discarded", by: "ops" },
      { type: "message.replaced", offset: 1, key: "k" },
    ]);
    expect(await codeOf(aside.redrive("k", { reason: " " }))).toBe("OPTION_INVALID");
    expect(await codeOf(aside.replace("e1", { id: 5 } as never, { reason: "x" }))).toBe("SCHEMA_FAILED");
  });
  it("declares topics and counts offsets", async () => {
    const { runtime, broker, connect } = setUp(1, { topics: [] });
    const client = await connect();
    const asked: Question[] = [];
    broker.onAsk = (question) => {
      asked.push(question);
      return question.kind === "account" ? [] : null;
    };
    await runtime.run(client.admin.declare(bodies));
    expect(await runtime.run(client.admin.account(bodies, { group: "g" }))).toEqual([]);
    expect(asked).toMatchObject([
      { kind: "declare", spec: { name: "bodies", queues: 2 } },
      { kind: "account", topic: "bodies", group: "g" },
    ]);
  });
});

describe("close", () => {
  it("says goodbye, once, and ends everything", async () => {
    const { runtime, broker, connect } = setUp();
    const client = await connect();
    let completed = false;
    const types: string[] = [];
    client.events$.subscribe({ next: ({ type }) => types.push(type), complete: () => (completed = true) });
    await runtime.run(Promise.all([client.close(), client.close(), client[Symbol.asyncDispose]()]));
    await runtime.advance(60_000);
    expect(broker.frames.filter(({ type }) => type === "goodbye")).toHaveLength(0); // the fake loses what is on its way when a link closes
    expect(broker.live).toEqual([]);
    expect([types, completed, runtime.timers, broker.dials]).toEqual([["link.closed"], true, 0, 1]);
  });
  it("ends a client that is reconnecting, too", async () => {
    const { runtime, broker, connect } = setUp();
    const client = await connect();
    broker.onDial = () => "hang";
    broker.cut();
    await runtime.advance(5_000);
    const send = codeOf(client.producer(lines).send("a", { key: "k" }));
    await runtime.run(client.close({ timeoutMs: 1_000 }));
    expect(await send).toBe("CLOSED");
    await runtime.settle();
    expect(runtime.timers).toBe(0);
  });
});
