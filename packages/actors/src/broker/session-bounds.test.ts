// What one client can pile up while the store does not come along: everything has a bound, and nobody else is harmed.
import { describe, expect, it } from "vitest";
import { createClientCore } from "../client/client.ts";
import { type Epoch, sequence } from "../message/brands.ts";
import { concatBytes } from "../message/packed.ts";
import { topic, topicSpec, typed } from "../message/topic.ts";
import type { Codec } from "../protocol/codec.ts";
import type { ClientFrame } from "../protocol/frames.ts";
import { binaryCodec } from "../protocol/index.ts";
import { message, settlement } from "../queue/queue.fixture.ts";
import { CHANGES_MAX } from "../subscription/ledger.ts";
import { type BenchOptions, BrokerBench, changedStore, type TestClient } from "./broker.fixture.ts";

const MIB = 1024 * 1024;

/** A broker whose store can be stopped. */
class Stalled {
  readonly bench: BrokerBench;
  /** Commits handed to the store. */
  commits = 0;
  #gate: Promise<void> | null = null;
  #open = () => {};
  private constructor(bench: BrokerBench) {
    this.bench = bench;
  }
  static async begin(queues = 1, settings: BenchOptions["settings"] = {}): Promise<Stalled> {
    let stalled: Stalled | null = null;
    const bench = await BrokerBench.start({
      topics: [topicSpec({ name: "t", queues })],
      settings,
      store: (store) =>
        changedStore(store, {
          durabilityMax: "synced",
          writer: () => {
            const writer = store.writer();
            return {
              commit: (...of) => {
                if (stalled !== null) stalled.commits++;
                return writer.commit(...of);
              },
            };
          },
        }),
    });
    stalled = new Stalled(bench);
    bench.disk.beforeApply = () => stalled?.wait;
    return stalled;
  }
  get wait(): Promise<void> | undefined {
    return this.#gate ?? undefined;
  }
  stop(): void {
    this.commits = 0;
    this.#gate = new Promise((resolve) => {
      this.#open = resolve;
    });
  }
  async goOn(): Promise<void> {
    this.#gate = null;
    this.#open();
    await this.bench.runtime.advance(1_000);
  }
  /** Somebody else produces and has the receipt. */
  async mustServe(name: string): Promise<void> {
    const other = await this.bench.client(name);
    await openLane(other, name);
    await other.say(batch(other, 0, 1, "flushed"));
    await this.bench.runtime.advance(10);
    expect(other.last("batch.appended")).toMatchObject({ sequence: 0, count: 1 });
    expect(other.link.end).toBeNull();
  }
}
async function openLane(client: TestClient, producer: string, lane = 1): Promise<void> {
  const of = { lane, topic: "t", queue: 0, producer, epoch: null, routeVersion: 1 } as const;
  await client.say({ type: "lane.open", request: client.next(), ...of });
  await client.bench.runtime.advance(1);
}
function batch(client: TestClient, at: number, bytes = 1, durability: "memory" | "flushed" = "memory"): ClientFrame {
  const { epoch } = client.last("lane.opened");
  const messages = concatBytes([message("k", bytes)]);
  return { type: "batch.append", lane: 1, epoch, sequence: sequence(at), count: 1, durability, messages };
}
/** Holds queue 0, with messages delivered. */
async function holder(stalled: Stalled, messages: number): Promise<{ client: TestClient; epoch: Epoch }> {
  const client = await stalled.bench.client("holder");
  await client.join("one");
  await client.produce(
    Array.from({ length: messages }, () => "k"),
    0,
  );
  await stalled.bench.runtime.advance(1);
  await client.acquire(0);
  await stalled.bench.runtime.advance(1);
  const { epoch } = client.last("lease.granted");
  await client.say({ type: "credit", member: 1, queue: 0, epoch, messages: 100_000, bytes: 1e9 });
  expect(client.all("deliver").length).toBeGreaterThan(0);
  return { client, epoch };
}

describe("while the store does not come along", () => {
  it("a lane may have as many batches without an answer as welcome says; one more ends the link", async () => {
    const stalled = await Stalled.begin();
    const client = await stalled.bench.client("a");
    await openLane(client, "p");
    const { inFlightBatchesMax } = client.last("welcome");
    stalled.stop();
    for (let at = 0; at < inFlightBatchesMax; at++) await client.say(batch(client, at, 1, "flushed"));
    expect(client.link.end).toBeNull();
    await client.say(batch(client, inFlightBatchesMax, 1, "flushed"));
    expect([client.last("goodbye").error?.code, client.link.end?.code]).toEqual(["PROTOCOL_VIOLATION", "violation"]);
    await stalled.goOn();
    await stalled.mustServe("b");
  });
  it("answered batches make room for more", async () => {
    const stalled = await Stalled.begin();
    const client = await stalled.bench.client("a");
    await openLane(client, "p");
    for (let at = 0; at < 100; at++) await client.say(batch(client, at, 1, "flushed"));
    for (let n = 0; n < 100; n++) await client.say(batch(client, 5_000, 1, "flushed")); // each refused
    await stalled.bench.runtime.advance(10);
    expect(client.all("batch.appended")).toHaveLength(100);
    expect(client.all("batch.refused")).toHaveLength(100);
    expect(client.link.end).toBeNull();
  });
  it("our own lanes obey it, however much they have to send", async () => {
    const lines = topic("t", { schema: typed<string>(), key: "send", queues: 1 });
    const stalled = await Stalled.begin();
    const { transport, runtime } = stalled.bench;
    let inFlight = 0;
    let most = 0;
    const codec: Codec = {
      name: "binary",
      versions: binaryCodec.versions,
      at: () => codec,
      refusal: (frame) => binaryCodec.refusal(frame),
      reader: (packet) => binaryCodec.reader(packet),
      answerTo: (kind, answer) => binaryCodec.answerTo(kind, answer),
      encode: (frames: Parameters<typeof binaryCodec.encode>[0]) => {
        inFlight += frames.filter(({ type }) => type === "batch.append").length;
        most = Math.max(most, inFlight);
        return binaryCodec.encode(frames);
      },
      decode: (packet: Uint8Array) => {
        const frames = binaryCodec.decode(packet);
        inFlight -= frames.filter(({ type }) => type === "batch.appended" || type === "batch.refused").length;
        return frames;
      },
    };
    const client = await runtime.run(createClientCore({ transport, runtime, codec }));
    const producer = client.producer(lines, { inFlightBatchesMax: 1_000 });
    await runtime.run(producer.send("first", { key: "k" }));
    stalled.stop();
    const sends: Promise<unknown>[] = [];
    for (let turn = 0; turn < 100; turn++) {
      sends.push(producer.send(`${turn}`, { key: "k" }));
      await runtime.advance(1);
    }
    expect(most).toBe(32);
    await stalled.goOn();
    await runtime.run(Promise.all(sends));
    expect(most).toBe(32);
    expect(stalled.bench.links.map((link) => link.end)).toEqual([null]);
    await runtime.run(client.close());
  });
  it("batches of one queue are taken up to 64 MiB, of all queues up to 256 MiB; then they are refused, and come again", async () => {
    const stalled = await Stalled.begin();
    const client = await stalled.bench.client("a");
    await openLane(client, "p");
    stalled.stop();
    for (let at = 0; at < 80; at++) await client.say(batch(client, at, MIB - 2_000));
    const taken = client.all("batch.appended").length;
    expect(taken).toBe(64);
    const [first] = client.all("batch.refused");
    expect(first).toMatchObject({ sequence: 64, error: { code: "LIMIT_EXCEEDED" }, retryAfterMs: 200 });
    expect(client.link.end).toBeNull();
    await stalled.goOn();
    await client.say(batch(client, 64));
    expect(client.last("batch.appended")).toMatchObject({ sequence: 64 });
    await stalled.mustServe("b");
  });
  it("settles go to the store 64 at a time, those that come meanwhile as one; each is answered, and none is lost", async () => {
    const stalled = await Stalled.begin();
    const { client, epoch } = await holder(stalled, 2_000);
    stalled.stop();
    const settles = Array.from({ length: 900 }, (_, n) => ({
      ...({ type: "settle", member: 1, queue: 0, epoch, settle: n } as const),
      settlement: settlement([[n * 2, n * 2 + 1]]),
    }));
    for (let from = 0; from < settles.length; from += 100) await client.say(...settles.slice(from, from + 100));
    expect(stalled.commits).toBe(64);
    await stalled.goOn();
    expect(stalled.commits).toBeLessThan(70);
    expect(client.all("settled").map(({ settle }) => settle)).toEqual(settles.map(({ settle }) => settle));
    expect(new Set(client.all("settled").map(({ revision }) => revision)).size).toBe(900);
    const settled = async (bench: BrokerBench): Promise<number | undefined> => {
      const { counts } = await bench.broker.describe(topicSpec({ name: "t" }), { group: "g" });
      return counts.settled;
    };
    expect(await settled(stalled.bench)).toBe(900);
    await stalled.bench.broker.close();
    const { disk, runtime } = stalled.bench;
    const later = await BrokerBench.start({ topics: [topicSpec({ name: "t", queues: 1 })], disk, runtime });
    expect(await settled(later)).toBe(900);
  });
  it("a failing store fails those that have gathered, too, and all is read anew", async () => {
    const stalled = await Stalled.begin();
    const { client, epoch } = await holder(stalled, 500);
    stalled.stop();
    for (let n = 0; n < 200; n++)
      await client.say({
        ...({ type: "settle", member: 1, queue: 0, epoch, settle: n } as const),
        settlement: settlement([[n, n + 1]]),
      });
    const { disk, runtime } = stalled.bench;
    disk.beforeApply = () => {
      throw new Error("the disk failed");
    };
    await stalled.goOn();
    disk.beforeApply = () => stalled.wait;
    await runtime.advance(2_000);
    expect(client.all("settled")).toHaveLength(1); // the one that was being written
    expect(client.last("lease.ended").reason).toBe("fenced");
    await client.acquire(0);
    await runtime.advance(1);
    expect(client.all("lease.granted")).toHaveLength(2);
  });
  it(`settles without end: at ${CHANGES_MAX} that wait the link ends; what it settled is settled once the store is back`, async () => {
    const stalled = await Stalled.begin();
    const { client, epoch } = await holder(stalled, 10);
    stalled.stop();
    const settle = { type: "settle", member: 1, queue: 0, epoch, settle: 0, settlement: settlement([[0, 1]]) } as const;
    const many = Array.from({ length: 1_000 }, () => settle);
    for (let packets = 0; packets < 30 && client.link.end === null; packets++) await client.say(...many);
    expect([client.last("goodbye").error?.code, client.link.end?.code]).toEqual(["LIMIT_EXCEEDED", "overloaded"]);
    expect(stalled.commits).toBe(1); // the others settle what is settled already
    await stalled.goOn();
    expect(stalled.commits).toBeLessThan(70);
    await stalled.mustServe("b");
    const { counts } = await stalled.bench.broker.describe(topicSpec({ name: "t" }), { group: "g" });
    expect(counts.settled).toBe(1);
  });
  it("requests for leases without end: the same, and whoever had the queue can be asked again afterwards", async () => {
    const stalled = await Stalled.begin(1, { questionsPerSecondMax: 10_000 }); // else they are read too late for that
    const { client, epoch } = await holder(stalled, 10);
    stalled.stop();
    const raise = { type: "lease.raise", member: 1, queue: 0, epoch } as const;
    const acquire = { type: "lease.acquire", member: 1, queue: 0, resume: null } as const;
    for (let packets = 0; packets < 30 && client.link.end === null; packets++)
      await client.say(
        ...Array.from({ length: 500 }, () => ({ ...acquire, request: client.next() })),
        ...Array.from({ length: 500 }, () => ({ ...raise, request: client.next() })),
      );
    expect(client.last("goodbye").error?.code).toBe("LIMIT_EXCEEDED");
    expect(stalled.commits).toBeLessThanOrEqual(64);
    await stalled.goOn();
    await stalled.bench.runtime.advance(15_000);
    const next = await stalled.bench.client("next");
    await next.join("two");
    await stalled.bench.runtime.advance(5_000);
    await next.acquire(0);
    await stalled.bench.runtime.advance(1);
    expect(next.all("lease.granted")).toHaveLength(1);
  });
  it("new lanes of a queue without end: at 1,000 that wait one more is refused", async () => {
    const stalled = await Stalled.begin();
    const client = await stalled.bench.client("a");
    stalled.stop();
    for (let n = 0; n < 1_010; n++) {
      const of = { lane: 1, topic: "t", queue: 0, producer: "p", epoch: null, routeVersion: 1 } as const;
      await client.say({ type: "lane.open", request: client.next(), ...of }, { type: "lane.close", lane: 1 });
    }
    expect(client.all("refused").map(({ error }) => error.code)).toEqual(Array(10).fill("UNAVAILABLE"));
    await stalled.goOn();
    await stalled.mustServe("b");
  });
  it("heartbeats without end: while the owner of the data cannot be told, the newest waits", async () => {
    let answer: (() => void) | null = null;
    const bench = await BrokerBench.start({
      store: (store) =>
        changedStore(store, {
          verifyOwner: () =>
            new Promise((resolve) => {
              answer = resolve;
            }),
        }),
    });
    await bench.runtime.advance(30_000); // nothing is known of the owner by now
    const client = await bench.client("a");
    expect(answer).not.toBeNull();
    for (let beat = 1; beat <= 500; beat++) await client.say({ type: "heartbeat", beat, grantsSeen: 0, leases: [] });
    expect(client.all("heartbeat.answered")).toEqual([]);
    (answer as (() => void) | null)?.();
    await bench.runtime.settle();
    expect(client.all("heartbeat.answered").map(({ beat }) => beat)).toEqual([500]);
  });
});
