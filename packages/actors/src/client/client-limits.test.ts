// What the broker would not take is not sent, and what cannot be had is not asked for ever.
import { describe, expect, it } from "vitest";
import { TappedBroker } from "../link/tapped-broker.fixture.ts";
import { isMessagingError } from "../message/errors.ts";
import { topic, typed } from "../message/topic.ts";
import { binaryCodec, type Codec, jsonCodec } from "../protocol/index.ts";

const KIB = 1024;
const lines = topic("lines", { schema: typed<string>(), key: "send", queues: 1 });
async function setUp(codec: Codec = binaryCodec) {
  const settings = { messageBytesMax: 64 * KIB, frameBytesMax: 128 * KIB };
  const broker = await TappedBroker.start({ topics: [lines], codec, settings });
  const client = await broker.connect();
  const told = () => broker.events.filter(({ type }) => type.startsWith("link."));
  return { runtime: broker.runtime, broker, tap: broker.tap, client, told };
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
      const { runtime, tap, client } = await setUp();
      const takesItAgain = tap.on("ask", (_, link) => {
        link.cut({ code, reason: "a frame of 5000000 bytes" });
        return null;
      });
      const error = await runtime.run(failureOf(client.describe()));
      expect([error.code, error.data]).toEqual(["LIMIT_EXCEEDED", { question: "describe", links: 3 }]);
      expect(error.message).toContain("3 links in a row ended over a limit");
      expect(isMessagingError(error.cause) && error.cause.message).toContain("5000000 bytes");
      await runtime.advance(60_000);
      expect(tap.sent("ask")).toHaveLength(3);
      // and the client goes on
      takesItAgain();
      expect((await runtime.run(client.describe())).topics).toHaveLength(1);
    }
  });
  it("whose link is lost is asked as often as it takes", async () => {
    const { runtime, tap, client } = await setUp();
    let left = 8;
    tap.on("ask", (frame, link) => {
      if (left-- <= 0) return frame;
      link.cut();
      return null;
    });
    expect((await runtime.run(client.describe())).topics).toHaveLength(1);
    expect(tap.sent("ask")).toHaveLength(9);
  });
  it("of more bytes than the broker takes is refused here, and the link stays", async () => {
    const { runtime, tap, client, told } = await setUp();
    const aside = client.admin.setAside(lines, { group: "g" });
    const error = await runtime.run(failureOf(aside.replace("0:1:0", "x".repeat(200 * KIB), { reason: "why" })));
    expect([error.code, error.data]).toMatchObject(["LIMIT_EXCEEDED", { frame: "ask", bytesMax: 128 * KIB }]);
    await runtime.advance(10_000);
    expect(tap.sent("ask")).toEqual([]);
    expect([tap.dials, told()]).toEqual([1, []]);
  });
});

describe("a message", () => {
  it("that is too large for a frame in JSON is refused before it is sent, one that just fits is sent", async () => {
    for (const [codec, most] of [
      [binaryCodec, 64 * KIB],
      [jsonCodec, 48 * KIB],
    ] as const) {
      const { runtime, broker, tap, client, told } = await setUp(codec);
      tap.on("welcome", (welcome) => ({ ...welcome, frameBytesMax: 96 * KIB })); // the next link has other limits
      tap.cut();
      await runtime.advance(5_000);
      broker.events.splice(0);
      const bytes = topic("lines", { schema: typed<Uint8Array>(), key: "send", queues: 1, encoding: "bytes" });
      const producer = client.producer(bytes);
      const error = await runtime.run(failureOf(producer.send(new Uint8Array(most), { key: "k" })));
      expect([error.code, error.data]).toMatchObject(["MESSAGE_TOO_LARGE", { bytesMax: most }]);
      await runtime.run(producer.send(new Uint8Array(most - 20), { key: "k" }));
      expect(broker.stored(lines)).toHaveLength(1);
      expect([tap.dials, told()]).toEqual([2, []]);
    }
  });
  it("goes in batches that fit in JSON, however many small ones there are", async () => {
    const { runtime, tap, client, told } = await setUp(jsonCodec);
    const producer = client.producer(lines, { bufferMessagesMax: 100_000 });
    const sends = Array.from({ length: 20_000 }, () => producer.send("", { key: "" }));
    await runtime.run(Promise.all(sends));
    const batches = tap.sent("batch.append");
    expect(batches.length).toBeGreaterThan(20);
    for (const frame of batches) expect(jsonCodec.encode([frame]).length).toBeLessThanOrEqual(128 * KIB);
    expect(told()).toEqual([]);
  });
});
