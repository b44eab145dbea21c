import { describe, expect, it, vi } from "vitest";
import { z } from "zod";
import type { HistoryStep } from "../contracts/history.ts";
import { DoNotRetry, RetryLater } from "../message/errors.ts";
import { topic, typed } from "../message/topic.ts";
import { failOnUnhandledRejections } from "../runtime/unhandled-rejections.fixture.ts";
import { board, byHand, type Move, TappedGroup } from "./tapped-group.fixture.ts";

const checked = topic("moves", {
  schema: z.object({ game: z.string(), n: z.number() }),
  key: (body) => body.game,
  encoding: "json",
  queues: 1,
});
const unkeyed = topic("moves", { schema: typed<Move>(), key: null, encoding: "json", queues: 1 });

failOnUnhandledRejections();

describe("a consumer's handlers", () => {
  it("run one message of a queue at a time, in queue order, and settle each", async () => {
    const group = await TappedGroup.start();
    group.fill("a1 b1 a2 b2");
    const { log, running, handler } = byHand({ ends: true });
    void group.consume().run(handler);
    await group.runtime.advance(1);
    for (const name of ["a1", "b1", "a2", "b2"]) {
      expect([...running.keys()]).toEqual([name]);
      running.get(name)?.resolve();
      await group.runtime.advance(1);
    }
    expect(log.join(" ")).toBe("+a1 -a1 +b1 -b1 +a2 -a2 +b2 -b2");
    expect(await group.settled()).toEqual([0, 1, 2, 3]);
  });

  it("run different keys of a queue side by side with concurrency n, and never the same key", async () => {
    const group = await TappedGroup.start();
    group.fill("a1 a2 b1 c1 b2 d1");
    const { log, running, handler } = byHand();
    void group.consume({ concurrency: 3 }).run(handler);
    await group.runtime.advance(1);
    expect(log).toEqual(["+a1", "+b1", "+c1"]);
    running.get("b1")?.resolve();
    await group.runtime.advance(1);
    expect([...running.keys()]).toEqual(["a1", "c1", "d1"]);
    running.get("c1")?.resolve();
    await group.runtime.advance(1);
    expect([...running.keys()]).toEqual(["a1", "d1", "b2"]);
    expect(await group.settled()).toEqual([2, 3]);
    running.get("a1")?.resolve();
    await group.runtime.advance(1);
    expect([...running.keys()]).toEqual(["d1", "b2", "a2"]);
  });

  it("run messages without a key one at a time, and side by side only with concurrency n", async () => {
    for (const concurrency of [1, 2]) {
      const group = await TappedGroup.start();
      for (let n = 1; n <= 3; n++) await group.sendUnkeyed({ game: "", n });
      const { running, handler } = byHand();
      void group.consume({ concurrency }, unkeyed as never).run(handler);
      await group.runtime.advance(1);
      expect([...running.keys()]).toEqual(["1", "2", "3"].slice(0, concurrency));
    }
  });

  it("count what piled up in one settle: what ended in one turn leaves in one frame", async () => {
    const group = await TappedGroup.start();
    for (let n = 0; n < 100; n++) group.fill(`a${n}`);
    void group.consume().run(() => {});
    await group.runtime.advance(10);
    expect(await group.settled()).toHaveLength(100);
    expect(group.tap.sent("settle").length).toBeLessThan(10);
  });

  it("retry a failed message in place, with backoff, before anything newer of its key", async () => {
    const group = await TappedGroup.start();
    group.fill("a1 a2 b1");
    const started: string[] = [];
    void group
      .consume({ concurrency: 2, retry: { initialMs: 100, factor: 2, jitter: 0 } })
      .run(({ key, body }, { attempt }) => {
        started.push(`${key}${body.n}/${attempt}@${group.runtime.now()}`);
        if (key === "a" && body.n === 1 && attempt < 3) throw new Error("not yet");
      });
    await group.runtime.advance(1_000);
    expect(started).toEqual(["a1/1@0", "b1/1@0", "a1/2@100", "a1/3@300", "a2/1@300"]);
    expect(await group.settled()).toEqual([0, 1, 2]);
    expect(group.tap.sent("settle").flatMap(({ settlement }) => settlement.tried)).toEqual([
      [0, 1],
      [0, 2],
    ]);
    expect(group.broker.steps("handling", "handled", "failed")).toEqual([
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
    const group = await TappedGroup.start();
    group.fill("a1 b1");
    const started: string[] = [];
    const consumer = group.consume();
    void consumer.run(({ key }, { attempt }) => {
      started.push(`${key}/${attempt}`);
      if (key === "a" && attempt === 1) throw new Error("not yet");
    });
    await group.runtime.advance(50);
    expect(started).toEqual(["a/1"]);
    expect(group.workers).toEqual(["backingOff"]);
    await group.runtime.advance(60);
    expect(started).toEqual(["a/1", "a/2", "b/1"]);
  });

  it("wait at least as long as RetryLater says, and never retry what says so", async () => {
    const group = await TappedGroup.start();
    group.fill("a1 b1");
    const started: string[] = [];
    void group.consume({ concurrency: 2 }).run(({ key }, { attempt }) => {
      started.push(`${key}/${attempt}@${group.runtime.now()}`);
      if (key === "a" && attempt === 1) throw new RetryLater("busy", { afterMs: 5_000 });
      if (key === "b") throw new DoNotRetry("never");
    });
    await group.runtime.advance(6_000);
    expect(started).toEqual(["a/1@0", "b/1@0", "a/2@5000"]);
    expect(group.tap.sent("aside.put")).toMatchObject([{ offset: 1, kind: "park", attempts: 1 }]);
    expect(await group.aside()).toEqual([1]);
  });

  it("survive whatever a handler does: throws at once, rejects, throws what is no error, answers with what is no promise", async () => {
    const group = await TappedGroup.start();
    group.fill("a1 b1 c1 d1 e1 f1");
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
    void group.consume({ concurrency: 9, retry: { attempts: 1 } }).run(({ key }) => ways[key ?? ""]?.() as undefined);
    await group.runtime.advance(10);
    expect(await group.settled()).toEqual([3]);
    expect(await group.aside()).toEqual([0, 1, 2, 4, 5]);
    expect(group.broker.logged).toEqual([]);
  });

  it("go on counting attempts that were made elsewhere", async () => {
    const group = await TappedGroup.start();
    group.fill("a1");
    const retry = { attempts: 6, initialMs: 100, factor: 1, jitter: 0 };
    const elsewhere = group.consume({ name: "elsewhere", retry });
    void elsewhere.run(() => {
      throw new Error("no");
    });
    await group.runtime.advance(310);
    await group.runtime.run(elsewhere.close());
    const attempts: number[] = [];
    void group.consume({ retry }).run((_, { attempt }) => {
      attempts.push(attempt);
      throw new Error("no");
    });
    await group.runtime.advance(60_000);
    expect(attempts).toEqual([5, 6]);
    expect(group.tap.sent("aside.put")).toMatchObject([{ offset: 0, kind: "park", attempts: 6 }]);
  });

  it("do not run a message whose attempts are used up, nor one that keeps killing its process", async () => {
    const group = await TappedGroup.start();
    group.fill("a1 b1 c1");
    group.tap.on("deliver", (frame) => ({ ...frame, tried: [[0, 12, 0] as const, [1, 0, 5] as const] }));
    const started: string[] = [];
    void group.consume().run(({ key }) => void started.push(key ?? ""));
    await group.runtime.advance(10);
    expect(started).toEqual(["c"]);
    expect(await group.aside()).toEqual([0, 1]);
  });

  describe("when attempts are exhausted", () => {
    it("park the key: what was delivered of it is dropped, other keys flow on, and the credit of all of it comes back", async () => {
      const group = await TappedGroup.start();
      group.fill("a1 a2 b1 a3 b2");
      const started: string[] = [];
      void group.consume({ retry: { attempts: 2, initialMs: 10 }, inFlightMax: 4 }).run(({ key, body }) => {
        started.push(`${key}${body.n}`);
        if (key === "a") throw new Error("bad");
      });
      await group.runtime.advance(100);
      group.fill("a4 b3 b4 b5 b6 b7");
      await group.runtime.advance(100);
      expect(started).toEqual(["a1", "a1", "b1", "b2", "b3", "b4", "b5", "b6", "b7"]);
      expect(
        group.tap
          .sent("aside.put")
          .map(({ kind, offset, key, attempts, error }) => [kind, offset, key, attempts, error.message]),
      ).toEqual([["park", 0, "a", 2, "bad"]]);
      expect(await group.aside()).toEqual([0, 1, 3, 5]);
      expect(group.broker.steps("parked")).toEqual(["parked 0", "parked 1", "parked 3"]);
      expect(group.broker.emitted("key.parked")).toMatchObject([{ key: "a", offset: 0 }]);
      const sent = group.tap.received("deliver").flatMap(({ batches }) => batches.map(({ count }) => count));
      const credit = group.tap.sent("credit").at(-1)?.messages ?? 0;
      expect(credit - sent.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(2);
    });

    it("start nothing of a parked key before the answer, and drop what still arrives of it", async () => {
      const group = await TappedGroup.start();
      group.fill("a1 b1");
      group.tap.on("aside.put", () => null); // the broker takes its time
      const started: string[] = [];
      void group.consume({ concurrency: 4, retry: { attempts: 1 } }).run(({ key, body }) => {
        started.push(`${key}${body.n}`);
        if (body.n === 1 && key === "a") throw new Error("bad");
      });
      await group.runtime.advance(10);
      group.fill("a2 b2");
      await group.runtime.advance(1_000);
      expect(started).toEqual(["a1", "b1", "b2"]);
      expect(group.workers).toEqual(["settingAside"]);
    });

    it("tell what was handled before it first, so that no predecessor can come again behind a parked head", async () => {
      const group = await TappedGroup.start();
      group.fill("a1 a2 a3");
      void group.consume({ retry: { attempts: 1 } }).run(({ body }) => {
        if (body.n === 2) throw new Error("bad");
      });
      await group.runtime.advance(10);
      const told = group.tap.up.flatMap<unknown>((frame) =>
        frame.type === "settle" ? [frame.settlement.ranges] : frame.type === "aside.put" ? [frame.offset] : [],
      );
      expect(told).toEqual([[[0, 1]], 1]);
      expect(await group.aside()).toEqual([1, 2]);
    });

    it("set a message without a key aside alone", async () => {
      const group = await TappedGroup.start();
      for (let n = 1; n <= 2; n++) await group.sendUnkeyed({ game: "", n });
      void group.consume({ retry: { attempts: 1 } }, unkeyed as never).run(({ body }) => {
        if (body.n === 1) throw new Error("bad");
      });
      await group.runtime.advance(10);
      expect(group.tap.sent("aside.put").map(({ kind, key }) => [kind, key])).toEqual([["dead-letter", null]]);
      expect(await group.settled()).toEqual([1]);
    });

    it("dead-letter the message, and let its successors run once that is confirmed", async () => {
      const group = await TappedGroup.start();
      group.fill("a1 a2");
      void group.consume({ exhausted: "dead-letter", retry: { attempts: 1 } }).run(({ body }) => {
        if (body.n === 1) throw new Error("bad");
      });
      await group.runtime.advance(10);
      expect(group.broker.steps("handling", "deadLettered", "handled")).toEqual([
        "handling 0/1",
        "deadLettered 0",
        "handling 1/1",
        "handled 1/1",
      ]);
      expect(group.broker.emitted("message.deadLettered")).toMatchObject([{ key: "a", offset: 0 }]);
    });

    it("halt the queue: nothing more starts until the lease is over", async () => {
      const group = await TappedGroup.start();
      group.fill("a1 b1");
      const started: string[] = [];
      void group.consume({ exhausted: "halt", retry: { attempts: 1 } }).run(({ key }) => {
        started.push(key ?? "");
        if (key === "a" && started.length === 1) throw new Error("bad");
      });
      await group.runtime.advance(20_000);
      expect(started).toEqual(["a"]);
      expect(group.broker.emitted("queue.halted")).toMatchObject([{ offset: 0 }]);
      expect(group.workers).toEqual(["halted"]);
      const { admin } = await group.broker.beside();
      const aside = admin.setAside(group.moves, { group: "g" });
      const entries: string[] = [];
      const list = async () => {
        for await (const { entry } of aside.list()) entries.push(entry);
      };
      await group.runtime.run(list());
      await group.runtime.run(aside.retry(entries[0] ?? "", { reason: "mended" }));
      await group.runtime.advance(4_000);
      expect(started).toEqual(["a", "a", "b"]);
    });

    it("stand still when the broker has no room to set aside", async () => {
      const group = await TappedGroup.start();
      group.fill("a1 b1");
      group.tap.refuse("aside.put", "LIMIT_EXCEEDED");
      const started: string[] = [];
      const consumer = group.consume({ retry: { attempts: 1 } });
      void consumer.run(({ key }) => {
        started.push(key ?? "");
        throw new Error("bad");
      });
      await group.runtime.advance(20_000);
      expect(started).toEqual(["a"]);
      expect(group.tap.sent("aside.put").length).toBe(1);
      await group.runtime.run(consumer.close());
      expect(group.released).toEqual([7]);
    });

    it("set a body of a newer encoding aside, with what is to be upgraded, and go on with other keys", async () => {
      const group = await TappedGroup.start();
      group.fill("a1 b1 a2");
      group.tap.on("deliver", (frame) => ({
        ...frame,
        batches: frame.batches.map((batch) => ({ ...batch, messages: batch.messages.slice().fill(9, 5, 6) })),
      }));
      const started: string[] = [];
      void group.consume().run(({ key }) => void started.push(key ?? ""));
      await group.runtime.advance(10);
      expect(started).toEqual(["b"]);
      const [put, ...more] = group.tap.sent("aside.put");
      expect([put?.offset, put?.kind, put?.error.code, more]).toEqual([0, "park", "FORMAT_UNSUPPORTED", []]);
      expect(put?.error.message).toContain("the body has encoding 9, which is of a newer version");
    });
    it("set a body that the schema refuses aside without running it", async () => {
      const group = await TappedGroup.start();
      group.fill("a1");
      group.send("b", { game: 7 });
      group.fill("c1");
      const started: string[] = [];
      void group.consume({}, checked as never).run(({ key }) => void started.push(key ?? ""));
      await group.runtime.advance(10);
      expect(started).toEqual(["a", "c"]);
      expect(group.tap.sent("aside.put").map(({ offset, error }) => [offset, error.code])).toEqual([
        [1, "SCHEMA_FAILED"],
      ]);
    });
  });

  it("run what is redriven in order before anything newer, and settle it by its place", async () => {
    const group = await TappedGroup.start();
    group.fill("a1 a2 a3");
    let broken = true;
    const started: string[] = [];
    void group.consume({ retry: { attempts: 1 } }).run(({ key, body }, { redriven, attempt }) => {
      started.push(`${key}${body.n}${redriven ? "r" : ""}/${attempt}`);
      if (broken) throw new Error("bad");
    });
    await group.runtime.advance(10);
    expect(started).toEqual(["a1/1"]);
    broken = false;
    await group.redrive("a");
    group.fill("a4");
    await group.runtime.advance(10);
    expect(started).toEqual(["a1/1", "a1r/1", "a2r/1", "a3r/1", "a4/1"]);
    const strand = group.tap.received("redeliver")[0]?.entries[0]?.strand;
    expect(group.tap.sent("settle").flatMap(({ settlement }) => settlement.redriven)).toEqual(
      [0, 1, 2].map((offset) => ({ strand, offset })),
    );
  });

  it("put a redriven message that fails again back at the head of its strand, and drop what followed it", async () => {
    const group = await TappedGroup.start();
    group.fill("a1 a2");
    const started: string[] = [];
    void group.consume({ retry: { attempts: 1 } }).run(({ key, body }) => {
      started.push(`${key}${body.n}`);
      throw new Error("bad");
    });
    await group.runtime.advance(10);
    await group.redrive("a");
    expect(started).toEqual(["a1", "a1"]);
    const strand = group.tap.received("redeliver")[0]?.entries[0]?.strand;
    expect(group.tap.sent("aside.put").map(({ redriven }) => redriven)).toEqual([null, { strand, offset: 0 }]);
    await group.redrive("a");
    expect(started).toEqual(["a1", "a1", "a1"]);
  });

  it("let other work of the process happen: 3,000 messages whose handlers end at once take turns with timers", async () => {
    const group = await TappedGroup.start();
    for (let n = 0; n < 3_000; n++) group.fill(`a${n}`);
    let handled = 0;
    const seen: number[] = [];
    void group.consume({ inFlightMax: 20_000 }).run(async () => {
      handled++;
    });
    group.runtime.setTimeout(() => seen.push(handled), 0);
    await group.runtime.advance(1);
    expect(handled).toBe(3_000);
    expect(seen[0]).toBeLessThan(1_500);
  });

  describe("emit", () => {
    it("sends after the handler ended well and before the message is settled, under ids that a repeat repeats", async () => {
      const group = await TappedGroup.start();
      group.fill("a1 a2");
      const goOn = group.tap.hold("batch.append");
      void group.consume().run((_, { emit }) => {
        emit(board, "one", { key: "x" });
        emit(board, "two", { key: "x" });
      });
      await group.runtime.advance(10);
      expect(group.tap.sent("batch.append").map(({ count }) => count)).toEqual([2]);
      expect(group.broker.steps("handled")).toEqual([]);
      expect(group.tap.sent("settle")).toEqual([]);
      group.tap.cut(); // what was sent is sent again, under the same ids
      goOn();
      await group.runtime.advance(100);
      const ids = group.broker.stored(board).map(({ id }) => id);
      expect(ids).toEqual([0, 1].flatMap((at) => [`emit:g:moves/0/${at}/7000#0`, `emit:g:moves/0/${at}/7000#1`]));
      expect(group.broker.steps("handled")).toEqual(["handled 0/1", "handled 1/1"]);
      expect(await group.settled()).toEqual([0, 1]);
    });

    it("emits nothing of a failed attempt, and fails the attempt when it fails", async () => {
      const group = await TappedGroup.start();
      group.fill("a1");
      const takesAgain = group.tap.refuse("lane.open", "UNAVAILABLE");
      void group.consume().run((_, { emit, attempt }) => {
        emit(board, `from attempt ${attempt}`, { key: "x" });
        if (attempt === 1) throw new Error("no");
      });
      await group.runtime.advance(30_150); // by then the send has taken too long
      expect(group.broker.stored(board)).toEqual([]);
      takesAgain();
      await group.runtime.advance(20_000);
      expect(group.broker.stored(board).map(({ id }) => id)).toEqual(["emit:g:moves/0/0/7000#0"]);
      expect(group.broker.steps("failed", "handled")).toEqual(["failed 0/1", "failed 0/2", "handled 0/3"]);
    });
  });
  it("are each abandoned after their grace, also when something goes wrong with the one before", async () => {
    const group = await TappedGroup.start();
    group.fill("a1 b1");
    const { handler } = byHand();
    void group.consume({ concurrency: 2, handlerGraceMs: 500 }).run(handler);
    await group.runtime.advance(10);
    const { history } = group.broker;
    let throws = 1;
    vi.spyOn(history, "push").mockImplementation((step: HistoryStep) => {
      if (step.type === "abandoned" && throws-- > 0) throw new Error("not foreseen");
      return Array.prototype.push.call(history, step);
    });
    group.end();
    await group.runtime.advance(1_000);
    expect(throws).toBeLessThan(1);
    expect(group.broker.steps("aborted", "abandoned")).toEqual(["aborted 0/1", "aborted 1/1", "abandoned 1/1"]);
  });
});
