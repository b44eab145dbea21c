// The client of an earlier version, as one bundled file, works with the broker of this one and of a simulated next one; so does a client of that one, with both.
import { type Broker, systemRuntime } from "@seriatim/actors";
import * as clientDoor from "@seriatim/actors/client";
import { openLmdbStore } from "@seriatim/store-lmdb";
import * as wsClientDoor from "@seriatim/transport-ws/client";
import { afterAll, describe, expect, it, vi } from "vitest";
import { startBroker } from "../packages/actors/src/broker/broker.ts";
import { NEXT_VERSION, nextSpeaker } from "../packages/actors/src/protocol/next-version.fixture.ts";
import { NEWEST_VERSION } from "../packages/actors/src/protocol/version.ts";
import { createWsTransport } from "../packages/transport-ws/src/ws-transport.ts";
import { emptyFolder, keptClient, keptVersions, removeKeptFolders } from "./kept.fixture.ts";

afterAll(removeKeptFolders);

type Door = typeof clientDoor & typeof wsClientDoor;
const THIS = "this version";
const NEXT = "a simulated next version";
/** Of whom the client is, and of whom the broker. */
const cases = [
  ...keptVersions.flatMap((kept) => [[kept, THIS] as const, [kept, NEXT] as const]),
  [NEXT, THIS] as const,
];
/** A kept one is loaded from its file, so typed by what the door is now. */
const doorOf = async (version: string): Promise<Door> =>
  version === NEXT
    ? { ...clientDoor, ...wsClientDoor }
    : ((await import(/* @vite-ignore */ keptClient(version))) as Door);

interface Line {
  readonly text: string;
}
/** A broker, a client, and a topic. */
class Scene implements AsyncDisposable {
  readonly door: Door;
  readonly folder = emptyFolder();
  /** What a side of the next version speaks with. */
  readonly next = { client: nextSpeaker(), broker: nextSpeaker() };
  readonly #brokerOf: string;
  broker!: Broker;
  client!: clientDoor.Client;
  readonly told: clientDoor.SystemEvent[] = [];
  readonly handled: { readonly text: string; readonly attempt: number }[] = [];
  /** Texts whose handler fails. */
  readonly broken = new Set<string>();

  static async open(clientOf: string, brokerOf: string): Promise<Scene> {
    const scene = new Scene(await doorOf(clientOf), brokerOf);
    await scene.start(0);
    const { createClient, wsClientTransport } = scene.door;
    const transport = wsClientTransport({ url: scene.broker.address, backoff: { initialMs: 5, maxMs: 20 } });
    const codec = clientOf === NEXT ? { codec: scene.next.client.codec } : {};
    scene.client = await createClient({ name: "kept", transport, ...codec });
    scene.client.events$.subscribe((event) => scene.told.push(event));
    return scene;
  }
  private constructor(door: Door, brokerOf: string) {
    this.door = door;
    this.#brokerOf = brokerOf;
  }
  async start(port: number): Promise<void> {
    const runtime = systemRuntime();
    this.broker = await startBroker(
      { topics: [this.lines], heartbeatMs: 100 },
      {
        runtime,
        transports: [createWsTransport(runtime, { port }, () => {})],
        store: await openLmdbStore({ path: this.folder, bytesMax: 64 * 2 ** 20 }),
        authenticator: { authenticate: async () => ({ id: "anonymous" }) },
        authorizer: { authorize: () => true },
        logger: { log: () => {} },
        ...(this.#brokerOf === NEXT ? { codecs: this.next.broker.codecs } : {}),
      },
    );
  }
  /** `text` begins with its key: "a1" is the first of key "a". */
  get lines() {
    const { topic, typed } = this.door;
    return topic("lines", { schema: typed<Line>(), key: ({ text }) => text.slice(0, 1), queues: 2 });
  }
  async send(...texts: readonly string[]) {
    const producer = this.client.producer(this.lines, { name: "writer" });
    const receipts = await Promise.all(texts.map((text) => producer.send({ text }, { id: text })));
    await producer.close();
    return receipts;
  }
  async consume() {
    const consumer = this.client.consumer(this.lines, { group: "g", retry: { attempts: 3, initialMs: 1, jitter: 0 } });
    void consumer.run(({ body: { text } }, { attempt }) => {
      this.handled.push({ text, attempt });
      if (this.broken.has(text)) throw new Error(`${text} is broken`);
    });
    await consumer.ready();
    return consumer;
  }
  /** Texts of a key whose handler was called for the first time, in order. */
  textsOf(key: string): string[] {
    return this.handled.filter(({ text, attempt }) => text.startsWith(key) && attempt === 1).map(({ text }) => text);
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close({ timeoutMs: 100 });
    await this.broker.close();
  }
}
const wait = { timeout: 10_000, interval: 5 };
const texts = (key: string, count: number) => Array.from({ length: count }, (_, n) => `${key}${n + 1}`);

describe.each(cases)("the client of %s, with the broker of %s", (clientOf, brokerOf) => {
  it("produces and consumes in order, and has ids known", async () => {
    await using scene = await Scene.open(clientOf, brokerOf);
    const receipts = await scene.send(...texts("a", 50), ...texts("b", 50));
    expect(receipts.every(({ duplicate, durability }) => !duplicate && durability !== "memory")).toBe(true);
    const consumer = await scene.consume();
    await consumer.caughtUp();
    expect(scene.textsOf("a")).toEqual(texts("a", 50));
    expect(scene.textsOf("b")).toEqual(texts("b", 50));
    expect((await scene.send("a7"))[0]).toMatchObject({ offset: receipts[6]?.offset, duplicate: true });
  });

  it("retries, parks a key in order, and redrives it", async () => {
    await using scene = await Scene.open(clientOf, brokerOf);
    scene.broken.add("a2");
    const consumer = await scene.consume();
    await scene.send(...texts("a", 4), ...texts("b", 2));
    await consumer.caughtUp();
    expect(scene.handled.filter(({ text }) => text === "a2").map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    expect(scene.textsOf("a")).toEqual(["a1", "a2"]);
    const aside = scene.client.admin.setAside(scene.lines, { group: "g" });
    const entries = [];
    for await (const entry of aside.list()) entries.push(entry);
    expect(entries).toMatchObject([
      { kind: "parked", key: "a", behind: 2, attempts: 3, message: { body: { text: "a2" } } },
    ]);
    expect((await aside.peek("a")).map(({ body }) => body?.text)).toEqual(["a2", "a3", "a4"]);
    scene.broken.clear();
    scene.handled.splice(0);
    expect(await aside.redrive("a", { reason: "mended" })).toEqual({ redriven: 3 });
    await vi.waitFor(() => expect(scene.handled.map(({ text }) => text)).toEqual(["a2", "a3", "a4"]), wait);
    expect(scene.told.map(({ type }) => type)).toContain("key.redriven");
  });

  it("speaks the version that both do", async () => {
    await using scene = await Scene.open(clientOf, brokerOf);
    await scene.send("a1");
    // of a next version the client says hello before it knows, the broker nothing
    expect([...scene.next.client.packets.keys()]).toEqual(clientOf === NEXT ? [NEXT_VERSION, NEWEST_VERSION] : []);
    expect([...scene.next.broker.packets.keys()]).toEqual(brokerOf === NEXT ? [1] : []);
  });

  it("describes, explains and accounts", async () => {
    await using scene = await Scene.open(clientOf, brokerOf);
    scene.broken.add("a1");
    const consumer = await scene.consume();
    await scene.send(...texts("a", 3), ...texts("b", 2));
    await consumer.caughtUp();
    const { topics } = await scene.client.describe();
    expect(topics.map(({ topic }) => topic)).toEqual(["lines"]);
    expect(await scene.client.describe(scene.lines, { group: "g" })).toMatchObject({
      state: "stable",
      members: ["kept"],
      counts: { settled: 2, deadLettered: 1, parked: 2, backlog: 0 },
    });
    const { groups } = await scene.client.explain(scene.lines, "a");
    expect(groups).toMatchObject([{ group: "g", state: "parked" }]);
    const accounts = await scene.client.admin.account(scene.lines, { group: "g" });
    expect(accounts.flatMap(({ parked }) => parked)).toHaveLength(2);
  });

  it("reconnects to a broker that was started again, and nothing is lost, doubled or out of order", async () => {
    await using scene = await Scene.open(clientOf, brokerOf);
    const consumer = await scene.consume();
    const producer = scene.client.producer(scene.lines, { name: "writer" });
    const sends = texts("a", 100).map((text) => producer.send({ text }));
    await sends[0];
    const { port } = new URL(scene.broker.address);
    await scene.broker.close();
    const later = texts("b", 100).map((text) => producer.send({ text }));
    await scene.start(Number(port));
    const receipts = await Promise.all([...sends, ...later]);
    expect(new Set(receipts.map(({ queue, offset }) => `${queue} ${offset}`)).size).toBe(200);
    await consumer.caughtUp();
    // at least once: a handling whose settling was lost is repeated, so what counts is where each came first
    for (const key of ["a", "b"]) expect([...new Set(scene.textsOf(key))]).toEqual(texts(key, 100));
    expect(scene.told.map(({ type }) => type)).toEqual(expect.arrayContaining(["link.closed", "link.opened"]));
  });
});

describe("client and broker of a simulated next version", () => {
  it("speak it, and nothing of what it has more gets lost", async () => {
    await using scene = await Scene.open(NEXT, NEXT);
    scene.broken.add("a2");
    const consumer = await scene.consume();
    await scene.send(...texts("a", 3), ...texts("b", 20));
    await consumer.caughtUp();
    expect(scene.textsOf("b")).toEqual(texts("b", 20));
    expect(await scene.client.describe(scene.lines, { group: "g" })).toMatchObject({
      counts: { settled: 21, parked: 1 },
    });
    for (const { packets } of Object.values(scene.next)) expect([...packets.keys()]).toEqual([NEXT_VERSION]);
  });
});
