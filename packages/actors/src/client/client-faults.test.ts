// Faults of our own at the client: whatever throws while a broker's frame is handled ends that link with INTERNAL, and the client comes again, later each time; so it does when it is the broker that fails.
import { afterEach, describe, expect, it, vi } from "vitest";
import { BrokerBench } from "../broker/broker.fixture.ts";
import { SettleLog } from "../consumer/settle-log.ts";
import type { SystemEvent } from "../contracts/events.ts";
import { DoNotRetry } from "../message/errors.ts";
import { SLOTS, slotOf } from "../message/route.ts";
import { topic, typed } from "../message/topic.ts";
import { LaneBuffer } from "../producer/lane-buffer.ts";
import type { Codec } from "../protocol/codec.ts";
import { FaultyFrame, INJECTED } from "../protocol/faulty-frame.fixture.ts";
import type { BrokerFrame, ClientFrame, Frame, ReadFrame } from "../protocol/frames.ts";
import { binaryCodec } from "../protocol/index.ts";
import { createClientCore } from "./client.ts";
import type { Client } from "./client-api.ts";

const lines = topic("t", { schema: typed<string>(), key: "send", queues: 2 });
const group = { group: "g" };
/** One of each queue. */
const [LOW, HIGH] = [true, false].map((low) =>
  [..."abcdefghijklmnop"].find((key) => slotOf(key) < SLOTS / 2 === low),
) as [string, string];
type Logged = { readonly level: string; readonly text: string; readonly data: Readonly<Record<string, unknown>> };

/** What comes to one client, and how it is read. */
class FaultyCodec implements Codec {
  readonly name = "binary";
  readonly versions = binaryCodec.versions;
  /** Changes what comes. */
  change: (frame: ReadFrame) => ReadFrame = (frame) => frame;
  /** Changes what goes, or throws. */
  write: (frames: readonly Frame[]) => void = () => {};
  at(): FaultyCodec {
    return this;
  }
  refusal(frame: Frame): ReturnType<Codec["refusal"]> {
    return binaryCodec.refusal(frame);
  }
  decode(packet: Uint8Array): ReadFrame[] {
    return binaryCodec.decode(packet).map((frame) => this.change(frame));
  }
  reader(packet: Uint8Array): ReturnType<Codec["reader"]> {
    return binaryCodec.reader(packet);
  }
  answerTo: Codec["answerTo"] = (kind, answer) => binaryCodec.answerTo(kind, answer);
  encode(frames: readonly Frame[]): Uint8Array {
    this.write(frames);
    return binaryCodec.encode(frames);
  }
}

/** A client that does everything once, beside another that must not notice. */
class Life {
  readonly bench: BrokerBench;
  readonly codec = new FaultyCodec();
  readonly logged: Logged[] = [];
  readonly events: SystemEvent[] = [];
  readonly handled: string[] = [];
  readonly sent: string[] = [];
  connected = false;
  constructor(bench: BrokerBench) {
    this.bench = bench;
  }
  static async begin(): Promise<Life> {
    return new Life(await BrokerBench.start({ topics: [lines] }));
  }
  async client(name: string, codec: Codec = binaryCodec): Promise<Client> {
    const { transport, runtime } = this.bench;
    const logger = {
      log: (level: string, text: string, data: object) =>
        this.logged.push({ level, text, data: data as Logged["data"] }),
    };
    const client = await createClientCore({ name, transport, runtime, codec, logger, connectTimeoutMs: 60_000 });
    if (codec === this.codec) {
      this.connected = true;
      client.events$.subscribe((event) => this.events.push(event));
    }
    return client;
  }
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.bench.runtime.setTimeout(resolve, ms));
  }
  /** Tries until it succeeds: what a fault came between is ordered again. */
  async again(work: () => Promise<unknown>): Promise<void> {
    for (let tries = 0; ; tries++)
      try {
        await work();
        return;
      } catch (error) {
        if (tries === 5) throw error;
        await this.sleep(500);
      }
  }
  async play(): Promise<void> {
    const { codec, handled } = this;
    const other = await this.client("other");
    const client = await this.client("one", codec);
    const producer = client.producer(lines, { name: "p" });
    const send = async (key: string, text: string) => {
      this.sent.push(text);
      await producer.send(text, { key });
    };
    const consumer = client.consumer(lines, group);
    let mended = false;
    const consumed = consumer.run(async ({ body }) => {
      if (body === "bad" && !mended) throw new DoNotRetry("bad");
      handled.push(body);
    });
    await consumer.ready();
    for (const key of [LOW, HIGH]) await send(key, `${key}1`);
    await send(LOW, "bad");
    await send(LOW, "behind");
    const aside = client.admin.setAside(lines, group);
    const parked = async () => {
      for await (const entry of aside.list()) if (entry.kind === "parked") return true;
      return false;
    };
    while (!(await parked())) await this.sleep(100);
    mended = true;
    await this.again(async () => {
      if (await parked()) await aside.redrive(LOW, { reason: "mended" });
    });
    await client.describe();
    await expect(client.describe(lines, { group: "nobody" })).rejects.toMatchObject({ code: "OPTION_INVALID" });
    await this.sleep(4_000); // a heartbeat

    // somebody else takes a queue, and goes
    const second = other.consumer(lines, { ...group, name: "second" });
    const alsoConsumed = second.run(async ({ body }) => void handled.push(body));
    await second.ready();
    await this.sleep(3_000);
    for (const key of [LOW, HIGH]) await send(key, `${key}2`);
    await second.close();
    await alsoConsumed;

    // the disk fails for a moment: a store in memory keeps nothing of what comes then
    const { disk } = this.bench;
    const { beforeApply } = disk;
    disk.beforeApply = () => {
      throw new Error("the disk failed");
    };
    const sends = ["x", "y", "z"].map((text) => producer.send(text, { key: HIGH }));
    await this.sleep(300);
    sends.push(producer.send("zz", { key: HIGH }));
    await this.sleep(100);
    disk.beforeApply = beforeApply;
    await Promise.all(sends);
    await send(HIGH, `${HIGH}3`);
    while (!this.sent.every((text) => handled.includes(text))) await this.sleep(200);
    await consumer.close();
    await consumed;
    await client.close();
    expect(this.logged.filter(({ level, text }) => level === "error" && text.includes("other"))).toEqual([]);
    expect((await other.describe()).brokers[0]?.state).toBe("serving");
    await other.close();
  }
  /** In order of their first handling. */
  mustBeInOrder(): void {
    const first = [...new Set(this.handled)].filter((text) => text.startsWith(HIGH));
    expect(first).toEqual(this.sent.filter((text) => text.startsWith(HIGH)));
  }
}

/** Every frame a broker sends, and what it is made of where this broker would send it too seldom; null where the life above makes it send one. */
const FRAMES: {
  readonly [Type in BrokerFrame["type"]]: { readonly of: (frame: BrokerFrame) => BrokerFrame | null } | null;
} = {
  welcome: null,
  goodbye: {
    of: (frame) =>
      frame.type === "heartbeat.answered"
        ? { type: "goodbye", error: { code: "UNAVAILABLE", message: "closing", data: {} } }
        : null,
  },
  limited: {
    of: (frame) =>
      frame.type === "heartbeat.answered"
        ? { type: "limited", limit: "questionsPerSecondMax", max: 1_000, retryInMs: 10 }
        : null,
  },
  refused: null,
  "topic.found": null,
  "lane.opened": null,
  "batch.appended": null,
  "lane.kept": null,
  "lane.rewind": null,
  "batch.refused": {
    of: (frame) => {
      if (frame.type !== "batch.appended") return null;
      const { lane, epoch, sequence } = frame;
      const error = { code: "UNAVAILABLE", message: "not now", data: {} } as const;
      return { type: "batch.refused", lane, epoch, sequence, error, expected: null, retryAfterMs: 100 };
    },
  },
  "member.joined": null,
  "member.ended": {
    of: (frame) =>
      frame.type === "heartbeat.answered"
        ? { type: "member.ended", member: 999, error: { code: "UNAVAILABLE", message: "who knows", data: {} } }
        : null,
  },
  "heartbeat.answered": null,
  "lease.offered": null,
  "lease.granted": null,
  "lease.revoke": null,
  "lease.released": null,
  "lease.ended": null,
  deliver: null,
  redeliver: null,
  settled: null,
  "settle.refused": {
    of: (frame) => {
      if (frame.type !== "settled") return null;
      const { revision: _, ...rest } = frame;
      return { ...rest, type: "settle.refused", error: { code: "STALE_EPOCH", message: "ended", data: {} } };
    },
  },
  "aside.done": null,
  answer: null,
};

describe("a fault while a broker's frame is handled", () => {
  it.each(Object.keys(FRAMES) as BrokerFrame["type"][])(
    "%s: ends the link with INTERNAL, and all goes on over the next one",
    async (type) => {
      let looks = 0;
      for (;;) {
        const life = await Life.begin();
        const { runtime } = life.bench;
        // welcomes, routes and answers stay with whoever asked for them
        const faulty = new FaultyFrame(looks + 1, {
          depth: type === "answer" || type === "topic.found" ? 1 : 99,
          counts: () => type !== "welcome" || !life.connected,
        });
        let wrapped = false;
        life.codec.change = (frame) => {
          if (wrapped) return frame;
          const made = FRAMES[type]?.of(frame as BrokerFrame) ?? frame;
          if (made.type !== type) return frame;
          wrapped = true;
          return faulty.wrap(made);
        };
        await runtime.run(life.play(), 600_000);
        life.mustBeInOrder();
        expect([type, wrapped]).toEqual([type, true]);
        if (!faulty.struck) break;
        looks++;
        const faults = life.logged.filter(({ data }) => data["code"] === "INTERNAL");
        expect(faults).toMatchObject([{ level: "error", data: { error: `TypeError: ${INJECTED}` } }]);
        expect(faults[0]?.data["stack"]).toContain("faulty");
        if (type !== "welcome") {
          const { reference } = faults[0]?.data ?? {};
          expect(
            life.events.filter((event) => event.type === "link.closed" && event.code === "INTERNAL"),
          ).toMatchObject([{ reference }]);
        }
        const ofTheStore = ["a commit failed", "reloading", "refused, and its client is not told why"];
        const errors = life.bench.entries.filter(({ level }) => level === "error").map(({ text }) => text);
        expect(errors.filter((text) => !ofTheStore.some((known) => text.includes(known)))).toEqual([]);
      }
      expect(looks).toBeGreaterThan(0);
    },
    120_000,
  );
});

/** Every frame of a client: writing it fails, once. */
const WRITTEN: { readonly [Type in ClientFrame["type"]]: "in the life above" | "only when something else has failed" } =
  {
    hello: "in the life above",
    goodbye: "in the life above",
    "topic.find": "in the life above",
    "lane.open": "in the life above",
    "lane.close": "in the life above",
    "batch.append": "in the life above",
    "member.join": "in the life above",
    "member.leave": "in the life above",
    heartbeat: "in the life above",
    "lease.acquire": "in the life above",
    "lease.raise": "only when something else has failed",
    "lease.release": "in the life above",
    credit: "in the life above",
    settle: "in the life above",
    "aside.put": "in the life above",
    ask: "in the life above",
  };
describe("a fault while a frame is written", () => {
  const types = (Object.keys(WRITTEN) as ClientFrame["type"][]).filter((type) => WRITTEN[type] === "in the life above");
  it.each(types)(
    "%s: ends the link with INTERNAL, and all goes on over the next one",
    async (type) => {
      const life = await Life.begin();
      let struck = 0;
      life.codec.write = (frames) => {
        if (struck === 2 || !frames.some((frame) => frame.type === type)) return;
        struck++; // a second time when the culprit is looked for
        throw new TypeError(INJECTED);
      };
      await life.bench.runtime.run(life.play(), 600_000);
      life.mustBeInOrder();
      expect(struck).toBe(2);
      const faults = life.logged.filter(({ data }) => data["code"] === "INTERNAL");
      expect(faults.map(({ text }) => text)).toEqual([expect.stringContaining(`writing "${type}"`)]);
    },
    60_000,
  );
});

describe("a fault that comes every time", () => {
  const gaps = (at: readonly number[]) => at.slice(1).map((ms, index) => ms - (at[index] as number));
  const mustGrow = (waits: readonly number[]) => {
    for (const [n, ms] of waits.entries()) {
      const mostMs = Math.min(1_000 * 2 ** n, 60_000);
      expect(ms).toBeGreaterThanOrEqual(mostMs / 2);
      expect(ms).toBeLessThanOrEqual(mostMs + 1);
    }
  };
  it("at the client: it dials later each time, up to a minute", async () => {
    const life = await Life.begin();
    const { runtime, dialledAt } = life.bench;
    await runtime.run(life.client("one", life.codec));
    life.codec.change = (frame) => (frame.type === "welcome" ? new FaultyFrame(1).wrap(frame) : frame);
    for (const session of life.bench.links) session.abort();
    await runtime.advance(600_000);
    const waits = gaps(dialledAt.slice(1));
    expect(waits.length).toBeGreaterThan(10);
    mustGrow(waits);
    expect(life.logged.filter(({ data }) => data["code"] === "INTERNAL")).toHaveLength(waits.length + 1);
  });
  it("at the broker: the client dials later each time, and says what to report; nothing of the fault itself has come to it", async () => {
    const life = await Life.begin();
    const { runtime, dialledAt, entries } = life.bench;
    life.codec.write = (frames) => {
      // what this client sends next will do harm
      for (const frame of frames) if (frame.type === "heartbeat") life.bench.poison("heartbeat");
    };
    const client = await runtime.run(life.client("one", life.codec));
    await runtime.advance(1_000_000);
    life.bench.cure();
    const waits = gaps(dialledAt).map((ms) => ms - 3_000); // the first heartbeat of a link
    expect(waits.length).toBeGreaterThan(10);
    mustGrow(waits);
    const closed = life.events.filter((event) => event.type === "link.closed");
    const references = entries.filter(({ data }) => data["code"] === "INTERNAL").map(({ data }) => data["reference"]);
    expect(closed.map((event) => event.type === "link.closed" && event.reference)).toEqual(references);
    expect(closed.every((event) => event.type === "link.closed" && event.code === "INTERNAL")).toBe(true);
    const said = life.logged.filter(({ text }) => text.includes("report it"));
    expect(said.map(({ data }) => data["reference"])).toEqual(references);
    expect(said.every(({ text }) => text.includes("the next link is tried in"))).toBe(true);
    expect(JSON.stringify([life.logged, life.events])).not.toContain("swordfish");
    await runtime.run(client.close());
  });
  it("at the broker, by a question: it is asked twice, and then fails with INTERNAL", async () => {
    const life = await Life.begin();
    const { runtime } = life.bench;
    const client = await runtime.run(life.client("one"));
    life.bench.poison("ask");
    const asked = client.describe().catch((error: unknown) => error);
    expect(await runtime.run(asked)).toMatchObject({ code: "INTERNAL", retryable: true, at: "broker" });
    life.bench.cure();
    expect((await runtime.run(client.describe())).brokers).toHaveLength(1);
    await runtime.run(client.close());
  });
});

/** What runs of itself at a client: at the end of a turn, or from a timer. Each goes wrong once. */
const OF_ITSELF: Readonly<Record<string, () => { mockImplementationOnce(fault: () => never): unknown }>> = {
  "batches are taken": () => vi.spyOn(LaneBuffer.prototype, "take"),
  "settles are sealed": () => vi.spyOn(SettleLog.prototype, "seal"),
};
describe("a fault of what runs of itself", () => {
  afterEach(() => vi.restoreAllMocks());
  it.each(Object.keys(OF_ITSELF))("when %s: is logged, ends no more than the link, and all goes on", async (what) => {
    const life = await Life.begin();
    let struck = false;
    OF_ITSELF[what]?.().mockImplementationOnce(() => {
      struck = true;
      throw new TypeError(INJECTED);
    });
    await life.bench.runtime.run(life.play(), 600_000);
    life.mustBeInOrder();
    expect(struck).toBe(true);
    expect(life.logged.filter(({ data }) => String(data["error"]).includes(INJECTED)).length).toBeGreaterThan(0);
  });
  it("when a turn's settles are told: ends the link, and its messages are settled over the next one", async () => {
    const life = await Life.begin();
    const { runtime } = life.bench;
    const client = await runtime.run(life.client("one"));
    const consumer = client.consumer(lines, group);
    const consumed = consumer.run(({ body }) => void life.handled.push(body));
    await runtime.run(consumer.ready());
    vi.spyOn(SettleLog.prototype, "seal").mockImplementationOnce(() => {
      throw new TypeError(INJECTED);
    });
    await runtime.run(client.producer(lines).send("a", { key: LOW }));
    await runtime.run(consumer.caughtUp());
    expect([...new Set(life.handled)]).toEqual(["a"]);
    const faults = life.logged.filter(({ data }) => data["code"] === "INTERNAL");
    expect(faults.map(({ data }) => data["doing"])).toEqual(["settle"]);
    await runtime.run(client.close());
    await runtime.run(consumed);
  });
});

describe("beside frames", () => {
  it.each([
    { name: "a history", history: true, logger: false },
    { name: "a logger", history: false, logger: true },
    { name: "both", history: true, logger: true },
  ])("$name of the user's that throws: messages go on, in order, on the same link", async ({ history, logger }) => {
    const life = await Life.begin();
    const { transport, runtime, links } = life.bench;
    const fault = (): never => {
      throw new TypeError(INJECTED);
    };
    const logged: string[] = [];
    const client = await runtime.run(
      createClientCore({
        transport,
        runtime,
        inspect: fault,
        logger: { log: logger ? fault : (_, text) => logged.push(text) },
        ...(history ? { history: { record: fault } } : {}),
      }),
    );
    const observed = client.events$.subscribe(fault); // what is logged goes through the logger
    const watched = client.actors.watch().subscribe(fault);
    const consumer = client.consumer(lines, group);
    const handled: string[] = [];
    const consumed = consumer.run(async ({ body }) => void handled.push(body));
    const producer = client.producer(lines);
    const bodies = [..."abcdef"];
    await runtime.run(Promise.all(bodies.map((body) => producer.send(body, { key: LOW }))));
    await runtime.run(consumer.caughtUp());
    expect(handled).toEqual(bodies);
    expect(links).toHaveLength(1);
    expect(links[0]?.end).toBeNull();
    observed.unsubscribe();
    watched.unsubscribe();
    if (!logger) {
      expect(logged.filter((text) => text.startsWith("history:"))).toHaveLength(history ? 1 : 0);
      expect(logged.some((text) => text.includes("observer of the actors"))).toBe(true);
    }
    await runtime.run(consumer.close());
    await runtime.run(consumed);
    await runtime.run(client.close());
  });
  it("an observer of events that throws is logged, and hears the next event", async () => {
    const life = await Life.begin();
    const { runtime } = life.bench;
    const client = await runtime.run(life.client("one"));
    let heard = 0;
    client.events$.subscribe({
      next: () => {
        heard++;
        throw new TypeError(INJECTED);
      },
    });
    for (let cuts = 0; cuts < 2; cuts++) {
      for (const link of life.bench.links) link.abort();
      await runtime.advance(10_000);
    }
    expect(heard).toBeGreaterThan(2);
    expect(life.logged.filter(({ text }) => text.includes("observer"))).toHaveLength(heard);
    await runtime.run(client.close());
  });
});
