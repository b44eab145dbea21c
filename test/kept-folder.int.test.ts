// A data folder that an earlier version wrote and left when it was killed opens with everything in it, and its work goes on.
import {
  auth,
  binaryCodec,
  createSystem,
  type Link,
  provide,
  type System,
  slotOf,
  type Transport,
  tokens,
} from "@seriatim/actors";
import { memoryTransport } from "@seriatim/transport-memory";
import { afterAll, describe, expect, it, vi } from "vitest";
import { MIGRATIONS, type Migration } from "../packages/store-lmdb/src/formats.ts";
import { openLmdbStore } from "../packages/store-lmdb/src/lmdb-store.ts";
import { plain } from "../scripts/keep-version/plain.mjs";
import {
  backlogOf,
  type KeptGroup,
  type KeptManifest,
  type KeptMessage,
  keptFolder,
  keptManifest,
  keptRuntime,
  keptTopic,
  keptVersions,
  removeKeptFolders,
} from "./kept.fixture.ts";

afterAll(removeKeptFolders);
const because = { reason: "the test" };
/** A next format, as a later version may bring it: it has a record more, a note for every log. */
const NOTE = "note/";
const nextFormat: Migration = {
  since: "7.0.0",
  *parts({ logs }) {
    for (const log of [...logs.keys()])
      yield { logs: new Map(), batches: [], records: new Map([[`${NOTE}${log}`, new TextEncoder().encode(log)]]) };
  },
};
/** What opens the folder, and the formats it has beside those there are. */
const OPENERS = { "this version": [], "a simulated next version": [nextFormat] } as const;
type Opener = keyof typeof OPENERS;

/** One system on a copy of the kept folder; it is told nothing of topics: they are in the folder. */
class KeptScene implements AsyncDisposable {
  readonly manifest: KeptManifest;
  readonly system: System;
  readonly transport: Transport;
  readonly errors: readonly string[];

  static async open(
    version: string,
    opener: Opener,
    modules: readonly ReturnType<typeof auth>[] = [],
  ): Promise<KeptScene> {
    const manifest = keptManifest(version);
    const runtime = keptRuntime(manifest);
    const errors: string[] = [];
    let transport: Transport | undefined;
    const path = keptFolder(version);
    const migrations = [...MIGRATIONS, ...OPENERS[opener]];
    const store = await openLmdbStore({ path, runtime, bytesMax: 64 * 2 ** 20, check: "full" }, { migrations });
    const logs = manifest.topics.reduce((sum, { queues }) => sum + queues, 0);
    expect(await store.list(NOTE)).toHaveLength(OPENERS[opener].length * logs);
    const system = await createSystem({
      heartbeatMs: 100,
      modules: [
        ...modules,
        memoryTransport(),
        provide(tokens.store, () => store),
        provide(tokens.runtime, () => runtime),
        provide(tokens.logger, (get) => {
          transport = get(tokens.transport);
          return { log: (level, text, data) => level === "error" && errors.push(`${text} ${JSON.stringify(data)}`) };
        }),
      ],
    });
    return new KeptScene(manifest, system, transport as unknown as Transport, errors);
  }
  private constructor(manifest: KeptManifest, system: System, transport: Transport, errors: readonly string[]) {
    this.manifest = manifest;
    this.system = system;
    this.transport = transport;
    this.errors = errors;
  }
  topic(name: string) {
    return keptTopic(this.manifest, name);
  }
  aside({ topic, group }: Pick<KeptGroup, "topic" | "group">) {
    return this.system.admin.setAside(this.topic(topic), { group });
  }
  async listed(of: KeptGroup) {
    const found = [];
    for await (const { message, ...entry } of this.aside(of).list())
      found.push({ ...entry, queue: message.queue, offset: message.offset, body: plain(message.body) });
    return found;
  }
  /** A member of the group; what its handler is called with is collected in `handled`, and ends well. */
  join(of: KeptGroup) {
    const handled: { queue: number; offset: number; key: string | null; attempt: number; body: unknown }[] = [];
    const { topic, group, exhausted, attempts, concurrency, leaseTtlMs } = of;
    const consumer = this.system.consumer(
      this.topic(topic) as never,
      {
        group,
        exhausted,
        concurrency,
        retry: { attempts, initialMs: 1, maxMs: 10 },
        ...(leaseTtlMs === null ? {} : { leaseTtlMs }),
      } as never,
    );
    void consumer.run(({ queue, offset, key, body }, { attempt }) => {
      handled.push({ queue, offset, key, attempt, body: plain(body) });
    });
    return { consumer, handled };
  }
  groupOf(exhausted: KeptGroup["exhausted"], isOrdered = true): KeptGroup {
    const found = this.manifest.groups.find(
      (group) => group.exhausted === exhausted && (group.leaseTtlMs !== null) === isOrdered && group.aside.length > 0,
    );
    if (found === undefined) throw new Error(`there is no group that would ${exhausted}`);
    return found;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.system.close({ timeoutMs: 100 });
    expect(this.errors).toEqual([]);
  }
}
/** Offsets by queue and key, in the order given. */
function byKey(given: readonly { readonly queue: number; readonly offset: number; readonly key: string | null }[]) {
  const found: Record<string, number[]> = {};
  for (const { queue, offset, key } of given) {
    const offsets = found[`${queue} ${key}`] ?? [];
    found[`${queue} ${key}`] = [...offsets, offset];
  }
  return found;
}

const cases = keptVersions.flatMap((version) =>
  (Object.keys(OPENERS) as Opener[]).map((opener) => [version, opener] as const),
);
describe.each(cases)("the folder of %s, opened by %s", (version, opener) => {
  it("opens with every topic, group and producer, every offset in its class, and all that was set aside", async () => {
    await using scene = await KeptScene.open(version, opener);
    const { topics, groups } = scene.manifest;
    const described = await scene.system.describe();
    const found = described.topics.map(({ topic, queues, producers }) => ({ topic, queues, producers }));
    const expected = topics.map(({ name, queues, producers }) => ({ topic: name, queues, producers }));
    expect(found).toHaveLength(expected.length);
    expect(found).toEqual(expect.arrayContaining(expected));
    for (const of of groups) {
      const about = `${of.topic}/${of.group}`;
      const accounts = await scene.system.admin.account(scene.topic(of.topic), { group: of.group });
      expect(accounts, about).toEqual(of.accounts.map((account) => ({ ...account, logEpoch: account.logEpoch + 1 })));
      expect(await scene.listed(of), about).toEqual(of.aside);
    }
  });

  it("has every message that retention had left, as it was sent", async () => {
    await using scene = await KeptScene.open(version, opener);
    const { topics, messages, groups } = scene.manifest;
    for (const { name, ordered, retention } of topics) {
      const found: unknown[] = [];
      const audit = scene.system.consumer(scene.topic(name), { group: "audit", concurrency: 1 });
      void audit.run(({ topic, queue, offset, key, id, headers, body }) => {
        found.push({ topic, queue, offset, key, id, headers, body: plain(body) });
      });
      await audit.caughtUp();
      const kept = retention.settledByAll === true && groups.some(({ topic }) => topic === name) ? [] : messages;
      const sent = kept.filter(({ topic }) => topic === name);
      expect(found, name).toHaveLength(sent.length);
      expect(found, name).toEqual(expect.arrayContaining(sent));
      if (ordered)
        for (const queue of new Set(sent.map((message) => message.queue))) {
          const places = (of: readonly unknown[]) =>
            (of as typeof sent).filter((message) => message.queue === queue).map(({ offset }) => offset as number);
          expect(places(found)).toEqual(places(sent).sort((a, b) => a - b));
        }
      await audit.close();
    }
  });

  it("knows the ids of what was sent, also of what retention has removed", async () => {
    await using scene = await KeptScene.open(version, opener);
    const { topics, messages } = scene.manifest;
    const known = messages.filter(({ id, topic: of }) => {
      const { idWindowMs = 0 } = topics.find(({ name }) => name === of) ?? {};
      return id !== null && idWindowMs > 600_000;
    });
    expect(new Set(known.map(({ topic }) => topic)).size).toBe(2);
    const producers = new Map(topics.map(({ name }) => [name, scene.system.producer(scene.topic(name))]));
    await Promise.all(
      known.map(async ({ topic, queue, offset, key, id }) => {
        const receipt = await producers.get(topic)?.send({ text: "again" }, { key, id } as never);
        expect(receipt).toMatchObject({ queue, offset, duplicate: true });
      }),
    );
  });

  it("has names that are the first principal's that comes, where principals are told apart", async () => {
    const access = auth({ authenticate: async (token) => ({ id: token ?? "system" }), authorize: () => true });
    await using scene = await KeptScene.open(version, opener, [access]);
    const { instance, link: number, ordinal, lanes } = scene.manifest.producer;
    const [first] = lanes;
    const open = async (token: string, hello: object, epoch: number | null) => {
      const link: Link = await scene.transport.dial({ signal: new AbortController().signal, token });
      // biome-ignore lint/suspicious/noExplicitAny: frames, as a client's link has them
      const frames: any[] = [];
      link.frames$.subscribe((packet) => frames.push(...binaryCodec.decode(packet)));
      const { topic, queue, producer } = first as (typeof lanes)[number];
      const lane = { type: "lane.open", request: 1, lane: 1, topic, queue, producer, epoch, routeVersion: 1 };
      const said = { type: "hello", versions: binaryCodec.versions, link: number + 1, client: token, ...hello };
      link.send(binaryCodec.encode([said, lane] as never));
      const answered = () => frames.find(({ request }) => request === 1);
      await vi.waitFor(() => expect(answered()).toBeDefined());
      link.close();
      return answered();
    };
    expect(await open("writer", { instance, ordinal }, first?.epoch ?? null)).toMatchObject({ type: "lane.opened" });
    for (const hello of [
      { instance, ordinal },
      { instance: "another", ordinal: null },
    ])
      expect(await open("stranger", hello, null)).toMatchObject({ type: "refused", error: { code: "NAME_IN_USE" } });
  });
  it("knows what the producer was to send next, and what it repeats", async () => {
    await using scene = await KeptScene.open(version, opener);
    const { producer, messages } = scene.manifest;
    const { instance, link: number, ordinal, lanes } = producer;
    // biome-ignore lint/suspicious/noExplicitAny: frames, as a client's link has them
    const frames: any[] = [];
    const link: Link = await scene.transport.dial({ signal: new AbortController().signal, token: null });
    link.frames$.subscribe((packet) => frames.push(...binaryCodec.decode(packet)));
    const say = (...said: object[]) => link.send(binaryCodec.encode(said as never));
    say({ type: "hello", versions: binaryCodec.versions, instance, link: number + 1, ordinal, client: "writer" });
    for (const [lane, { topic, queue, producer: name, epoch }] of lanes.entries())
      say({ type: "lane.open", request: lane, lane, topic, queue, producer: name, epoch, routeVersion: 1 });
    await vi.waitFor(() => expect(frames.filter(({ type }) => type === "lane.opened")).toHaveLength(lanes.length));
    for (const [lane, { topic, queue, epoch, next }] of lanes.entries()) {
      expect(frames.find(({ type, request }) => type === "lane.opened" && request === lane)).toMatchObject({
        epoch,
        expected: next,
      });
      // its last message again, as after an answer that was lost: any bytes, since the place is what counts
      const { key } = messages.findLast((message) => message.topic === topic && message.queue === queue) as {
        key: string;
      };
      const repeated = packedWith(key);
      say({
        type: "batch.append",
        lane,
        epoch,
        sequence: next - 1,
        count: 1,
        durability: "flushed",
        messages: repeated,
      });
    }
    await vi.waitFor(() => expect(frames.filter(({ type }) => type === "batch.appended")).toHaveLength(lanes.length));
    for (const [lane, { topic, queue }] of lanes.entries()) {
      const { offset } = messages.findLast((message) => message.topic === topic && message.queue === queue) ?? {};
      const appended = frames.find((frame) => frame.type === "batch.appended" && frame.lane === lane);
      expect(appended.runs).toEqual([{ count: 1, offset, duplicate: true }]);
    }
    link.close();
  });

  it("goes on where its group stood: attempts, a strand that was being redriven, then what is left, in order", async () => {
    await using scene = await KeptScene.open(version, opener);
    const group = scene.groupOf("park");
    const { messages, tried } = scene.manifest;
    const { consumer, handled } = scene.join(group);
    await consumer.caughtUp();
    await vi.waitFor(async () => expect(await scene.listed(group)).toHaveLength(2), 5_000);
    const own = messages.filter(({ topic }) => topic === group.topic);
    const redriving = group.aside.filter(({ key }) => key === "redriving");
    expect(redriving).toHaveLength(1);
    const strand = redriving.flatMap(({ key, offset, behind }) =>
      own.filter((message) => message.key === key && message.offset >= offset).slice(0, behind + 1),
    );
    const left = group.accounts.flatMap((account) =>
      backlogOf(account).map(
        (offset) => own.find((message) => message.queue === account.queue && message.offset === offset) as KeptMessage,
      ),
    );
    expect(byKey(handled)).toEqual(byKey([...strand, ...left]));
    for (const { queue, offset, attempts } of tried.filter((one) => one.group === group.group))
      expect(handled.find((one) => one.queue === queue && one.offset === offset)?.attempt).toBe(attempts + 1);
    for (const { backlog } of await scene.system.admin.account(scene.topic(group.topic), { group: group.group }))
      expect(backlog).toBe(0);
  });

  it("runs what was parked and replaced, once it is redriven, in order", async () => {
    await using scene = await KeptScene.open(version, opener);
    const group = scene.groupOf("park");
    const { consumer, handled } = scene.join(group);
    await consumer.caughtUp();
    handled.splice(0);
    expect(await scene.aside(group).redrive("parked", because)).toEqual({ redriven: 3 });
    expect(await scene.aside(group).redrive("replaced", because)).toEqual({ redriven: 2 });
    await vi.waitFor(async () => expect(await scene.listed(group)).toEqual([]), 5_000);
    const texts = (key: string) =>
      handled.filter((one) => one.key === key).map(({ body }) => (body as { text: string }).text);
    expect(texts("parked")).toEqual(["parked1", "parked2", "parked3"]);
    expect(texts("replaced")).toEqual(["replaced1 by another", "replaced2"]);
  });

  it("runs dead letters and the message it halted at, once they are retried", async () => {
    await using scene = await KeptScene.open(version, opener);
    for (const group of [scene.groupOf("dead-letter"), scene.groupOf("dead-letter", false), scene.groupOf("halt")]) {
      const { handled } = scene.join(group);
      for (const { entry } of group.aside) await scene.aside(group).retry(entry, because);
      await vi.waitFor(async () => {
        expect(await scene.listed(group)).toEqual([]);
        const places = handled.map(({ queue, offset }) => `${queue} ${offset}`);
        expect(places).toEqual(expect.arrayContaining(group.aside.map(({ queue, offset }) => `${queue} ${offset}`)));
      }, 5_000);
    }
  });
});

/** A packed message with a key and no body; see `message/packed.ts`. */
function packedWith(key: string): Uint8Array {
  const slot = slotOf(key);
  const text = new TextEncoder().encode(key);
  const bytes = new Uint8Array(10 + text.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  bytes.set([1, 2], 4);
  view.setUint16(6, slot, true);
  view.setUint16(8, text.length, true);
  bytes.set(text, 10);
  return bytes;
}
