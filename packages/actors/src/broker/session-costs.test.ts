// What legal questions and frames in bad taste cost: counted in reads, copies, commits and encodings, never in time.
import { afterEach, describe, expect, it, vi } from "vitest";
import { QueueLog } from "../log/queue-log.ts";
import { type Epoch, offset } from "../message/brands.ts";
import { PackedReader } from "../message/packed.ts";
import { topicSpec } from "../message/topic.ts";
import { ByteWriter } from "../protocol/byte-writer.ts";
import type { ClientFrame, OffsetRange } from "../protocol/frames.ts";
import { binaryCodec, type Codec, jsonCodec } from "../protocol/index.ts";
import type { Question } from "../protocol/questions.ts";
import { failure, settlement } from "../queue/queue.fixture.ts";
import type { Store } from "../store/store.ts";
import { CursorWaits } from "../subscription/cursor-waits.ts";
import { SubscriptionState } from "../subscription/subscription-state.ts";
import { BrokerBench, changedStore, type TestClient } from "./broker.fixture.ts";

afterEach(() => vi.restoreAllMocks());

const asks = (client: TestClient, questions: readonly Question[]): ClientFrame[] =>
  questions.map((question) => ({ type: "ask", request: client.next(), question }));
const codes = (client: TestClient): string[] => client.all("refused").map(({ error }) => error.code);

/** Commits are counted, and can be held back. */
class Counted {
  commits = 0;
  #gate: Promise<void> | undefined;
  #open = () => {};
  #fail: (error: Error) => void = () => {};
  readonly store = (store: Store): Store =>
    changedStore(store, {
      writer: () => {
        const writer = store.writer();
        return {
          commit: (...of) => {
            this.commits++;
            return writer.commit(...of);
          },
        };
      },
    });
  async begin(ordered = true): Promise<BrokerBench> {
    const bench = await BrokerBench.start({
      topics: [topicSpec({ name: "t", queues: 1, ordered })],
      store: this.store,
    });
    bench.disk.beforeApply = () => this.#gate;
    return bench;
  }
  stop(): void {
    this.#gate = new Promise((resolve, reject) => {
      this.#open = resolve;
      this.#fail = reject;
    });
  }
  /** What waits comes to nothing. */
  fail(): void {
    this.#gate = undefined;
    this.#fail(new Error("the disk failed"));
  }
  goOn(): void {
    this.#gate = undefined;
    this.#open();
  }
}
/** Consumes queue 0, on which these messages are. */
async function consumer(bench: BrokerBench, keys: readonly string[], credit = { messages: 100_000, bytes: 1e9 }) {
  const client = await bench.client("consumer");
  await client.join("one");
  await client.produce(keys, 0);
  await bench.runtime.advance(1);
  await client.acquire(0);
  await bench.runtime.advance(1);
  const { epoch } = client.last("lease.granted");
  await client.say({ type: "credit", member: 1, queue: 0, epoch, ...credit });
  return { client, epoch };
}
const keys = (count: number, key = "k"): string[] => Array.from({ length: count }, () => key);
const settle = (epoch: Epoch, number: number, ranges: readonly OffsetRange[]): ClientFrame => ({
  ...({ type: "settle", member: 1, queue: 0, epoch, settle: number } as const),
  settlement: settlement(ranges),
});

describe("explain", () => {
  it("reads the span once for all groups, and keeps nothing of it but the first message's place and a count", async () => {
    const groups = ["a", "b", "c", "d"];
    const bench = await BrokerBench.start({ topics: [topicSpec({ name: "t", queues: 1, groups })] });
    const client = await bench.client("client");
    await client.produce([...keys(1_000, "other"), ...keys(4_000)], 0);
    const looked = vi.spyOn(PackedReader.prototype, "next");
    const copied = vi.spyOn(PackedReader.prototype, "message", "get");
    await client.say(...asks(client, [{ kind: "explain", topic: "t", key: "k" }]));
    const { answer } = client.last("answer");
    expect(answer).toMatchObject({ groups: groups.map((group) => ({ group, backlog: 4_000 })) });
    expect(looked.mock.calls.length).toBeLessThanOrEqual(5_001);
    expect(copied).not.toHaveBeenCalled();
  });
  it("asked a thousand times in one packet is worked out as often as it was asked in other words", async () => {
    const bench = await BrokerBench.start({ topics: [topicSpec({ name: "t", queues: 1, groups: ["g"] })] });
    const client = await bench.client("client");
    await client.produce(keys(500), 0);
    const looked = vi.spyOn(PackedReader.prototype, "next");
    const explain = (key: string): Question => ({ kind: "explain", topic: "t", key });
    await client.say(
      ...asks(
        client,
        Array.from({ length: 990 }, () => explain("k")),
      ),
    );
    await client.say(
      ...asks(
        client,
        Array.from({ length: 10 }, (_, n) => explain(`other ${n}`)),
      ),
    );
    expect(client.all("answer")).toHaveLength(1_000);
    // the first begins at once, those behind it are one; two at a time
    expect(looked.mock.calls.length).toBeLessThanOrEqual((3 + 10) * 501);
  });
  it("of a link that has gone is not worked on to its end", async () => {
    const bench = await BrokerBench.start({ topics: [topicSpec({ name: "t", queues: 1, groups: ["g"] })] });
    const client = await bench.client("client");
    await client.produce(keys(500), 0);
    const looked = vi.spyOn(PackedReader.prototype, "next");
    const frames = asks(
      client,
      Array.from({ length: 100 }, (_, n) => ({ kind: "explain", topic: "t", key: `key ${n}` }) as const),
    );
    client.link.send(binaryCodec.encode(frames));
    await Promise.resolve();
    client.link.abort();
    await bench.runtime.settle();
    expect(looked.mock.calls.length).toBeLessThanOrEqual(3 * 501);
  });
});

describe("describe", () => {
  it("reads the batch that a group stands in once, not each time", async () => {
    const bench = await BrokerBench.start({ topics: [topicSpec({ name: "t", queues: 1, groups: ["g"] })] });
    const client = await bench.client("client");
    await client.produce(keys(5), 0);
    const reads = vi.spyOn(QueueLog.prototype, "read");
    await bench.runtime.advance(1_000);
    reads.mockClear(); // retention has looked
    for (let n = 0; n < 5; n++) await client.say(...asks(client, [{ kind: "describe" }]));
    expect(client.all("answer").at(-1)?.answer).toMatchObject({ topics: [{ groups: [{ lagMs: 1_000 }] }] });
    expect(reads).toHaveBeenCalledTimes(1);
  });
  it("waits for a link that does not read, and others are answered meanwhile", async () => {
    const bench = await BrokerBench.start();
    const [stuck, other] = [await bench.client("stuck"), await bench.client("other")];
    stuck.theirs.bufferedBytes = 2 * 1024 * 1024;
    await stuck.say(...asks(stuck, [{ kind: "describe" }, { kind: "describe" }, { kind: "describe" }]));
    await other.say(...asks(other, [{ kind: "describe" }]));
    expect([stuck.all("answer").length, other.all("answer").length]).toEqual([0, 1]);
    stuck.theirs.bufferedBytes = 0;
    await bench.runtime.settle();
    expect(stuck.all("answer")).toHaveLength(3);
  });
});

describe("topic.find", () => {
  it.each([binaryCodec, jsonCodec])("writes a route once, however often it is asked for ($name)", async (codec) => {
    const bench = await BrokerBench.start({ topics: [topicSpec({ name: "t", queues: 64 })] });
    const client = bench.dial("somebody", codec);
    const hello = { type: "hello", versions: [1], instance: "i", link: 1, client: "c", ordinal: null } as const;
    await client.say(hello, { type: "topic.find", request: client.next(), topic: "t" });
    const written = [vi.spyOn(ByteWriter, "fields"), vi.spyOn(JSON, "stringify")] as const;
    const finds = Array.from(
      { length: 100 },
      () => ({ type: "topic.find", request: client.next(), topic: "t" }) as const,
    );
    client.link.send(codec.encode(finds));
    written[1].mockClear(); // the client wrote these
    await bench.runtime.settle();
    const routes = written[1].mock.calls.filter(([value]) => "route" in (value as object));
    expect([written[0].mock.calls.length, routes.length]).toEqual([0, 0]);
    const found = client.all("topic.found");
    expect(found.map(({ request }) => request)).toEqual(Array.from({ length: 101 }, (_, n) => n + 1));
    expect(found.every(({ route, spec }) => route.homes.length === 64 && spec.queues === 64)).toBe(true);
  });
  it("waits for a link that does not read, a thousand of them at most", async () => {
    const bench = await BrokerBench.start();
    const client = await bench.client("client");
    client.theirs.bufferedBytes = 2 * 1024 * 1024;
    const find = () => ({ type: "topic.find", request: client.next(), topic: "t" }) as const;
    await client.say(...Array.from({ length: 1_002 }, find));
    expect([client.all("topic.found").length, codes(client)]).toEqual([0, ["LIMIT_EXCEEDED", "LIMIT_EXCEEDED"]]);
    expect(client.last("refused").error.data).toEqual({ findsMax: 1_000, retryInMs: 1_000 });
    client.theirs.bufferedBytes = 0;
    await bench.runtime.settle();
    expect(client.all("topic.found")).toHaveLength(1_000);
  });
});

describe("reached", () => {
  const far = (queues: number, end = 1_000_000) =>
    Array.from({ length: queues }, (_, queue) => ({ queue, end: offset(end) }));
  const reached = (ends: readonly { readonly queue: number; readonly end: ReturnType<typeof offset> }[]): Question => ({
    kind: "reached",
    topic: "t",
    group: "g",
    ends,
  });
  it("waits at one queue at a time, whatever its ends, and of several ends of one queue for the furthest", async () => {
    const bench = await BrokerBench.start({ topics: [topicSpec({ name: "t", queues: 8, groups: ["g"] })] });
    const client = await bench.client("client");
    const waits = vi.spyOn(CursorWaits.prototype, "add");
    const many = Array.from({ length: 4_096 }, (_, n) => ({ queue: n % 8, end: offset(1_000 + (n % 64)) }));
    await client.say(
      ...asks(
        client,
        Array.from({ length: 25 }, () => reached(many)),
      ),
    );
    expect(waits.mock.calls).toEqual(Array(25).fill([1_056, expect.any(Function)]));
    expect([client.all("answer"), codes(client)]).toEqual([[], []]);
  });
  it("is refused past its bounds, and told when to ask again; the end of a link makes room", async () => {
    const bench = await BrokerBench.start({ topics: [topicSpec({ name: "t", queues: 1_024, groups: ["g"] })] });
    const client = await bench.client("client");
    const taken = Math.floor(131_072 / (1_024 + 16));
    const questions = Array.from({ length: taken + 4 }, () => reached(far(1_024)));
    await client.say(...asks(client, questions));
    expect(codes(client)).toEqual(Array(4).fill("LIMIT_EXCEEDED"));
    expect(client.last("refused").error.data).toEqual({ endsMax: 131_072, retryInMs: 1_000 });
    client.link.abort();
    await bench.runtime.settle();
    const next = await bench.client("next");
    await next.say(...asks(next, questions.slice(0, taken)));
    expect(codes(next)).toEqual([]);
  });
  it("is refused for a queue that the topic does not have, and answered at once when all is reached", async () => {
    const bench = await BrokerBench.start({ topics: [topicSpec({ name: "t", queues: 2, groups: ["g"] })] });
    const client = await bench.client("client");
    await client.say(...asks(client, [reached(far(3)), reached(far(2, 0)), reached([])]));
    expect([codes(client), client.all("answer").map(({ answer }) => answer)]).toEqual([
      ["OPTION_INVALID"],
      [null, null],
    ]);
  });
  it("comes when the last of its queues has come so far", async () => {
    const { client, epoch } = await consumer(await new Counted().begin(), keys(3));
    await client.say(...asks(client, [reached(far(1, 2)), reached(far(1, 3)), reached(far(1, 3))]));
    await client.say(settle(epoch, 0, [[0, 2]]));
    expect(client.all("answer")).toHaveLength(1);
    await client.say(settle(epoch, 1, [[2, 3]]));
    expect(client.all("answer")).toHaveLength(3);
  });
});

describe("a settle", () => {
  it.each([true, false])(
    "of what is settled already changes nothing and stores nothing (ordered: %s)",
    async (ordered) => {
      const counted = new Counted();
      const bench = await counted.begin(ordered);
      const { client, epoch } = ordered ? await consumer(bench, keys(10)) : await member(bench, 10);
      await client.say(settle(epoch, 0, [[2, 6]]));
      const { revision } = client.last("settled");
      const encoded = vi.spyOn(SubscriptionState.prototype, "encode");
      const { commits } = counted;
      for (let n = 1; n <= 200; n++)
        await client.say(
          settle(
            epoch,
            n,
            n % 2 === 0
              ? [[2, 6]]
              : [
                  [3, 4],
                  [4, 5],
                ],
          ),
        );
      expect(client.all("settled").map((settled) => settled.revision)).toEqual(Array(201).fill(revision));
      expect([counted.commits - commits, encoded.mock.calls.length]).toEqual([0, 0]);
      await client.say(settle(epoch, 201, [[3, 7]]));
      expect([counted.commits - commits, client.last("settled").revision]).toEqual([1, revision + 1]);
    },
  );
  const unstored = async (ordered: boolean) => {
    const counted = new Counted();
    const bench = await counted.begin(ordered);
    const { client, epoch } = ordered ? await consumer(bench, keys(10)) : await member(bench, 10);
    counted.stop();
    for (let n = 0; n < 100; n++) await client.say(settle(epoch, n, [[0, 6]]));
    expect(client.all("settled")).toEqual([]);
    counted.goOn();
    await bench.runtime.settle();
    expect(client.all("settled").map(({ settle: number }) => number)).toEqual(Array.from({ length: 100 }, (_, n) => n));
  };
  it("of what is settled but not stored yet is answered when it is", () => unstored(true));
  it("of what is settled but not stored yet is answered when it is, in an unordered queue too", () => unstored(false));
  it("of what is settled and could not be stored is not answered as settled", async () => {
    const counted = new Counted();
    const bench = await counted.begin();
    const { client, epoch } = await consumer(bench, keys(10));
    counted.stop();
    for (let n = 0; n < 3; n++) await client.say(settle(epoch, n, [[0, 6]]));
    counted.fail();
    await bench.runtime.settle();
    expect(client.all("settled")).toEqual([]);
    expect(client.last("lease.ended").reason).toBe("fenced");
  });
  const wrong: readonly (readonly [string, readonly OffsetRange[]])[] = [
    [
      "twice",
      [
        [0, 5],
        [0, 5],
      ],
    ],
    [
      "overlapping",
      [
        [0, 5],
        [4, 6],
      ],
    ],
    [
      "in another order",
      [
        [4, 6],
        [0, 3],
      ],
    ],
  ];
  for (const codec of [binaryCodec, jsonCodec])
    for (const [how, ranges] of wrong)
      it(`that names offsets ${how} ends the link, in a release and a resume too (${codec.name})`, async () => {
        const settle = settlement(ranges);
        const of = { member: 1, queue: 0, epoch: 1 as Epoch } as const;
        const resume = { epoch: of.epoch, settle: settlement([]), inHand: ranges, redrivenInHand: [] };
        const frames: readonly ClientFrame[] = [
          { type: "settle", ...of, settle: 0, settlement: settle },
          { type: "lease.release", request: 1, ...of, settle },
          { type: "lease.acquire", request: 1, member: 1, queue: 0, resume: { ...resume, settle } },
          { type: "lease.acquire", request: 1, member: 1, queue: 0, resume },
        ];
        for (const frame of frames) expect((await violated(codec, frame)).code).toBe("PROTOCOL_VIOLATION");
      });
  it("may name ranges that touch", async () => {
    const { client, epoch } = await consumer(await new Counted().begin(), keys(10));
    await client.say(
      settle(epoch, 0, [
        [0, 2],
        [2, 3],
        [5, 6],
      ]),
    );
    expect(client.all("settled")).toHaveLength(1);
  });
});
/** What the goodbye says when this has come. */
async function violated(codec: Codec, frame: ClientFrame) {
  const client = (await BrokerBench.start()).dial("somebody", codec);
  const hello = { type: "hello", versions: [1], instance: "i", link: 1, client: "c", ordinal: null } as const;
  await client.say(hello);
  await client.say(frame);
  return client.last("goodbye").error ?? { code: null };
}
/** A member of an unordered queue that has this many messages. */
async function member(bench: BrokerBench, messages: number) {
  const client = await bench.client("member");
  await client.join("one");
  await client.produce(keys(messages), 0);
  const { epoch } = client.last("lease.granted");
  await client.say({ type: "credit", member: 1, queue: 0, epoch, messages: 1_000, bytes: 1e9 });
  return { client, epoch };
}

describe("repeated without effect", () => {
  it("a message that is set aside already is not stored again", async () => {
    const counted = new Counted();
    const { client, epoch } = await consumer(await counted.begin(), keys(10));
    const of = { member: 1, queue: 0, epoch, kind: "park", offset: offset(0), key: "k", redriven: null } as const;
    const put = () => ({ type: "aside.put", request: client.next(), ...of, attempts: 3, error: failure }) as const;
    await client.say(put());
    const { commits } = counted;
    for (let n = 0; n < 100; n++) await client.say(put());
    expect(counted.commits).toBe(commits);
    const done = client.all("aside.done").map(({ revision, offsets }) => ({ revision, offsets }));
    expect(done).toEqual(Array(101).fill(done[0]));
    expect(done[0]?.offsets).toHaveLength(10);
  });
  it("credit that was given already looks for nothing to deliver", async () => {
    const { client, epoch } = await consumer(await new Counted().begin(), keys(3), { messages: 3, bytes: 40 });
    expect(client.all("deliver").flatMap(({ batches }) => batches)).toHaveLength(1); // one has no room
    const reads = vi.spyOn(QueueLog.prototype, "read");
    const credit = { type: "credit", member: 1, queue: 0, epoch, messages: 3 } as const;
    for (let n = 0; n < 100; n++) await client.say({ ...credit, bytes: 40 - (n % 2) });
    expect(reads).not.toHaveBeenCalled();
    await client.say({ ...credit, bytes: 1_000 });
    expect(reads).toHaveBeenCalled();
  });
  it("attempts of a redriven message that are reported many times in one settle are stored once", async () => {
    const counted = new Counted();
    const bench = await counted.begin();
    const { client, epoch } = await consumer(bench, keys(3));
    const of = { member: 1, queue: 0, epoch } as const;
    const rest = { kind: "park", offset: offset(0), key: "k", redriven: null, attempts: 3, error: failure } as const;
    await client.say({ type: "aside.put", request: client.next(), ...of, ...rest });
    const order = { kind: "aside.redrive", topic: "t", group: "g", key: "k", reason: "a test" } as const;
    await client.say(...asks(client, [order]));
    const [entry] = client.last("redeliver").entries;
    const at = { strand: entry?.strand ?? 0, offset: offset(0) };
    const writes: number[] = [];
    bench.disk.beforeApply = (of) => void writes.push(of.length);
    const redrivenTried = Array.from({ length: 1_000 }, (_, n) => ({ ...at, attempts: n + 1 }));
    await client.say({ type: "settle", ...of, settle: 0, settlement: settlement([], { redrivenTried }) });
    expect([client.all("settled").length, writes]).toEqual([1, [2]]); // the strand and the state
  });
});
