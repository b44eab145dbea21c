// What the broker would not take is not sent, and what cannot be had is not asked for ever.
import { describe, expect, it } from "vitest";
import type { SystemEvent } from "../contracts/events.ts";
import { FakeBroker } from "../link/fake-broker.fixture.ts";
import { isMessagingError } from "../message/errors.ts";
import { topic, typed } from "../message/topic.ts";
import { binaryCodec, type Codec, jsonCodec } from "../protocol/index.ts";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { createClientCore } from "./client.ts";

const KIB = 1024;
const lines = topic("lines", { schema: typed<string>(), key: "send", queues: 1 });
async function setUp(codec: Codec = binaryCodec) {
  const runtime = simulatedRuntime({ seed: 7 });
  const broker = new FakeBroker(runtime, { topics: [lines], codec });
  broker.welcome = { messageBytesMax: 64 * KIB, frameBytesMax: 128 * KIB };
  const client = await runtime.run(createClientCore({ transport: broker.transport, runtime, codec }));
  const told: SystemEvent[] = [];
  client.events$.subscribe((event) => event.type.startsWith("link.") && told.push(event));
  return { runtime, broker, client, told };
}
const failureOf = async (promise: Promise<unknown>) => {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!isMessagingError(error)) throw error;
  return error;
};

describe("a question", () => {
  it("over which three links in a row have ended fails, and is not asked again", async () => {
    for (const code of ["tooLarge", "overloaded"] as const) {
      const { runtime, broker, client } = await setUp();
      broker.onAsk = () => {
        for (const session of broker.live) session.cut({ code, reason: "a frame of 5000000 bytes" });
        return "silent";
      };
      const error = await runtime.run(failureOf(client.describe()));
      expect([error.code, error.data]).toEqual(["LIMIT_EXCEEDED", { question: "describe", links: 3 }]);
      expect(error.message).toContain("3 links in a row ended over a limit");
      expect(isMessagingError(error.cause) && error.cause.message).toContain("5000000 bytes");
      await runtime.advance(60_000);
      expect(broker.frames.filter(({ type }) => type === "ask")).toHaveLength(3);
      // and the client goes on
      broker.onAsk = () => ({ brokers: [], topics: [] });
      expect(await runtime.run(client.describe())).toEqual({ brokers: [], topics: [] });
    }
  });
  it("whose link is lost is asked as often as it takes", async () => {
    const { runtime, broker, client } = await setUp();
    let left = 8;
    broker.onAsk = () => {
      if (left-- === 0) return { brokers: [], topics: [] };
      broker.cut();
      return "silent";
    };
    expect(await runtime.run(client.describe())).toEqual({ brokers: [], topics: [] });
  });
  it("of more bytes than the broker takes is refused here, and the link stays", async () => {
    const { runtime, broker, client, told } = await setUp();
    const aside = client.admin.setAside(lines, { group: "g" });
    const error = await runtime.run(failureOf(aside.replace("0:1:0", "x".repeat(200 * KIB), { reason: "why" })));
    expect([error.code, error.data]).toMatchObject(["LIMIT_EXCEEDED", { frame: "ask", bytesMax: 128 * KIB }]);
    await runtime.advance(10_000);
    expect(broker.frames.filter(({ type }) => type === "ask")).toEqual([]);
    expect([broker.dials, told]).toEqual([1, []]);
  });
});

describe("a message", () => {
  it("that is too large for a frame in JSON is refused before it is sent, one that just fits is sent", async () => {
    for (const [codec, most] of [
      [binaryCodec, 64 * KIB],
      [jsonCodec, 48 * KIB],
    ] as const) {
      const { runtime, broker, client, told } = await setUp(codec);
      broker.cut(); // the next link has other limits
      broker.welcome = { messageBytesMax: 64 * KIB, frameBytesMax: 96 * KIB };
      await runtime.advance(5_000);
      told.splice(0);
      const bytes = topic("lines", { schema: typed<Uint8Array>(), key: "send", queues: 1, encoding: "bytes" });
      const producer = client.producer(bytes);
      const error = await runtime.run(failureOf(producer.send(new Uint8Array(most), { key: "k" })));
      expect([error.code, error.data]).toMatchObject(["MESSAGE_TOO_LARGE", { bytesMax: most }]);
      await runtime.run(producer.send(new Uint8Array(most - 20), { key: "k" }));
      expect(broker.log("lines")).toHaveLength(1);
      expect([broker.dials, told]).toEqual([2, []]);
    }
  });
  it("goes in batches that fit in JSON, however many small ones there are", async () => {
    const { runtime, broker, client, told } = await setUp(jsonCodec);
    const producer = client.producer(lines, { bufferMessagesMax: 100_000 });
    const sends = Array.from({ length: 20_000 }, () => producer.send("", { key: "" }));
    await runtime.run(Promise.all(sends));
    const batches = broker.frames.filter((frame) => frame.type === "batch.append");
    expect(batches.length).toBeGreaterThan(20);
    for (const frame of batches) expect(jsonCodec.encode([frame]).length).toBeLessThanOrEqual(128 * KIB);
    expect(told).toEqual([]);
  });
});
