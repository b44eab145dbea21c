// One process, several brokers: a client that has a transport for each, and a system beside a client of another broker.
import {
  createBroker,
  createClient,
  createSystem,
  isMessagingError,
  provide,
  systemRuntime,
  tokens,
  topic,
  typed,
} from "@seriatim/actors";
import { memoryTransport } from "@seriatim/transport-memory";
import { wsTransport } from "@seriatim/transport-ws";
import { describe, expect, it } from "vitest";

const orders = topic("orders", { schema: typed<{ id: string; text: string }>(), key: (body) => body.id, queues: 2 });
const mails = topic("mails", { schema: typed<{ id: string; text: string }>(), key: (body) => body.id, queues: 2 });
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "fulfilled",
    (error: unknown) => (isMessagingError(error) ? error.code : String(error)),
  );

describe("a client of two brokers", () => {
  it("finds each topic where it lives, links there when it is first needed, and keeps to what each broker takes", async () => {
    const here = memoryTransport();
    await using near = await createBroker({ name: "near", modules: [here], topics: [orders] });
    await using far = await createBroker({
      name: "far",
      modules: [wsTransport({ port: 0 })],
      topics: [mails],
      messageBytesMax: 1_024,
    });
    await using client = await createClient({
      name: "shop",
      modules: [here],
      dial: [wsTransport({ url: far.address })],
    });
    const links = (): number[] => [near, far].map(({ actors }) => actors.list("session").length);
    const [ordersOut, mailsOut] = [client.producer(orders), client.producer(mails)];
    await ordersOut.send({ id: "o", text: "x".repeat(4_000) });
    expect(links()).toEqual([1, 0]);
    await mailsOut.send({ id: "m", text: "short" });
    expect(links()).toEqual([1, 1]);
    expect(await codeOf(mailsOut.send({ id: "m", text: "x".repeat(4_000) }))).toBe("MESSAGE_TOO_LARGE");

    const seen: string[] = [];
    for (const each of [orders, mails]) {
      const consumer = client.consumer(each, { group: "g" });
      const done = consumer.run(({ body }) => void seen.push(`${each.name} ${body.id}`));
      await consumer.caughtUp();
      await consumer.close();
      await done;
      const { counts } = await client.describe(each, { group: "g" });
      expect(counts).toMatchObject({ settled: 1, backlog: 0 });
    }
    expect(seen).toEqual(["orders o", "mails m"]);
    const unknown = topic("nowhere", { schema: typed<string>(), key: null });
    expect(await codeOf(client.describe(unknown))).toBe("TOPIC_UNKNOWN");
    expect(await codeOf(client.producer(unknown).send("x"))).toBe("TOPIC_UNKNOWN");
  });
  it("works with those that are there: the others are dialled again when they are needed again", async () => {
    const here = memoryTransport();
    const there = memoryTransport();
    await using _near = await createBroker({ modules: [here], topics: [orders] });
    await using client = await createClient({ modules: [here], dial: [there], connectTimeoutMs: 200 });
    expect(await codeOf(client.producer(mails).send({ id: "m", text: "too early" }))).toBe("CONNECT_TIMEOUT");
    await client.producer(orders).send({ id: "o", text: "at any time" });
    await using _far = await createBroker({ modules: [there], topics: [mails] });
    expect((await client.producer(mails).send({ id: "m", text: "now" })).offset).toBe(0);
  });
  it("refuses what is no transport", async () => {
    const here = memoryTransport();
    await using _near = await createBroker({ modules: [here], topics: [orders] });
    const dial = [provide(tokens.metrics, () => ({ count: () => {}, gauge: () => {} }) as never)];
    expect(await codeOf(createClient({ modules: [here], dial }))).toBe("OPTION_INVALID");
    expect(await codeOf(createClient({ modules: [here], dial: [null as never] }))).toBe("OPTION_INVALID");
  });
});

describe("a system, and beside it a client of another broker", () => {
  it("share nothing, though topics, groups and consumers have the same names", async () => {
    await using remote = await createBroker({ name: "remote", modules: [wsTransport({ port: 0 })], topics: [orders] });
    await using system = await createSystem({ name: "own", modules: [memoryTransport()], topics: [orders] });
    const otherRuntime = provide(tokens.runtime, () => {
      const runtime = systemRuntime();
      return { ...runtime, id: () => `other-${runtime.id()}` };
    });
    await using client = await createClient({ modules: [wsTransport({ url: remote.address }), otherRuntime] });
    expect([client.name.startsWith("client-other"), system.name.startsWith("client-other")]).toEqual([true, false]);

    const log: string[] = [];
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    const consumers = [system, client].map((from, index) => {
      const consumer = from.consumer(orders, { group: "g", name: "c" });
      const done = consumer.run(async ({ body }) => {
        if (index === 0) await held; // the key is in hand here, and is the other's to handle all the same
        log.push(`${index === 0 ? "own" : "remote"}: ${body.text}`);
      });
      return { consumer, done };
    });
    const producers = [system, client].map((from) => from.producer(orders, { name: "p" }));
    await producers[0]?.send({ id: "k", text: "to myself" });
    await producers[1]?.send({ id: "k", text: "abroad" });
    await consumers[1]?.consumer.caughtUp();
    expect(log).toEqual(["remote: abroad"]);
    release();
    await consumers[0]?.consumer.caughtUp();
    expect(log).toEqual(["remote: abroad", "own: to myself"]);

    const paths = [system, client].map(({ actors }) => actors.list("producer").map(({ path }) => path));
    expect(paths).toEqual([[`${system.name}/orders/p`], [`${client.name}/orders/p`]]);
    for (const broker of [remote, system.broker]) expect(broker.actors.list("session")).toHaveLength(1);
    for (const { consumer, done } of consumers) {
      await consumer.close();
      await done;
    }
    await system.close();
    expect((await producers[1]?.send({ id: "k", text: "still there" }))?.offset).toBe(1);
  });
});
