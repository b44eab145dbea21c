import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { HistoryStep } from "../contracts/history.ts";
import { DoNotRetry, RetryLater } from "../message/errors.ts";
import { topic, typed } from "../message/topic.ts";
import { createConsumer } from "./consumer.ts";
import type { Consumer, Context, Handler, OrderedConsumerOptions } from "./consumer-api.ts";
import { FakeGroup } from "./fake-group.fixture.ts";

interface Move {
  readonly game: string;
  readonly n: number;
}
const moves = topic("moves", { schema: typed<Move>(), key: (body) => body.game, encoding: "json", queues: 1 });
const checked = topic("moves", {
  schema: z.object({ game: z.string(), n: z.number() }),
  key: (body) => body.game,
  encoding: "json",
  queues: 1,
});
const unkeyed = topic("moves", { schema: typed<Move>(), key: null, encoding: "json", queues: 1 });
const board = topic("board", { schema: typed<string>(), key: "send" });

const open: Consumer<unknown, unknown>[] = [];
function consume(
  group: FakeGroup,
  options: Partial<OrderedConsumerOptions> = {},
  of: typeof moves = moves,
): Consumer<Move> {
  const consumer = createConsumer(
    group.environment,
    of,
    { group: "g", name: "c", retry: { jitter: 0 }, ...options },
    "client",
  ) as Consumer<Move>;
  open.push(consumer as Consumer<unknown, unknown>);
  return consumer;
}
/** Messages `"a1"`, `"b1"`: key and number. */
function fill(group: FakeGroup, names: string): void {
  for (const name of names.split(" ")) group.queue().append(name[0] ?? "", { game: name[0], n: Number(name.slice(1)) });
}
/** Handlers that wait to be told how to end; a log of what started and ended. */
function byHand() {
  const log: string[] = [];
  const running = new Map<
    string,
    { readonly resolve: () => void; readonly reject: (error: unknown) => void; readonly context: Context }
  >();
  const handler: Handler<Move> = (message, context) =>
    new Promise<void>((resolve, reject) => {
      const name = `${message.key ?? ""}${message.body.n}`;
      log.push(`+${name}`);
      const end = (how: () => void) => () => {
        log.push(`-${name}`);
        running.delete(name);
        how();
      };
      running.set(name, { resolve: end(resolve), reject: (error) => end(() => reject(error))(), context });
    });
  return { log, running, handler };
}

describe("a consumer's handlers", () => {
  const group = () => new FakeGroup();
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown) => rejections.push(reason);
  process.on("unhandledRejection", onRejection);
  afterEach(() => {
    open.length = 0;
    expect(rejections.splice(0)).toEqual([]);
  });

  it("run one message of a queue at a time, in queue order, and settle each", async () => {
    const broker = group();
    fill(broker, "a1 b1 a2 b2");
    const { log, running, handler } = byHand();
    void consume(broker).run(handler);
    await broker.runtime.advance(1);
    for (const name of ["a1", "b1", "a2", "b2"]) {
      expect([...running.keys()]).toEqual([name]);
      running.get(name)?.resolve();
      await broker.runtime.advance(1);
    }
    expect(log.join(" ")).toBe("+a1 -a1 +b1 -b1 +a2 -a2 +b2 -b2");
    expect([...broker.queue().settled]).toEqual([0, 1, 2, 3]);
  });

  it("run different keys of a queue side by side with concurrency n, and never the same key", async () => {
    const broker = group();
    fill(broker, "a1 a2 b1 c1 b2 d1");
    const { log, running, handler } = byHand();
    void consume(broker, { concurrency: 3 }).run(handler);
    await broker.runtime.advance(1);
    expect(log).toEqual(["+a1", "+b1", "+c1"]);
    running.get("b1")?.resolve();
    await broker.runtime.advance(1);
    expect([...running.keys()]).toEqual(["a1", "c1", "d1"]);
    running.get("c1")?.resolve();
    await broker.runtime.advance(1);
    expect([...running.keys()]).toEqual(["a1", "d1", "b2"]);
    expect([...broker.queue().settled]).toEqual([2, 3]);
    running.get("a1")?.resolve();
    await broker.runtime.advance(1);
    expect([...running.keys()]).toEqual(["d1", "b2", "a2"]);
  });

  it("run messages without a key one at a time, and side by side only with concurrency n", async () => {
    for (const concurrency of [1, 2]) {
      const broker = group();
      for (let n = 1; n <= 3; n++) broker.queue().append(null, { game: "", n });
      const { running, handler } = byHand();
      void consume(broker, { concurrency }, unkeyed as unknown as typeof moves).run(handler);
      await broker.runtime.advance(1);
      expect([...running.keys()]).toEqual(["1", "2", "3"].slice(0, concurrency));
    }
  });

  it("count what piled up in one settle: what ended in one turn leaves in one frame", async () => {
    const broker = group();
    for (let n = 0; n < 100; n++) fill(broker, `a${n}`);
    void consume(broker).run(() => {});
    await broker.runtime.advance(10);
    expect(broker.queue().settled.size).toBe(100);
    expect(broker.sent("settle").length).toBeLessThan(10);
  });

  it("retry a failed message in place, with backoff, before anything newer of its key", async () => {
    const broker = group();
    fill(broker, "a1 a2 b1");
    const started: string[] = [];
    void consume(broker, { concurrency: 2, retry: { initialMs: 100, factor: 2, jitter: 0 } }).run(
      ({ key, body }, { attempt }) => {
        started.push(`${key}${body.n}/${attempt}@${broker.runtime.now()}`);
        if (key === "a" && body.n === 1 && attempt < 3) throw new Error("not yet");
      },
    );
    await broker.runtime.advance(1_000);
    expect(started).toEqual(["a1/1@0", "b1/1@0", "a1/2@100", "a1/3@300", "a2/1@300"]);
    expect([...broker.queue().settled].sort()).toEqual([0, 1, 2]);
    expect(broker.queue().tried.get(0)).toBe(2);
    expect(broker.steps("handling", "handled", "failed")).toEqual([
      "handling 0/1",
      "failed 0/1",
      "handling 2/1",
      "handled 2/1",
      "handling 0/2",
      "failed 0/2",
      "handling 0/3",
      "handled 0/3",
      "handling 1/1",
      "handled 1/1",
    ]);
  });

  it("hold back the whole queue behind a backing-off message at concurrency 1", async () => {
    const broker = group();
    fill(broker, "a1 b1");
    const started: string[] = [];
    const consumer = consume(broker);
    void consumer.run(({ key }, { attempt }) => {
      started.push(`${key}/${attempt}`);
      if (key === "a" && attempt === 1) throw new Error("not yet");
    });
    await broker.runtime.advance(50);
    expect(started).toEqual(["a/1"]);
    expect(broker.environment.actors.list("worker").map((worker) => worker.state)).toEqual(["backingOff"]);
    await broker.runtime.advance(60);
    expect(started).toEqual(["a/1", "a/2", "b/1"]);
  });

  it("wait at least as long as RetryLater says, and never retry what says so", async () => {
    const broker = group();
    fill(broker, "a1 b1");
    const started: string[] = [];
    void consume(broker, { concurrency: 2 }).run(({ key }, { attempt }) => {
      started.push(`${key}/${attempt}@${broker.runtime.now()}`);
      if (key === "a" && attempt === 1) throw new RetryLater("busy", { afterMs: 5_000 });
      if (key === "b") throw new DoNotRetry("never");
    });
    await broker.runtime.advance(6_000);
    expect(started).toEqual(["a/1@0", "b/1@0", "a/2@5000"]);
    expect(broker.queue().aside.get(1)).toEqual({ kind: "park", attempts: 1 });
  });

  it("survive whatever a handler does: throws at once, rejects, throws what is no error, answers with what is no promise", async () => {
    const broker = group();
    fill(broker, "a1 b1 c1 d1 e1 f1");
    const ways: Record<string, () => unknown> = {
      a: () => {
        throw new Error("at once");
      },
      b: () => Promise.reject(new Error("later")),
      c: () => {
        throw undefined;
      },
      d: () => 42,
      // biome-ignore lint/suspicious/noThenProperty: what is under test
      e: () => ({ then: (_ok: unknown, fail: (error: unknown) => void) => fail(null) }),
      f: () => ({
        // biome-ignore lint/suspicious/noThenProperty: what is under test
        get then() {
          throw new Error("even looking at it throws");
        },
      }),
    };
    void consume(broker, { concurrency: 9, retry: { attempts: 1 } }).run(({ key }) => ways[key ?? ""]?.() as undefined);
    await broker.runtime.advance(10);
    expect([...broker.queue().settled]).toEqual([3]);
    expect([...broker.queue().aside.keys()].sort()).toEqual([0, 1, 2, 4, 5]);
    expect(broker.logged).toEqual([]);
  });

  it("go on counting attempts that were made elsewhere", async () => {
    const broker = group();
    fill(broker, "a1");
    broker.queue().tried.set(0, 4);
    const attempts: number[] = [];
    void consume(broker, { retry: { attempts: 6 } }).run((_, { attempt }) => {
      attempts.push(attempt);
      throw new Error("no");
    });
    await broker.runtime.advance(60_000);
    expect(attempts).toEqual([5, 6]);
    expect(broker.queue().aside.get(0)).toEqual({ kind: "park", attempts: 6 });
  });

  it("do not run a message whose attempts are used up, nor one that keeps killing its process", async () => {
    const broker = group();
    fill(broker, "a1 b1 c1");
    broker.queue().tried.set(0, 12);
    broker.queue().losses.set(1, 5);
    const started: string[] = [];
    void consume(broker).run(({ key }) => void started.push(key ?? ""));
    await broker.runtime.advance(10);
    expect(started).toEqual(["c"]);
    expect([...broker.queue().aside.keys()]).toEqual([0, 1]);
  });

  describe("when attempts are exhausted", () => {
    it("park the key: what was delivered of it is dropped, other keys flow on, and the credit of all of it comes back", async () => {
      const broker = group();
      fill(broker, "a1 a2 b1 a3 b2");
      const started: string[] = [];
      void consume(broker, { retry: { attempts: 2, initialMs: 10 }, inFlightMax: 4 }).run(({ key, body }) => {
        started.push(`${key}${body.n}`);
        if (key === "a") throw new Error("bad");
      });
      await broker.runtime.advance(100);
      fill(broker, "a4 b3 b4 b5 b6 b7");
      broker.flow();
      await broker.runtime.advance(100);
      expect(started).toEqual(["a1", "a1", "b1", "b2", "b3", "b4", "b5", "b6", "b7"]);
      expect(
        broker
          .sent("aside.put")
          .map(({ kind, offset, key, attempts, error }) => [kind, offset, key, attempts, error.message]),
      ).toEqual([["park", 0, "a", 2, "bad"]]);
      expect([...broker.queue().aside.keys()].sort((a, b) => a - b)).toEqual([0, 1, 3, 5]);
      expect(broker.steps("parked")).toEqual(["parked 0", "parked 1", "parked 3"]);
      expect(broker.events.filter((event) => event.type === "key.parked")).toMatchObject([{ key: "a", offset: 0 }]);
      const { credit, sentMessages } = broker.queue();
      expect(credit.messages - sentMessages).toBeGreaterThanOrEqual(2);
    });

    it("start nothing of a parked key before the answer, and drop what still arrives of it", async () => {
      const broker = group();
      fill(broker, "a1 b1");
      broker.ignores = (frame) => frame.type === "aside.put";
      const started: string[] = [];
      void consume(broker, { concurrency: 4, retry: { attempts: 1 } }).run(({ key, body }) => {
        started.push(`${key}${body.n}`);
        if (body.n === 1 && key === "a") throw new Error("bad");
      });
      await broker.runtime.advance(10);
      fill(broker, "a2 b2");
      broker.flow();
      await broker.runtime.advance(1_000);
      expect(started).toEqual(["a1", "b1", "b2"]);
      expect(broker.environment.actors.list("worker").map((worker) => worker.state)).toEqual(["settingAside"]);
    });

    it("tell what was handled before it first, so that no predecessor can come again behind a parked head", async () => {
      const broker = group();
      fill(broker, "a1 a2 a3");
      void consume(broker, { retry: { attempts: 1 } }).run(({ body }) => {
        if (body.n === 2) throw new Error("bad");
      });
      await broker.runtime.advance(10);
      const told = broker.frames.flatMap<unknown>((frame) =>
        frame.type === "settle" ? [frame.settlement.ranges] : frame.type === "aside.put" ? [frame.offset] : [],
      );
      expect(told).toEqual([[[0, 1]], 1]);
      expect([...broker.queue().aside.keys()]).toEqual([1, 2]);
    });

    it("set a message without a key aside alone", async () => {
      const broker = group();
      for (let n = 1; n <= 2; n++) broker.queue().append(null, { game: "", n });
      void consume(broker, { retry: { attempts: 1 } }, unkeyed as unknown as typeof moves).run(({ body }) => {
        if (body.n === 1) throw new Error("bad");
      });
      await broker.runtime.advance(10);
      expect(broker.sent("aside.put").map(({ kind, key }) => [kind, key])).toEqual([["dead-letter", null]]);
      expect([...broker.queue().settled]).toEqual([1]);
    });

    it("dead-letter the message, and let its successors run once that is confirmed", async () => {
      const broker = group();
      fill(broker, "a1 a2");
      void consume(broker, { exhausted: "dead-letter", retry: { attempts: 1 } }).run(({ body }) => {
        if (body.n === 1) throw new Error("bad");
      });
      await broker.runtime.advance(10);
      expect(broker.steps("handling", "deadLettered", "handled")).toEqual([
        "handling 0/1",
        "deadLettered 0",
        "handling 1/1",
        "handled 1/1",
      ]);
      expect(broker.events.filter((event) => event.type === "message.deadLettered")).toMatchObject([
        { key: "a", offset: 0 },
      ]);
    });

    it("halt the queue: nothing more starts until the lease is over", async () => {
      const broker = group();
      fill(broker, "a1 b1");
      const started: string[] = [];
      void consume(broker, { exhausted: "halt", retry: { attempts: 1 } }).run(({ key }) => {
        started.push(key ?? "");
        if (key === "a" && started.length === 1) throw new Error("bad");
      });
      await broker.runtime.advance(20_000);
      expect(started).toEqual(["a"]);
      expect(broker.events.filter((event) => event.type === "queue.halted")).toMatchObject([{ offset: 0 }]);
      expect(broker.environment.actors.list("worker").map((worker) => worker.state)).toEqual(["halted"]);
      broker.queue().halted = false;
      broker.end();
      broker.offer();
      await broker.runtime.advance(10);
      expect(started).toEqual(["a", "a", "b"]);
    });

    it("stand still when the broker has no room to set aside", async () => {
      const broker = group();
      fill(broker, "a1 b1");
      broker.refuses = (frame) => (frame.type === "aside.put" ? "LIMIT_EXCEEDED" : null);
      const started: string[] = [];
      const consumer = consume(broker, { retry: { attempts: 1 } });
      void consumer.run(({ key }) => {
        started.push(key ?? "");
        throw new Error("bad");
      });
      await broker.runtime.advance(20_000);
      expect(started).toEqual(["a"]);
      expect(broker.sent("aside.put").length).toBe(1);
      await broker.runtime.run(consumer.close());
      expect(broker.queue().released).toEqual([7]);
    });

    it("set a body of a newer encoding aside, with what is to be upgraded, and go on with other keys", async () => {
      const broker = group();
      fill(broker, "a1 b1 a2");
      broker.queue().log[0]?.packed.fill(9, 5, 6);
      const started: string[] = [];
      void consume(broker).run(({ key }) => void started.push(key ?? ""));
      await broker.runtime.advance(10);
      expect(started).toEqual(["b"]);
      const [put, ...more] = broker.sent("aside.put");
      expect([put?.offset, put?.kind, put?.error.code, more]).toEqual([0, "park", "FORMAT_UNSUPPORTED", []]);
      expect(put?.error.message).toContain("the body has encoding 9, which is of a newer version");
    });
    it("set a body that the schema refuses aside without running it", async () => {
      const broker = group();
      fill(broker, "a1");
      broker.queue().append("b", { game: 7 });
      broker.queue().append("c", { game: "c", n: 1 });
      const started: string[] = [];
      void consume(broker, {}, checked as unknown as typeof moves).run(({ key }) => void started.push(key ?? ""));
      await broker.runtime.advance(10);
      expect(started).toEqual(["a", "c"]);
      expect(broker.sent("aside.put").map(({ offset, error }) => [offset, error.code])).toEqual([[1, "SCHEMA_FAILED"]]);
    });
  });

  it("run what is redriven in order before anything newer, and settle it by its place", async () => {
    const broker = group();
    fill(broker, "a1 a2 a3");
    let broken = true;
    const started: string[] = [];
    void consume(broker, { retry: { attempts: 1 } }).run(({ key, body }, { redriven, attempt }) => {
      started.push(`${key}${body.n}${redriven ? "r" : ""}/${attempt}`);
      if (broken) throw new Error("bad");
    });
    await broker.runtime.advance(10);
    expect(started).toEqual(["a1/1"]);
    broken = false;
    broker.redeliver(5, [0, 1, 2]);
    fill(broker, "a4");
    broker.flow();
    await broker.runtime.advance(10);
    expect(started).toEqual(["a1/1", "a1r/1", "a2r/1", "a3r/1", "a4/1"]);
    expect(broker.queue().settledRedriven).toEqual([0, 1, 2].map((offset) => ({ strand: 5, offset })));
  });

  it("put a redriven message that fails again back at the head of its strand, and drop what followed it", async () => {
    const broker = group();
    fill(broker, "a1 a2");
    const started: string[] = [];
    void consume(broker, { retry: { attempts: 1 } }).run(({ key, body }) => {
      started.push(`${key}${body.n}`);
      throw new Error("bad");
    });
    await broker.runtime.advance(10);
    broker.redeliver(5, [0, 1]);
    await broker.runtime.advance(10);
    expect(started).toEqual(["a1", "a1"]);
    expect(broker.sent("aside.put").map(({ redriven }) => redriven)).toEqual([null, { strand: 5, offset: 0 }]);
    broker.redeliver(5, [0, 1]);
    await broker.runtime.advance(10);
    expect(started).toEqual(["a1", "a1", "a1"]);
  });

  it("let other work of the process happen: 3,000 messages whose handlers end at once take turns with timers", async () => {
    const broker = group();
    for (let n = 0; n < 3_000; n++) fill(broker, `a${n}`);
    let handled = 0;
    const seen: number[] = [];
    void consume(broker, { inFlightMax: 20_000 }).run(async () => {
      handled++;
    });
    broker.runtime.setTimeout(() => seen.push(handled), 0);
    await broker.runtime.advance(1);
    expect(handled).toBe(3_000);
    expect(seen[0]).toBeLessThan(1_500);
  });

  describe("emit", () => {
    it("sends after the handler ended well and before the message is settled, under ids that a repeat repeats", async () => {
      const broker = group();
      fill(broker, "a1 a2");
      let release = () => {};
      broker.emit = () => new Promise((resolve) => (release = resolve));
      void consume(broker).run((_, { emit }) => {
        emit(board, "one", { key: "x" });
        emit(board, "two", { key: "x" });
      });
      await broker.runtime.advance(10);
      expect(broker.steps("handled")).toEqual([]);
      expect(broker.queue().settled.size).toBe(0);
      broker.emit = async () => {};
      release();
      await broker.runtime.advance(10);
      expect(broker.queue().settled.size).toBe(0); // the first of its two sends is still on its way
    });

    it("emits nothing of a failed attempt, and fails the attempt when it fails", async () => {
      const broker = group();
      fill(broker, "a1");
      let refuse = true;
      broker.emit = async () => {
        if (refuse) throw new Error("full");
      };
      void consume(broker).run((_, { emit, attempt }) => {
        emit(board, `from attempt ${attempt}`, { key: "x" });
        if (attempt === 1) throw new Error("no");
      });
      await broker.runtime.advance(150);
      expect(broker.emitted).toEqual([]);
      refuse = false;
      await broker.runtime.advance(10_000);
      expect(broker.emitted).toEqual([{ topic: "board", body: "from attempt 3", id: "emit:g:moves/0/0/0#0" }]);
      expect(broker.steps("failed", "handled")).toEqual(["failed 0/1", "failed 0/2", "handled 0/3"]);
    });
  });
  it("are each abandoned after their grace, also when something goes wrong with the one before", async () => {
    const group = new FakeGroup();
    fill(group, "a1 b1");
    const { handler } = byHand();
    void consume(group, { concurrency: 2, handlerGraceMs: 500 }).run(handler);
    await group.runtime.advance(10);
    group.offers = false;
    group.end();
    const { record } = group.environment.history!;
    let throws = 1;
    Object.assign(group.environment.history!, {
      record: (step: HistoryStep) => {
        if (step.type === "abandoned" && throws-- > 0) throw new Error("not foreseen");
        record(step);
      },
    });
    await group.runtime.advance(1_000);
    expect(throws).toBeLessThan(1);
    expect(group.steps("aborted", "abandoned")).toEqual(["aborted 0/1", "aborted 1/1", "abandoned 1/1"]);
  });
});
