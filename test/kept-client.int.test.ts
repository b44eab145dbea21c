// The client of an earlier version, as one bundled file, works with the broker of this one.
import { type Broker, createBroker } from "@seriatim/actors";
import type * as ClientDoor from "@seriatim/actors/client";
import { lmdbStore } from "@seriatim/store-lmdb";
import { wsTransport } from "@seriatim/transport-ws";
import type * as WsClientDoor from "@seriatim/transport-ws/client";
import { afterAll, describe, expect, it, vi } from "vitest";
import { emptyFolder, keptClient, keptVersions, removeKeptFolders } from "./kept.fixture.ts";

afterAll(removeKeptFolders);

/** What the client's door was when it was kept. Loaded from its file, so typed by what the door is now. */
type KeptDoor = typeof ClientDoor & typeof WsClientDoor;

interface Line {
  readonly text: string;
}
/** A broker of this version, and the topic and a client of an earlier one. */
class Scene implements AsyncDisposable {
  readonly door: KeptDoor;
  readonly folder = emptyFolder();
  broker!: Broker;
  client!: ClientDoor.Client;
  readonly told: ClientDoor.SystemEvent[] = [];
  readonly handled: { readonly text: string; readonly attempt: number }[] = [];
  /** Texts whose handler fails. */
  readonly broken = new Set<string>();

  static async open(version: string): Promise<Scene> {
    const scene = new Scene((await import(/* @vite-ignore */ keptClient(version))) as KeptDoor);
    await scene.start(0);
    const { createClient, wsClientTransport } = scene.door;
    const backoff = { initialMs: 5, maxMs: 20 };
    const transport = wsClientTransport({ url: scene.broker.address, backoff });
    scene.client = await createClient({ name: "kept", transport });
    scene.client.events$.subscribe((event) => scene.told.push(event));
    return scene;
  }
  private constructor(door: KeptDoor) {
    this.door = door;
  }
  async start(port: number): Promise<void> {
    this.broker = await createBroker({
      modules: [wsTransport({ port }), lmdbStore({ path: this.folder, bytesMax: 64 * 2 ** 20 })],
      topics: [this.lines],
      heartbeatMs: 100,
    });
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

describe.each(keptVersions)("the client of %s", (version) => {
  it("produces and consumes in order, and has ids known", async () => {
    await using scene = await Scene.open(version);
    const receipts = await scene.send(...texts("a", 50), ...texts("b", 50));
    expect(receipts.every(({ duplicate, durability }) => !duplicate && durability !== "memory")).toBe(true);
    const consumer = await scene.consume();
    await consumer.caughtUp();
    expect(scene.textsOf("a")).toEqual(texts("a", 50));
    expect(scene.textsOf("b")).toEqual(texts("b", 50));
    expect((await scene.send("a7"))[0]).toMatchObject({ offset: receipts[6]?.offset, duplicate: true });
  });

  it("retries, parks a key in order, and redrives it", async () => {
    await using scene = await Scene.open(version);
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
    expect((await aside.peek("a")).map(({ body }) => body.text)).toEqual(["a2", "a3", "a4"]);
    scene.broken.clear();
    scene.handled.splice(0);
    expect(await aside.redrive("a", { reason: "mended" })).toEqual({ redriven: 3 });
    await vi.waitFor(() => expect(scene.handled.map(({ text }) => text)).toEqual(["a2", "a3", "a4"]), wait);
    expect(scene.told.map(({ type }) => type)).toContain("key.redriven");
  });

  it("describes, explains and accounts", async () => {
    await using scene = await Scene.open(version);
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
    await using scene = await Scene.open(version);
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
