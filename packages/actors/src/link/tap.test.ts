import { describe, expect, it } from "vitest";
import { topic, typed } from "../message/topic.ts";
import { TappedBroker } from "./tapped-broker.fixture.ts";

const lines = topic("lines", { schema: typed<string>(), key: "send", queues: 1 });
async function setUp() {
  const broker = await TappedBroker.start({ topics: [lines] });
  const client = await broker.connect();
  const producer = client.producer(lines, { inFlightBatchesMax: 1 });
  const send = (id: string) => producer.send(id, { key: "k", id });
  return { broker, runtime: broker.runtime, tap: broker.tap, client, producer, send };
}

describe("a tap", () => {
  it("shows what is sent and what comes, as it passes", async () => {
    const { runtime, tap, send } = await setUp();
    const appended = tap.next("batch.appended");
    void send("1");
    expect(await runtime.run(appended)).toMatchObject({ sequence: 0, count: 1 });
    expect(tap.up.map(({ type }) => type)).toEqual(["hello", "topic.find", "lane.open", "batch.append"]);
    expect(tap.down.map(({ type }) => type)).toEqual(["welcome", "topic.found", "lane.opened", "batch.appended"]);
  });
  it("holds a frame and all behind it, and lets them go in order", async () => {
    const { broker, runtime, tap, client, send } = await setUp();
    const goOn = tap.hold("batch.append");
    void send("1");
    await runtime.settle();
    const described = client.describe();
    await runtime.settle();
    expect(tap.sent("ask")).toHaveLength(1);
    expect([tap.received("answer"), broker.stored(lines)]).toEqual([[], []]);
    goOn();
    await runtime.run(described);
    expect(tap.down.slice(-2).map(({ type }) => type)).toEqual(["batch.appended", "answer"]);
  });
  it("loses what it holds, and what is on its way, when the link is cut", async () => {
    const { broker, runtime, tap, producer, send } = await setUp();
    tap.latencyMs = 10;
    void send("1");
    await runtime.run(tap.next("batch.append"));
    tap.cut();
    tap.onDial = () => "hang";
    await runtime.advance(1_000);
    expect(broker.stored(lines)).toEqual([]);
    void producer.close({ timeoutMs: 0 });
  });
  it("brings what was sent before a client closed, and then ends the broker's end, too", async () => {
    const { runtime, tap, client, send } = await setUp();
    await runtime.run(send("1"));
    tap.latencyMs = 10;
    await runtime.run(client.close());
    expect(tap.sent("goodbye")).toHaveLength(1);
    const from = runtime.now();
    expect(await runtime.run(tap.links[0]!.behind.ended)).toMatchObject({ code: "normal" });
    expect(runtime.now()).toBeGreaterThan(from);
  });
  it("puts frames in another's place, or none, for as long as a rule says so", async () => {
    const { broker, runtime, tap, client } = await setUp();
    const end = tap.on("topic.find", (frame) => ({ ...frame, topic: "unknown" }));
    await expect(runtime.run(client.producer(lines).send("1", { key: "k" }))).rejects.toMatchObject({
      code: "TOPIC_UNKNOWN",
    });
    end();
    const takes = tap.refuse("lane.open", "FORBIDDEN");
    const forbidden = runtime.run(client.producer(lines).send("2", { key: "k" }));
    await expect(forbidden).rejects.toMatchObject({ code: "FORBIDDEN" });
    takes();
    await runtime.run(client.producer(lines).send("3", { key: "k", id: "3" }));
    expect(broker.stored(lines).map(({ id }) => id)).toEqual(["3"]);
  });
  it("brings what a test inserts, behind what the broker has sent", async () => {
    const { runtime, tap, broker } = await setUp();
    tap.insert({ type: "limited", limit: "framesPerSecondMax", max: 1, retryInMs: 5 });
    await runtime.settle();
    expect(broker.emitted("link.limited")).toMatchObject([{ limit: "framesPerSecondMax", retryInMs: 5 }]);
  });
});
