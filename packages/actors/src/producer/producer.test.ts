import { describe, expect, it } from "vitest";
import { z } from "zod";
import { codeOf, TappedBroker, type TappedOptions } from "../link/tapped-broker.fixture.ts";
import { isMessagingError } from "../message/errors.ts";
import { topic, typed } from "../message/topic.ts";
import { failOnUnhandledRejections } from "../runtime/unhandled-rejections.fixture.ts";

const orders = topic("orders", {
  schema: typed<{ id: string; n: number; pad?: string }>(),
  key: (body) => body.id,
  queues: 4,
});
const mails = topic("mails", { schema: typed<{ n: number }>(), key: null, queues: 3 });
const lines = topic("lines", { schema: typed<string>(), key: "send", queues: 1 });

async function setUp(options: TappedOptions = {}) {
  const broker = await TappedBroker.start({ seed: 42, topics: [orders, mails, lines], ...options });
  const client = await broker.connect();
  return { runtime: broker.runtime, broker, tap: broker.tap, client, history: broker.history };
}

failOnUnhandledRejections();

describe("send", () => {
  it("resolves with where the message stands", async () => {
    const { runtime, client } = await setUp();
    const producer = client.producer(orders, { name: "shop" });
    const receipt = await runtime.run(producer.send({ id: "o-1", n: 1 }));
    expect(receipt).toEqual({
      topic: "orders",
      queue: expect.any(Number),
      offset: 0,
      key: "o-1",
      durability: "flushed",
      duplicate: false,
      orderKept: true,
    });
  });
  it("keeps the order of calls per key, without await", async () => {
    const { runtime, broker, client } = await setUp();
    const producer = client.producer(orders);
    for (let n = 0; n < 3_000; n++) void producer.send({ id: `o-${n % 7}`, n }, { id: `${n}` });
    await runtime.run(producer.flush());
    for (const [key, ids] of broker.idsByKey(orders)) {
      const called = Array.from({ length: 3_000 }, (_, n) => n)
        .filter((n) => `o-${n % 7}` === key)
        .map(String);
      expect(ids).toEqual(called);
    }
  });
  it("sends what has piled up as one batch, and several batches at once", async () => {
    const { runtime, tap, client } = await setUp();
    const producer = client.producer(lines);
    for (let n = 0; n < 600; n++) void producer.send(`${n}`, { key: "k" });
    await runtime.run(producer.flush());
    expect(tap.sent("batch.append").map(({ sequence, count }) => [sequence, count])).toEqual([
      [0, 256],
      [256, 256],
      [512, 88],
    ]);
  });
  it("bounds a batch in bytes, and sends a larger message alone", async () => {
    const { runtime, tap, client } = await setUp();
    const producer = client.producer(lines);
    for (const size of [100_000, 100_000, 100_000, 400_000, 10]) void producer.send("x".repeat(size), { key: "k" });
    await runtime.run(producer.flush());
    expect(tap.sent("batch.append").map(({ count }) => count)).toEqual([2, 1, 1, 1]);
  });
  it("keeps no more batches in flight than asked for", async () => {
    const { runtime, broker, tap, client } = await setUp();
    const goOn = tap.hold("batch.append");
    const producer = client.producer(lines, { inFlightBatchesMax: 2 });
    for (let n = 0; n < 2_000; n++) void producer.send(`${n}`, { key: "k" });
    await runtime.settle();
    expect(tap.sent("batch.append")).toHaveLength(2);
    tap.cut();
    goOn();
    await runtime.run(producer.flush());
    expect(broker.stored(lines)).toHaveLength(2_000);
  });
  it("deals messages without a key to all queues in turn", async () => {
    const { runtime, broker, client } = await setUp();
    const producer = client.producer(mails);
    for (let n = 0; n < 9; n++) void producer.send({ n });
    await runtime.run(producer.flush());
    expect([0, 1, 2].map((queue) => broker.stored(mails).filter((message) => message.queue === queue).length)).toEqual([
      3, 3, 3,
    ]);
  });
  it("writes history before the frame leaves, once per message, and after its receipt", async () => {
    const { runtime, tap, client, history } = await setUp();
    const producer = client.producer(lines, { name: "p" });
    const told: number[] = [];
    tap.on("batch.append", (frame) => {
      told.push(history.length);
      return frame;
    });
    const goOn = tap.hold("batch.appended");
    void producer.send("a", { key: "k", id: "a" });
    await runtime.settle();
    tap.cut(); // appended, and the receipt is lost
    goOn();
    await runtime.run(producer.flush());
    expect(told).toEqual([1, 1]);
    void producer.send("b", { key: "k", id: "b" });
    await runtime.run(producer.flush());
    expect(history.map((step) => [step.type, "id" in step ? step.id : null])).toEqual([
      ["sending", "a"],
      ["sent", "a"],
      ["sending", "b"],
      ["sent", "b"],
    ]);
  });
});

describe("refusals at intake", () => {
  it("fail before the message gets a number, and nothing behind it", async () => {
    const { runtime, broker, client } = await setUp();
    const strict = topic("orders", { schema: z.object({ id: z.string() }), key: (body) => body.id, queues: 4 });
    const producer = client.producer(strict);
    const first = producer.send({ id: "k" });
    const bad = producer.send({ id: 7 } as never);
    const last = producer.send({ id: "k" });
    expect(await runtime.run(codeOf(bad))).toBe("SCHEMA_FAILED");
    await runtime.run(Promise.all([first, last]));
    expect(broker.stored(orders)).toHaveLength(2);
  });
  it("have a code for each cause", async () => {
    const { runtime, client } = await setUp({});
    const keyed = client.producer(lines);
    const big = "x".repeat(2_000_000);
    const codes = [
      keyed.send("a", { key: 5 as never }),
      keyed.send("a", {} as never),
      keyed.send("a", { key: "x".repeat(2_000) }),
      keyed.send("a", { key: "\ud800" }),
      keyed.send(big, { key: "k" }),
      keyed.send("a", { key: "k", deliverAtMs: 5 }),
      keyed.send("a", { key: "k", id: "" }),
      keyed.send("a", { key: "k", headers: { a: 5 } as never }),
      client.producer(orders).send({ id: "a", n: 1 }, { key: "k" } as never),
      client.producer(topic("unknown", { schema: typed<string>(), key: null })).send("x"),
      client.producer(topic("orders", { schema: typed<string>(), key: null, queues: 9 })).send("x"),
      client.producer(orders).send({ id: "k", n: Symbol("no") as never }),
    ].map(codeOf);
    expect(await runtime.run(Promise.all(codes))).toEqual([
      "KEY_INVALID",
      "KEY_INVALID",
      "KEY_INVALID",
      "KEY_INVALID",
      "MESSAGE_TOO_LARGE",
      "OPTION_INVALID",
      "OPTION_INVALID",
      "OPTION_INVALID",
      "OPTION_INVALID",
      "TOPIC_UNKNOWN",
      "TOPIC_MISMATCH",
      "SCHEMA_FAILED",
    ]);
  });
  it("refuse options that cannot be", async () => {
    const { client } = await setUp();
    for (const options of [
      { failover: "available" },
      { failover: "x" },
      { name: "a b" },
      { bufferMessagesMax: 0 },
      { sendTimeoutMs: Number.NaN },
      { durability: "disk" },
      { lingerMs: 5 },
    ])
      expect(() => client.producer(orders, options as never)).toThrow(/option "/);
  });
  it("refuse more durability than the store has, and take the most there is by default", async () => {
    const { runtime, tap, client } = await setUp();
    tap.on("welcome", (welcome) => ({ ...welcome, durabilityMax: "memory" }));
    tap.cut();
    await runtime.advance(2_000);
    expect(await codeOf(client.producer(lines, { durability: "flushed" }).send("a", { key: "k" }))).toBe(
      "DURABILITY_UNAVAILABLE",
    );
    expect((await runtime.run(client.producer(lines).send("a", { key: "k" }))).durability).toBe("memory");
  });
});

describe("rewinding", () => {
  it("goes back to what the queue expects", async () => {
    const { runtime, broker, client } = await setUp();
    let fails = true;
    broker.disk.beforeApply = (writes) => {
      if (!fails || !writes.some((write) => write.kind === "append" && write.first === 256)) return;
      fails = false;
      throw new Error("the disk failed");
    };
    const producer = client.producer(lines);
    for (let n = 0; n < 1_000; n++) void producer.send(`${n}`, { key: "k", id: `${n}` });
    await runtime.run(producer.flush());
    expect(broker.idsByKey(lines).get("k")).toEqual(Array.from({ length: 1_000 }, (_, n) => `${n}`));
  });
  it("does so on OUT_OF_SEQUENCE too, after the answers still due, and sends nothing more often than it must", async () => {
    const { runtime, broker, tap, client } = await setUp();
    tap.latencyMs = 20;
    const producer = client.producer(lines);
    for (let n = 0; n < 256; n++) void producer.send(`${n}`, { key: "k", id: `${n}` });
    await runtime.run(producer.flush());
    const end = tap.refuse("batch.append", () => {
      end(); // the whole flight behind it is refused, too
      return "OUT_OF_SEQUENCE";
    });
    for (let n = 256; n < 1_000; n++) void producer.send(`${n}`, { key: "k", id: `${n}` });
    await runtime.run(producer.flush());
    expect(tap.received("batch.refused").map(({ error, expected }) => [error.code, expected])).toEqual(
      new Array(3).fill(["OUT_OF_SEQUENCE", 256]),
    );
    expect(broker.idsByKey(lines).get("k")).toEqual(Array.from({ length: 1_000 }, (_, n) => `${n}`));
    expect(tap.sent("batch.append").map(({ sequence }) => sequence)).toEqual([0, 256, 512, 768, 256, 512, 768]);
  });
  it("gets the first receipts for what was appended before the link was lost", async () => {
    const { runtime, broker, tap, client } = await setUp();
    tap.latencyMs = 10;
    const producer = client.producer(lines);
    const sends = Array.from({ length: 500 }, (_, n) => producer.send(`${n}`, { key: "k", id: `${n}` }));
    while (broker.stored(lines).length === 0) await runtime.advance(1);
    tap.cut(); // appended, and the receipts are lost
    const receipts = await runtime.run(Promise.all(sends));
    expect(broker.stored(lines)).toHaveLength(500);
    expect(receipts.map(({ offset }) => offset)).toEqual(Array.from({ length: 500 }, (_, n) => n));
    expect(receipts[0]?.duplicate).toBe(true);
  });
  it("waits as long as the queue says when it is full", async () => {
    const { runtime, tap, client } = await setUp();
    let full = true;
    tap.refuse("batch.append", () => (full ? { code: "QUEUE_FULL", retryAfterMs: 1_000 } : null));
    const producer = client.producer(lines);
    const send = producer.send("a", { key: "k" });
    await runtime.advance(10);
    expect(client.actors.list("lane").map(({ state }) => state)).toEqual(["blocked"]);
    const tried = tap.sent("batch.append").length;
    await runtime.advance(700);
    expect(tap.sent("batch.append")).toHaveLength(tried);
    full = false;
    await runtime.advance(600);
    expect((await send).offset).toBe(0);
    await runtime.advance(4_000); // the lane comes to rest
    expect(client.actors.list("lane").map(({ state }) => state)).toEqual(["idle"]);
  });
  it("keeps its link, and the order of answers, when a queue fills up while batches are on their way", async () => {
    const full = topic("full", { schema: typed<string>(), key: "send", queues: 1, retention: { bytesMax: 100_000 } });
    const { runtime, tap, client } = await setUp({ topics: [full] });
    const producer = client.producer(full);
    for (let n = 0; n < 20; n++) void producer.send("x".repeat(100_000), { key: "k" });
    await runtime.run(producer.flush()); // nobody consumes: what is settled by all makes room
    const answers = tap.down.filter((frame) => frame.type === "batch.appended" || frame.type === "batch.refused");
    expect(answers.map(({ sequence }) => sequence)).toEqual(tap.sent("batch.append").map(({ sequence }) => sequence));
    expect(tap.received("batch.refused")[0]?.error.code).toBe("QUEUE_FULL");
    expect(tap.links.map(({ closedWith }) => closedWith)).toEqual([null]);
  });
  it("sends what memory receipts promised again after the broker crashed", async () => {
    const { runtime, broker, client, history } = await setUp();
    const producer = client.producer(lines, { durability: "memory" });
    void producer.send("first", { key: "k", id: "first" });
    await runtime.run(producer.flush());
    broker.holdStore();
    history.splice(0);
    const ids = Array.from({ length: 10 }, (_, n) => `${n}`);
    for (const id of ids) void producer.send(id, { key: "k", id });
    await runtime.run(producer.flush());
    await broker.crash();
    expect(broker.stored(lines)).toHaveLength(1);
    await runtime.advance(2_000);
    expect(broker.idsByKey(lines).get("k")).toEqual(["first", ...ids]);
    expect(history.filter(({ type }) => type === "tailLost")).toEqual([]);
    const receipts = history.filter((step) => step.type === "sent");
    const places = (from: number) => receipts.slice(from, from + 10).map(({ id, offset }) => [id, offset]);
    expect(receipts).toHaveLength(20); // the caller had his; where they stand now is told to the history
    expect(places(10)).toEqual(places(0));
    void producer.send("10", { key: "k", id: "10" });
    await runtime.run(producer.flush());
    expect(broker.stored(lines)).toHaveLength(12);
  });
  /** Ten messages "0" to "9", of which the disk will have the first four when it has lost its power. */
  async function sendToALyingDisk({ runtime, broker, client }: Awaited<ReturnType<typeof setUp>>) {
    broker.disk.keepUndo();
    const producer = client.producer(lines);
    const send = async (from: number, to: number) => {
      for (let n = from; n < to; n++) void producer.send(`${n}`, { key: "k", id: `${n}` });
      await runtime.run(producer.flush());
    };
    await send(0, 4);
    broker.disk.synced(broker.disk.applied);
    await send(4, 10);
    return { producer, send };
  }
  it("reports a lost tail, takes a new epoch, and goes on in order", async () => {
    const bench = await setUp();
    const { broker, tap, history } = bench;
    const { producer, send } = await sendToALyingDisk(bench);
    broker.disk.losePower(1);
    await broker.crash();
    await send(10, 20);
    const left = ["0", "1", "2", "3", ...Array.from({ length: 10 }, (_, n) => `${n + 10}`)];
    expect(broker.idsByKey(lines).get("k")).toEqual(left);
    expect(history.filter(({ type }) => type === "tailLost")).toEqual([
      { type: "tailLost", topic: "lines", queue: 0, producer: producer.name, from: 4, to: 10 },
    ]);
    expect(broker.logged.map(({ text }) => text).join()).toContain("lost messages it had acknowledged");
    expect(tap.sent("lane.open").map(({ epoch }) => epoch)).toEqual([null, 1, null]);
    expect(tap.received("lane.opened").map(({ epoch }) => epoch)).toEqual([1, 1, 2]);
  });
  it("reports a lost tail also where its right was gone meanwhile", async () => {
    for (const refused of ["lane", "batch"] as const) {
      let allowed = true;
      const bench = await setUp({ authorize: () => allowed });
      const { runtime, broker, tap, history } = bench;
      const { producer } = await sendToALyingDisk(bench);
      allowed = false;
      if (refused === "lane")
        tap.cut(); // it is refused when it comes again
      else await runtime.advance(5_000);
      expect(await runtime.run(codeOf(producer.send("10", { key: "k" })))).toBe("FORBIDDEN");
      expect(tap.received(refused === "lane" ? "refused" : "batch.refused")).not.toEqual([]);
      broker.disk.losePower(1);
      await broker.crash();
      expect(await runtime.run(codeOf(producer.send("11", { key: "k" })))).toBe("FORBIDDEN");
      allowed = true;
      expect(await runtime.run(codeOf(producer.send("12", { key: "k", id: "12" })))).toBe("fulfilled");
      expect(broker.idsByKey(lines).get("k")).toEqual(["0", "1", "2", "3", "12"]);
      expect(history.filter(({ type }) => type === "tailLost")).toEqual([
        { type: "tailLost", topic: "lines", queue: 0, producer: producer.name, from: 4, to: 10 },
      ]);
    }
  });
  it("fails what is numbered when the queue no longer knows the producer, and what follows it, and starts anew", async () => {
    const { runtime, broker, tap, client } = await setUp();
    broker.disk.keepUndo();
    const producer = client.producer(lines, { inFlightBatchesMax: 1 });
    void producer.send("0", { key: "a" });
    await runtime.run(producer.flush());
    const goOn = tap.hold("batch.append");
    const numbered = codeOf(producer.send("1", { key: "a" }));
    await runtime.settle();
    const behind = codeOf(producer.send("2", { key: "a" }));
    const other = codeOf(producer.send("3", { key: "b" }));
    broker.disk.losePower(1); // with all that the queue knew of it
    await broker.crash();
    goOn();
    expect(await runtime.run(Promise.all([numbered, behind, other]))).toEqual([
      "OUTCOME_UNKNOWN",
      "PREDECESSOR_FAILED",
      "fulfilled",
    ]);
  });
  it("fails a batch that is refused for good, and goes on", async () => {
    let allowed = true;
    const { runtime, client, history } = await setUp({ authorize: () => allowed });
    const producer = client.producer(lines);
    await runtime.run(producer.send("0", { key: "a" }));
    allowed = false;
    await runtime.advance(5_000);
    expect(await runtime.run(codeOf(producer.send("1", { key: "a", id: "1" })))).toBe("FORBIDDEN");
    expect(history.at(-1)).toMatchObject({ type: "refused", id: "1", code: "FORBIDDEN", outcome: "notAppended" });
    allowed = true;
    expect(await runtime.run(codeOf(producer.send("2", { key: "a" })))).toBe("fulfilled");
  });
  it("fails the lane's sends when it may not be opened", async () => {
    const { runtime, tap, client } = await setUp();
    const mayAgain = tap.refuse("lane.open", "FORBIDDEN");
    const producer = client.producer(lines);
    expect(await runtime.run(codeOf(producer.send("1", { key: "a" })))).toBe("FORBIDDEN");
    mayAgain();
    expect(await runtime.run(codeOf(producer.send("1", { key: "a" })))).toBe("fulfilled");
  });
  it("ends a link whose answers make no sense, and loses nothing", async () => {
    const { runtime, broker, tap, client } = await setUp();
    let lie = true;
    tap.on("batch.append", (frame, link) => {
      if (!lie) return frame;
      lie = false;
      const { lane, epoch, sequence } = frame;
      link.insert({ type: "batch.appended", lane, epoch, sequence, count: 7, runs: [], kept: sequence });
      return null;
    });
    const producer = client.producer(lines);
    const send = producer.send("1", { key: "a" });
    await runtime.run(send);
    expect(tap.links[0]?.closedWith?.code).toBe("violation");
    expect(broker.stored(lines)).toHaveLength(1);
  });
});

describe("fencing", () => {
  it("is final: every send fails, and the event tells", async () => {
    const { runtime, broker, client } = await setUp();
    const old = client.producer(orders, { name: "shop" });
    for (let n = 0; n < 8; n++) void old.send({ id: `o-${n}`, n });
    await runtime.run(old.flush());
    const successor = client.producer(orders, { name: "shop" });
    for (let n = 0; n < 8; n++) void successor.send({ id: `o-${n}`, n });
    await runtime.run(successor.flush());
    expect(await runtime.run(codeOf(old.send({ id: "o-1", n: 1 })))).toBe("PRODUCER_FENCED");
    expect(await codeOf(old.send({ id: "o-2", n: 1 }))).toBe("PRODUCER_FENCED");
    expect(await codeOf(old.ready())).toBe("PRODUCER_FENCED");
    expect(broker.emitted("producer.fenced")).toMatchObject([{ producer: "shop" }]);
    expect(
      new Set(
        client.actors
          .list("lane")
          .filter(({ path }) => !path.includes("#2"))
          .map(({ state }) => state),
      ),
    ).toEqual(new Set(["fenced"]));
    expect(broker.stored(orders)).toHaveLength(16);
    expect(await runtime.run(codeOf(successor.send({ id: "o-1", n: 1 })))).toBe("fulfilled");
  });
  it("names what had receipts from memory and nobody will send again", async () => {
    const { runtime, broker, client, history } = await setUp();
    const old = client.producer(lines, { name: "shop", durability: "memory" });
    void old.send("0", { key: "k", id: "0" });
    await runtime.run(old.flush());
    await runtime.settle();
    broker.holdStore();
    for (let n = 1; n < 4; n++) void old.send(`${n}`, { key: "k", id: `${n}` });
    await runtime.run(old.flush());
    const successor = client.producer(lines, { name: "shop" });
    void successor.send("4", { key: "k", id: "4" });
    await runtime.settle();
    expect(await runtime.run(codeOf(old.send("5", { key: "k", id: "5" })))).toBe("PRODUCER_FENCED");
    expect(history.filter(({ type }) => type === "tailLost")).toEqual([
      { type: "tailLost", topic: "lines", queue: 0, producer: "shop", from: 1, to: 4 },
    ]);
  });
});

describe("bounds", () => {
  it("make sends wait in call order, then refuse", async () => {
    const { runtime, broker, tap, client } = await setUp();
    const goOn = tap.hold("batch.append");
    const producer = client.producer(lines, { bufferMessagesMax: 4, waitingMax: 3 });
    const sends = Array.from({ length: 9 }, (_, n) => codeOf(producer.send(`${n}`, { key: "k", id: `${n}` })));
    expect(await Promise.all(sends.slice(7))).toEqual(["BUFFER_FULL", "BUFFER_FULL"]);
    await runtime.settle();
    tap.cut();
    goOn();
    expect(await runtime.run(Promise.all(sends.slice(0, 7)))).toEqual(new Array(7).fill("fulfilled"));
    expect(broker.idsByKey(lines).get("k")).toEqual(["0", "1", "2", "3", "4", "5", "6"]);
  });
  it("count bytes too, and let one larger message through", async () => {
    const { runtime, broker, tap, client } = await setUp();
    const producer = client.producer(lines, { bufferBytesMax: 1_000 });
    const sizes = [5_000, 400, 400, 400];
    for (const size of sizes) void producer.send("x".repeat(size), { key: "k" });
    await runtime.run(producer.flush());
    expect(broker.stored(lines).map(({ bytes }) => bytes > 4_000)).toEqual([true, false, false, false]);
    expect(tap.sent("batch.append").map(({ count }) => count)).toEqual([1, 2, 1]);
  });
  it("let no small message overtake a larger one that waits for room", async () => {
    const { runtime, broker, client } = await setUp();
    const producer = client.producer(lines, { bufferBytesMax: 1_000 });
    for (const size of [600, 700, 10, 20]) void producer.send("x".repeat(size), { key: "k", id: `${size}` });
    await runtime.run(producer.flush());
    expect(broker.idsByKey(lines).get("k")).toEqual(["600", "700", "10", "20"]);
  });
  it("let a loop wait for room", async () => {
    const { runtime, broker, client } = await setUp();
    const producer = client.producer(lines, { bufferMessagesMax: 10, waitingMax: 0 });
    const loop = async () => {
      for (let n = 0; n < 200; n++) {
        await producer.ready();
        void producer.send(`${n}`, { key: "k" });
      }
      await producer.flush();
    };
    await runtime.run(loop());
    expect(broker.stored(lines)).toHaveLength(200);
  });
  it("stop waiting when the signal fires", async () => {
    const { tap, client } = await setUp();
    tap.hold("batch.append");
    const producer = client.producer(lines, { bufferMessagesMax: 1 });
    void producer.send("a", { key: "k" });
    const stop = new AbortController();
    const waits = [producer.ready({ signal: stop.signal }), producer.flush({ signal: stop.signal })].map(codeOf);
    stop.abort(new Error("enough"));
    expect(await Promise.all(waits)).toEqual(["Error: enough", "Error: enough"]);
  });
});

describe("time-outs and aborts", () => {
  it("take back what was not numbered, with all that follows of its key", async () => {
    const { runtime, broker, tap, client } = await setUp();
    const opensAgain = tap.refuse("lane.open", "UNAVAILABLE");
    const producer = client.producer(lines, { sendTimeoutMs: 10_000 });
    const early = codeOf(producer.send("1", { key: "a" }));
    await runtime.advance(6_000);
    const late = codeOf(producer.send("2", { key: "a" }));
    const other = codeOf(producer.send("3", { key: "b" }));
    await runtime.advance(5_000);
    opensAgain();
    tap.cut(); // the next link does not wait for what is left of the last refusal's pause
    expect(await runtime.run(Promise.all([early, late, other]))).toEqual([
      "SEND_TIMEOUT",
      "PREDECESSOR_FAILED",
      "fulfilled",
    ]);
    expect(broker.stored(lines).map(({ key }) => key)).toEqual(["b"]);
  });
  it("leave the outcome of a numbered one open, while its lane goes on", async () => {
    const { runtime, broker, tap, client, history } = await setUp();
    const goOn = tap.hold("batch.append");
    const producer = client.producer(lines, { sendTimeoutMs: 1_000 });
    const send = codeOf(producer.send("1", { key: "a", id: "1" }));
    expect(await runtime.run(send)).toBe("OUTCOME_UNKNOWN");
    expect(history.at(-1)).toMatchObject({ type: "refused", outcome: "unknown" });
    tap.cut();
    goOn();
    await runtime.advance(2_000);
    expect(broker.idsByKey(lines).get("a")).toEqual(["1"]);
    expect(history.at(-1)).toMatchObject({ type: "sent", id: "1" });
  });
  it("take back a message while it has not left, and not afterwards", async () => {
    const { runtime, tap, client } = await setUp();
    const stop = new AbortController();
    const producer = client.producer(lines, { inFlightBatchesMax: 1 });
    expect(await codeOf(producer.send("0", { key: "k", signal: AbortSignal.abort() }))).toBe("SEND_ABORTED");
    const goOn = tap.hold("batch.append");
    const left = codeOf(producer.send("1", { key: "a", signal: stop.signal }));
    await runtime.settle();
    const waiting = codeOf(producer.send("2", { key: "b", signal: stop.signal }));
    const behind = codeOf(producer.send("3", { key: "b" }));
    const other = codeOf(producer.send("4", { key: "c" }));
    stop.abort();
    tap.cut();
    goOn();
    expect(await runtime.run(Promise.all([left, waiting, behind, other]))).toEqual([
      "fulfilled",
      "SEND_ABORTED",
      "PREDECESSOR_FAILED",
      "fulfilled",
    ]);
  });
  it("leave no timer behind", async () => {
    const { runtime, broker, client } = await setUp();
    const before = broker.clientTimers.size;
    const producer = client.producer(lines);
    for (let n = 0; n < 100; n++) void producer.send(`${n}`, { key: "k" });
    await runtime.run(producer.flush());
    await runtime.advance(4_000); // the lane comes to rest
    expect(broker.clientTimers.size).toBe(before);
  });
});

describe("flush", () => {
  it("tells the failures nobody looked at, once", async () => {
    const { runtime, broker, client } = await setUp();
    const producer = client.producer(lines);
    void producer.send("x".repeat(2_000_000), { key: "k" });
    const seen = producer.send("x".repeat(2_000_000), { key: "k" });
    await codeOf(seen);
    void producer.send("fine", { key: "k" });
    const error = await runtime.run(
      producer.flush().then(
        () => null,
        (reason: unknown) => reason,
      ),
    );
    expect(isMessagingError(error, "FLUSH_FAILED") && error.errors.map(({ code }) => code)).toEqual([
      "MESSAGE_TOO_LARGE",
    ]);
    expect(broker.emitted("send.refused")).toHaveLength(2);
    await runtime.run(producer.flush());
  });
  it("waits only for what was called before", async () => {
    const { runtime, tap, client } = await setUp();
    const producer = client.producer(lines);
    void producer.send("1", { key: "k" });
    const flushed = producer.flush();
    await runtime.run(flushed);
    const goOn = tap.hold("batch.append");
    void producer.send("2", { key: "k" });
    let done = false;
    const second = producer.flush().then(() => {
      done = true;
    });
    await runtime.advance(100);
    expect(done).toBe(false);
    tap.cut();
    goOn();
    await runtime.run(second);
  });
});

describe("close", () => {
  it("waits for what is under way, then refuses", async () => {
    const { runtime, tap, client } = await setUp();
    const producer = client.producer(lines);
    const sends = [1, 2, 3].map((n) => codeOf(producer.send(`${n}`, { key: "k" })));
    const closed = producer.close();
    expect(await codeOf(producer.send("4", { key: "k" }))).toBe("CLOSED");
    await runtime.run(closed);
    expect(await Promise.all(sends)).toEqual(["fulfilled", "fulfilled", "fulfilled"]);
    await producer.close();
    await runtime.settle();
    expect(tap.up.at(-1)?.type).toBe("lane.close");
    expect([...client.actors.list("producer"), ...client.actors.list("lane")]).toEqual([]);
  });
  it("gives up after its time-out, and says what it knows of each send", async () => {
    const { runtime, tap, client } = await setUp();
    tap.hold("batch.append");
    const producer = client.producer(lines, { inFlightBatchesMax: 1 });
    const numbered = codeOf(producer.send("1", { key: "a" }));
    await runtime.settle();
    const waiting = codeOf(producer.send("2", { key: "b" }));
    await runtime.run(producer.close({ timeoutMs: 500 }));
    expect(runtime.now()).toBeLessThan(1_000);
    expect(await Promise.all([numbered, waiting])).toEqual(["OUTCOME_UNKNOWN", "CLOSED"]);
  });
  it("is what the client does with all of its producers", async () => {
    const { runtime, broker, tap, client } = await setUp();
    const sends = [client.producer(lines), client.producer(lines)].map((producer) =>
      codeOf(producer.send("1", { key: "k" })),
    );
    await runtime.run(client.close());
    expect(await Promise.all(sends)).toEqual(["fulfilled", "fulfilled"]);
    await runtime.settle();
    expect(tap.live).toEqual([]);
    expect(broker.clientTimers.size).toBe(0);
    expect(() => client.producer(lines)).toThrow(/closed/);
  });
});

it("a lane that is refused for long is opened again after longer and longer waits, told and logged, until it is", async () => {
  const { runtime, broker, tap, client } = await setUp();
  const opens: number[] = [];
  let full = true;
  tap.refuse("lane.open", () => {
    opens.push(runtime.now());
    return full ? "LIMIT_EXCEEDED" : null;
  });
  const sent = client.producer(lines, { sendTimeoutMs: 1_000_000 }).send("a", { key: "k" });
  await runtime.advance(300_000);
  const waits = opens.slice(1).map((at, n) => at - (opens[n] as number));
  expect(opens.length).toBeLessThan(75); // 150 at the pace of batches
  expect(Math.max(...waits)).toBeGreaterThan(5_000);
  expect(Math.max(...waits)).toBeLessThanOrEqual(10_001);
  const told = broker.emitted("request.refused");
  expect(told).toHaveLength(opens.length);
  expect(told[0]).toMatchObject({ request: "lane.open", topic: "lines", group: null, code: "LIMIT_EXCEEDED" });
  const warnings = broker.logged.filter(({ text }) =>
    text.startsWith('the broker refuses "lane.open" of topic "lines", queue '),
  );
  expect(warnings).toHaveLength(5);
  full = false;
  await runtime.run(sent, 11_000);
});
