import { take } from "rxjs";
import { describe, expect, it, vi } from "vitest";
import { codeOf } from "../link/tapped-broker.fixture.ts";
import { isMessagingError } from "../message/errors.ts";
import { topic, typed } from "../message/topic.ts";
import { failOnUnhandledRejections } from "../runtime/unhandled-rejections.fixture.ts";
import { Waits } from "../runtime/waits.ts";
import type { Delivery, OrderedConsumerOptions } from "./consumer-api.ts";
import { byHand, HIGH, LOW, type Move, mails, TappedGroup } from "./tapped-group.fixture.ts";

const thrownCode = (step: () => unknown): string => {
  try {
    step();
    return "fine";
  } catch (error) {
    return isMessagingError(error) ? error.code : String(error);
  }
};

failOnUnhandledRejections();

describe("a consumer", () => {
  it.each([
    ["no group", {}],
    ["a group that is no name", { group: "a b" }],
    ["an option that does not exist", { group: "g", concurency: 8 }],
    ["a retry option that does not exist", { group: "g", retry: { attempt: 3 } }],
    ["a concurrency that is no count", { group: "g", concurrency: 0.5 }],
    ["attempts below one", { group: "g", retry: { attempts: 0 } }],
    ["more jitter than there is", { group: "g", retry: { jitter: 2 } }],
    ["a policy that does not exist", { group: "g", exhausted: "ignore" }],
    ["a time-out of nothing", { group: "g", handlerTimeoutMs: 0 }],
    ["a time that is no number", { group: "g", handlerGraceMs: "5s" }],
    ["a start that is none", { group: "g", startAt: "yesterday" }],
  ])("refuses %s at once", async (_, options) => {
    const { client, moves } = await TappedGroup.start();
    expect(thrownCode(() => client.consumer(moves, options as never))).toBe("OPTION_INVALID");
  });
  it("refuses on an unordered topic what only a lease can do", async () => {
    const { client } = await TappedGroup.start();
    for (const options of [{ exhausted: "park" }, { leaseTtlMs: 10_000 }, { allocation: "circle" }])
      expect(thrownCode(() => client.consumer(mails, { group: "g", ...options } as never))).toBe("OPTION_INVALID");
  });
  it("takes what is given as undefined as left out, and Infinity attempts", async () => {
    const group = await TappedGroup.start();
    const options: OrderedConsumerOptions = {
      group: "g",
      name: undefined,
      concurrency: undefined,
      retry: { attempts: Number.POSITIVE_INFINITY },
    };
    const consumer = group.client.consumer(group.moves, options);
    void consumer.run(() => {});
    await group.runtime.run(consumer.ready());
    expect(consumer.name).toBe("client");
    expect(group.tap.sent("member.join")[0]).toMatchObject({
      name: "client",
      settings: { exhausted: "park", attempts: null, startAt: "earliest" },
      concurrency: 1,
    });
  });

  it("takes one form, once", async () => {
    const group = await TappedGroup.start();
    const consumer = group.consume();
    void consumer.run(() => {});
    expect(await codeOf(consumer.run(() => {}))).toBe("ALREADY_CONSUMING");
    expect(thrownCode(() => consumer[Symbol.asyncIterator]())).toBe("ALREADY_CONSUMING");
    let error: unknown;
    consumer.deliveries$.subscribe({ error: (given) => (error = given) });
    expect(isMessagingError(error, "ALREADY_CONSUMING")).toBe(true);
  });

  it("rejects for good what cannot get better, and ends in all its forms", async () => {
    for (const code of ["FORBIDDEN", "GROUP_SETTINGS_DIFFER", "TOPIC_UNKNOWN"] as const) {
      const group = await TappedGroup.start();
      group.tap.refuse("member.join", code);
      const consumer = group.consume();
      const ready = codeOf(consumer.ready());
      expect(await group.runtime.run(codeOf(consumer.run(() => {})))).toBe(code);
      expect(await ready).toBe(code);
      expect(group.actors).toEqual([]);
      const looped = group.consume();
      expect(await group.runtime.run(codeOf(looped[Symbol.asyncIterator]().next()))).toBe(code);
      let streamed: unknown;
      group.consume().deliveries$.subscribe({ error: (error) => (streamed = error) });
      await group.runtime.advance(10);
      expect(isMessagingError(streamed, code)).toBe(true);
    }
  });

  it("waits a while for a predecessor of the same name to be found dead", async () => {
    const group = await TappedGroup.start();
    const predecessor = (await group.broker.beside()).consumer(group.moves, { group: "g", name: "c" });
    void predecessor.run(() => {});
    await group.runtime.run(predecessor.ready());
    const consumer = group.consume();
    void consumer.run(() => {});
    await group.runtime.advance(10_000);
    expect(new Set(group.tap.received("refused").map(({ error }) => error.code))).toEqual(new Set(["NAME_IN_USE"]));
    await group.runtime.run(predecessor.close());
    await group.runtime.run(consumer.ready());
    const late = await TappedGroup.start();
    const living = (await late.broker.beside()).consumer(late.moves, { group: "g", name: "c" });
    void living.run(() => {});
    await late.runtime.run(living.ready());
    const refused = late.consume();
    const ran = codeOf(refused.run(() => {}));
    const caughtUp = codeOf(refused.caughtUp());
    expect(await late.runtime.run(ran)).toBe("NAME_IN_USE");
    expect(await late.runtime.run(caughtUp)).toBe("NAME_IN_USE"); // not that it is closed: why
    const later = await refused.caughtUp().catch((error: unknown) => error);
    expect(later).toMatchObject({ code: "CLOSED", cause: { code: "NAME_IN_USE" } });
  });

  it("dispatches by event type, and refuses a handler that is none", async () => {
    const events = topic("events", {
      schema: typed<{ type: "placed"; n: number } | { type: "paid"; n: number }>(),
      key: "send",
      encoding: "json",
      queues: 1,
    });
    const group = await TappedGroup.start({ topics: [events] });
    const producer = (await group.broker.beside()).producer(events);
    for (const [n, type] of ["placed", "paid", "refunded"].entries())
      void producer.send({ type, n } as never, { key: "k" });
    const seen: string[] = [];
    const consumer = group.client.consumer(events, { group: "g", retry: { attempts: 1 } });
    expect(await codeOf(consumer.run(7 as never))).toBe("OPTION_INVALID");
    void consumer.run({
      placed: ({ body }) => void seen.push(`placed ${body.n}`),
      paid: ({ body }) => void seen.push(`paid ${body.n}`),
    });
    await group.runtime.advance(10);
    expect(seen).toEqual(["placed 0", "paid 1"]);
    expect(group.tap.sent("aside.put").map(({ offset }) => offset)).toEqual([2]);
  });

  it("hands over the message and its context", async () => {
    const group = await TappedGroup.start();
    group.send("a", { game: "a", n: 1 }, { id: "m0-0", headers: { trace: "4bf9" } });
    const seen: unknown[] = [];
    void group.consume().run((message, context) => {
      const { group: name, attempt, fence, redriven, signal } = context;
      seen.push(message, { name, attempt, fence, redriven, aborted: signal.aborted });
    });
    await group.runtime.advance(10);
    expect(seen).toEqual([
      {
        topic: "moves",
        queue: 0,
        offset: 0,
        key: "a",
        id: "m0-0",
        headers: { trace: "4bf9" },
        appendedAtMs: 7_000,
        body: { game: "a", n: 1 },
      },
      { name: "g", attempt: 1, fence: 7, redriven: false, aborted: false },
    ]);
  });

  it("keeps nothing of those who no longer wait for it to join", async () => {
    const group = await TappedGroup.start();
    group.tap.on("member.joined", () => null); // the group takes long to open
    const consumer = group.consume();
    void consumer.run(() => {});
    await group.runtime.advance(10);
    const waits = vi.spyOn(Waits.prototype, "wait");
    const reason = new Error("changed my mind");
    const leaving = new AbortController();
    const waiting = [consumer.ready({ signal: leaving.signal }), consumer.caughtUp({ signal: leaving.signal })];
    void consumer.ready().catch(() => {});
    await group.runtime.advance(10);
    const joins = waits.mock.contexts[0] as Waits<null>;
    expect([waits.mock.contexts.every((context) => context === joins), joins.size]).toEqual([true, 3]);
    leaving.abort(reason);
    for (const each of waiting) await expect(each).rejects.toBe(reason);
    expect(joins.size).toBe(1);
  });
  it("is caught up once the group has reached the ends of the moment, across reconnects", async () => {
    const group = await TappedGroup.start();
    group.fill("a1");
    await group.runtime.settle();
    const { running, handler } = byHand();
    const consumer = group.consume();
    void consumer.run(handler);
    let caughtUp = false;
    const waiting = consumer.caughtUp().then(() => {
      caughtUp = true;
    });
    await group.runtime.advance(1_000);
    const back = group.away();
    group.fill("a2");
    await group.runtime.advance(1_000);
    await back();
    expect(caughtUp).toBe(false);
    running.get("a1")?.resolve();
    await group.runtime.run(waiting);
    expect(await group.settled()).toEqual([0]); // what came later need not be done
    const asked = group.tap.sent("ask").map(({ question }) => question);
    expect(asked.map(({ kind }) => kind)).toEqual(["ends", "reached", "reached"]);
    expect(asked[2]).toEqual(asked[1]);
    const stopped = new AbortController();
    group.tap.hold("ask");
    const given = codeOf(consumer.caughtUp({ signal: stopped.signal }));
    stopped.abort(new Error("enough"));
    expect(await group.runtime.run(given)).toBe("Error: enough");
  });

  it("pauses and resumes: starts nothing and gives no credit, leases stay", async () => {
    const group = await TappedGroup.start();
    group.fill("a1 a2 a3 a4");
    const { log, running, handler } = byHand();
    const consumer = group.consume({ inFlightMax: 2 });
    void consumer.run(handler);
    await group.runtime.advance(10);
    consumer.pause();
    const credits = group.tap.sent("credit").length;
    running.get("a1")?.resolve();
    await group.runtime.advance(30_000);
    expect(log).toEqual(["+a1"]);
    expect(group.tap.sent("credit").length).toBe(credits);
    expect(group.workers).toHaveLength(1);
    expect(await group.settled()).toEqual([0]);
    consumer.resume();
    await group.runtime.advance(10);
    expect(log).toEqual(["+a1", "+a2"]);
    expect(group.tap.sent("credit").length).toBe(credits + 1);
  });

  describe("as it closes", () => {
    it("finishes what is in hand, releases its leases with the last settles, leaves, and is done", async () => {
      const group = await TappedGroup.start({ queues: 2 });
      group.fill(`${LOW}1 ${LOW}2`);
      const { log, running, handler } = byHand();
      const consumer = group.consume();
      const run = consumer.run(handler);
      await group.runtime.advance(10);
      const closed = consumer.close();
      await group.runtime.advance(1_000);
      expect(group.client.actors.list("consumer").map(({ state }) => state)).toEqual(["closing"]);
      const released = () => group.tap.received("lease.released").map(({ queue }) => queue);
      expect(released()).toEqual([1]); // nothing in hand there
      running.get(`${LOW}1`)?.resolve();
      await group.runtime.run(Promise.all([closed, run]));
      expect(log).toEqual([`+${LOW}1`]);
      expect(released()).toEqual([1, 0]);
      expect(await group.settled()).toEqual([0]);
      expect(group.tap.up.at(-1)?.type).toBe("member.leave");
      expect(group.broker.steps("handled", "settled", "released")).toEqual([
        "released",
        "handled 0/1",
        "settled 0",
        "released",
      ]);
      expect(group.actors).toEqual([]);
      await consumer.close();
      expect(await codeOf(consumer.run(() => {}))).toBe("CLOSED");
    });

    it("releases at once when nothing is in hand", async () => {
      const group = await TappedGroup.start();
      const before = group.broker.clientTimers.size;
      const consumer = group.consume();
      void consumer.run(() => {});
      await group.runtime.advance(10);
      const at = group.runtime.now();
      await group.runtime.run(consumer.close());
      expect(group.runtime.now()).toBe(at);
      expect(group.released).toEqual([7]);
      expect(group.broker.clientTimers.size).toBe(before);
    });

    it("aborts what takes longer than its time, and puts it back", async () => {
      const group = await TappedGroup.start();
      group.fill("a1");
      const { running, handler } = byHand();
      const consumer = group.consume();
      void consumer.run(handler);
      await group.runtime.advance(10);
      const closed = consumer.close({ timeoutMs: 500 });
      await group.runtime.advance(600);
      const { context, reject } = running.get("a1")!;
      expect(context.signal.aborted).toBe(true);
      reject(new Error("stopped"));
      await group.runtime.run(closed);
      expect(group.released).toEqual([7]);
      expect(group.tap.sent("lease.release").map(({ settle }) => settle.tried)).toEqual([[]]);
    });

    it("does not wait for ever for a handler that ignores its signal: raises above it, then releases", async () => {
      const group = await TappedGroup.start();
      group.fill("a1");
      const { handler } = byHand();
      const consumer = group.consume({ handlerGraceMs: 1_000 });
      void consumer.run(handler);
      await group.runtime.advance(10);
      await group.runtime.run(consumer.close({ timeoutMs: 500 }));
      expect(group.runtime.now()).toBeLessThan(3_000);
      expect(group.tap.sent("lease.raise").length).toBe(1);
      expect(group.released).toEqual([8]);
      expect(group.broker.steps("aborted", "abandoned", "released")).toEqual([
        "aborted 0/1",
        "abandoned 0/1",
        "released",
      ]);
    });

    it("ends without a link, too", async () => {
      const group = await TappedGroup.start();
      group.fill("a1");
      const { handler } = byHand();
      const idle = group.consume({ name: "idle" });
      void idle.run(() => {});
      await group.runtime.advance(100);
      group.away();
      await group.runtime.settle();
      await group.runtime.run(idle.close(), 100);
      const other = await TappedGroup.start();
      other.fill("a1");
      const busy = other.consume();
      void busy.run(handler);
      await other.runtime.advance(10);
      other.away();
      await other.runtime.run(busy.close({ timeoutMs: 1_000 }), 10_000);
      expect(other.broker.steps("lost").length).toBe(1);
    });

    it("ends on the next link when its lease has run out meanwhile", async () => {
      const warned = vi.spyOn(console, "warn");
      const group = await TappedGroup.start();
      group.fill("a1");
      const consumer = group.consume();
      void consumer.run(byHand().handler);
      await group.runtime.advance(10);
      const back = group.away();
      const closed = consumer.close({ timeoutMs: 60_000 });
      group.runtime.jumpWallClock(20_000); // no timer fires: the next link's resume finds out
      await back();
      await group.runtime.run(closed, 6_000);
      expect(group.broker.steps("lost", "released")).toEqual(["lost"]);
      expect(warned).not.toHaveBeenCalled();
    });

    it("gives a lease back that comes while it closes", async () => {
      const group = await TappedGroup.start();
      group.fill("a1");
      const goOn = group.tap.hold("lease.granted");
      const started: string[] = [];
      const consumer = group.consume();
      void consumer.run(({ key }) => void started.push(key ?? ""));
      await group.runtime.advance(10);
      const closed = consumer.close();
      await group.runtime.advance(100);
      goOn();
      await group.runtime.run(closed, 100);
      expect(group.released).toEqual([7]);
      expect(started).toEqual([]);
    });

    it("can be closed before it consumes, and while it joins", async () => {
      const group = await TappedGroup.start();
      const unused = group.consume();
      await group.runtime.run(unused.close());
      expect(await codeOf(unused.ready())).toBe("CLOSED");
      group.tap.hold("member.joined");
      const joining = group.consume();
      const run = joining.run(() => {});
      await group.runtime.advance(10);
      await group.runtime.run(joining.close());
      await run;
      expect(group.tap.up.at(-1)?.type).toBe("member.leave");
    });
  });

  describe("as a stream", () => {
    it("emits only what may run now, and the next of a key once the last was settled", async () => {
      const group = await TappedGroup.start();
      group.fill("a1 a2 b1");
      const got: Delivery<Move>[] = [];
      group.consume({ concurrency: 4 }).deliveries$.subscribe((delivery) => got.push(delivery));
      const names = () => got.map(({ message }) => `${message.key}${message.body.n}`);
      await group.runtime.advance(10);
      expect(names()).toEqual(["a1", "b1"]);
      await group.runtime.run(got[0]!.ack());
      expect(await group.settled()).toEqual([0]);
      await group.runtime.advance(10);
      expect(names()).toEqual(["a1", "b1", "a2"]);
      await got[1]!.fail(new Error("no"));
      await group.runtime.advance(200);
      expect(names()).toEqual(["a1", "b1", "a2", "b1"]);
      expect(await group.runtime.run(got[3]!.handle(() => {}))).toBe("acked");
      const failing = got[2]!.handle(() => {
        throw new Error("no");
      });
      expect(await group.runtime.run(failing)).toBe("failed");
    });

    it("tells a delivery whose lease is over: lost, STALE_EPOCH", async () => {
      const group = await TappedGroup.start();
      group.fill("a1 b1 c1");
      const got: Delivery<Move>[] = [];
      group.consume({ concurrency: 4 }).deliveries$.subscribe((delivery) => got.push(delivery));
      await group.runtime.advance(10);
      const handled = got[0]!.handle(() => new Promise((resolve) => group.runtime.setTimeout(resolve, 1_000)));
      group.end();
      await group.runtime.advance(10);
      expect(await codeOf(got[1]!.ack())).toBe("STALE_EPOCH");
      expect(await codeOf(got[2]!.fail(new Error("late")))).toBe("STALE_EPOCH");
      expect(await group.runtime.run(handled)).toBe("lost");
      expect(group.tap.sent("settle")).toEqual([]);
    });

    it("lets what nobody settles run into the time-out", async () => {
      const group = await TappedGroup.start();
      group.fill("a1");
      const got: Delivery<Move>[] = [];
      group
        .consume({ handlerTimeoutMs: 1_000, handlerGraceMs: 1_000 })
        .deliveries$.subscribe((delivery) => got.push(delivery));
      await group.runtime.advance(2_500);
      expect(got.map(({ context }) => [context.attempt, context.fence])).toEqual([
        [1, 7],
        [2, 8],
      ]);
      expect(got[0]!.context.signal.aborted).toBe(true);
      expect(await group.runtime.run(codeOf(got[0]!.ack()))).toBe("HANDLER_TIMEOUT");
    });

    it("closes when it is left, and completes when it is closed", async () => {
      const group = await TappedGroup.start();
      group.fill("a1");
      let completed = false;
      const consumer = group.consume();
      consumer.deliveries$
        .pipe(take(1))
        .subscribe({ next: (delivery) => void delivery.ack(), complete: () => (completed = true) });
      await group.runtime.advance(10);
      expect(completed).toBe(true);
      expect(group.released).toEqual([7]);
      expect(await group.settled()).toEqual([0]);
      const other = await TappedGroup.start();
      let done = false;
      const closing = other.consume();
      closing.deliveries$.subscribe({ complete: () => (done = true) });
      await other.runtime.advance(10);
      await other.runtime.run(closing.close());
      expect(done).toBe(true);
    });
  });

  describe("as a loop", () => {
    it("settles the last when it asks for the next, one at a time over all queues", async () => {
      const group = await TappedGroup.start({ queues: 2 });
      group.fill(`${LOW}1 ${LOW}2 ${HIGH}1 ${HIGH}2`);
      const got: string[] = [];
      const loop = (async () => {
        for await (const { message } of group.consume()) {
          got.push(`${message.key}${message.body.n}`);
          expect(group.broker.steps("handling").length - group.broker.steps("handled").length).toBe(1);
          await new Promise<void>((resolve) => group.runtime.setTimeout(resolve, 10));
          if (got.length === 4) break;
        }
      })();
      await group.runtime.run(loop);
      expect([...got].sort()).toEqual([`${LOW}1`, `${LOW}2`, `${HIGH}1`, `${HIGH}2`].sort());
      expect([...(await group.settled(0)), ...(await group.settled(1))]).toHaveLength(3);
      expect(group.released).toHaveLength(2);
    });

    it("left by break or throw releases what it has in hand, uncounted, and closes", async () => {
      for (const how of ["break", "throw"]) {
        const group = await TappedGroup.start();
        group.fill("a1 a2");
        const loop = async () => {
          for await (const _ of group.consume()) {
            if (how === "break") break;
            throw new Error("mine");
          }
        };
        expect(await group.runtime.run(codeOf(loop()))).toBe(how === "break" ? "fulfilled" : "Error: mine");
        expect(await group.settled()).toEqual([]);
        expect(group.tap.sent("lease.release").map(({ settle }) => settle.tried)).toEqual([[]]);
        expect(group.released).toEqual([7]);
        expect(group.actors).toEqual([]);
      }
    });

    it("keeps what was failed by hand failed, and ends when it is closed", async () => {
      const group = await TappedGroup.start();
      group.fill("a1");
      const consumer = group.consume();
      const attempts: number[] = [];
      const loop = (async () => {
        for await (const delivery of consumer) {
          attempts.push(delivery.context.attempt);
          if (attempts.length === 1) await delivery.fail(new Error("no"));
        }
      })();
      await group.runtime.advance(1_000);
      expect(attempts).toEqual([1, 2]);
      expect(await group.settled()).toEqual([0]);
      await group.runtime.run(consumer.close());
      await loop;
    });
  });
});

describe("a consumer of an unordered topic", () => {
  const settled = (group: TappedGroup) => group.broker.settled(mails);

  it("runs many messages of a queue side by side, whatever their key, with no fence and no lease", async () => {
    const group = await TappedGroup.start();
    await group.mail(5);
    const running: (() => void)[] = [];
    const fences: boolean[] = [];
    void group.consumeMails({ concurrency: 4 }).run((_, context) => {
      fences.push("fence" in context);
      return new Promise((resolve) => void running.push(resolve));
    });
    await group.runtime.advance(10);
    expect(running.length).toBe(4);
    expect(fences).toEqual([false, false, false, false]);
    for (const resolve of running) resolve();
    await group.runtime.advance(60_000);
    expect(await settled(group)).toHaveLength(4);
    expect(running.length).toBe(5);
    expect(group.tap.sent("lease.acquire")).toEqual([]);
    expect(group.tap.sent("heartbeat").flatMap(({ leases }) => leases)).toEqual([]);
    expect(group.broker.events).toEqual([]);
  });

  it("gives a failed message up, for the broker to bring again, and dead-letters the last attempt", async () => {
    const group = await TappedGroup.start();
    await group.mail(1);
    const attempts: number[] = [];
    void group.consumeMails({ retry: { attempts: 3, initialMs: 10, jitter: 0 } }).run((_, { attempt }) => {
      attempts.push(attempt);
      throw new Error("no");
    });
    await group.runtime.advance(1_000);
    expect(attempts).toEqual([1, 2, 3]);
    expect(group.tap.sent("settle").flatMap(({ settlement }) => settlement.tried)).toEqual([
      [0, 1],
      [0, 2],
    ]);
    expect(group.tap.sent("aside.put").map(({ kind, attempts: made }) => [kind, made])).toEqual([["dead-letter", 3]]);
  });

  it("gives up a handler that hangs without any lease to raise", async () => {
    const group = await TappedGroup.start();
    await group.mail(1);
    const attempts: number[] = [];
    const retry = { initialMs: 10 };
    void group.consumeMails({ handlerTimeoutMs: 1_000, handlerGraceMs: 500, retry }).run((_, { attempt }) => {
      attempts.push(attempt);
      return attempt === 1 ? new Promise(() => {}) : undefined;
    });
    await group.runtime.advance(2_000);
    expect(attempts).toEqual([1, 2]);
    expect(group.tap.sent("lease.raise")).toEqual([]);
    expect(await settled(group)).toEqual([0]);
  });

  it("drops what it has when its link ends, and begins anew on the next", async () => {
    const group = await TappedGroup.start();
    await group.mail(2);
    let aborted = 0;
    const started: number[] = [];
    void group.consumeMails({ concurrency: 2 }).run(({ offset }, { signal }) => {
      started.push(offset);
      if (started.length > 2) return undefined;
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve(void aborted++)));
    });
    await group.runtime.advance(10);
    const back = group.away();
    await group.runtime.advance(100);
    expect(aborted).toBe(2);
    await back();
    await group.runtime.advance(10);
    expect(started).toEqual([0, 1, 0, 1]);
    expect(await settled(group)).toHaveLength(2);
  });

  it("gives a message up that there is no room for among the dead letters, and goes on", async () => {
    const group = await TappedGroup.start();
    await group.mail(3);
    let refusals = 0;
    group.tap.refuse("aside.put", () => (refusals++ < 3 ? "LIMIT_EXCEEDED" : null));
    const retry = { attempts: 1, initialMs: 100 };
    void group.consumeMails({ concurrency: 1, inFlightMax: 1, retry }).run(({ offset }) => {
      if (offset === 0) throw new Error("no");
    });
    await group.runtime.advance(1_000);
    expect(refusals).toBe(4);
    expect(await settled(group)).toEqual([1, 2]);
    expect((await group.broker.account(mails))[0]?.deadLettered).toEqual([0]);
  });

  it("goes on when a settle is refused: the message comes again, to anyone", async () => {
    const group = await TappedGroup.start();
    await group.mail(3);
    let refusals = 0;
    group.tap.refuse("settle", () => (refusals++ === 0 ? "STORE_FAILED" : null));
    const started: number[] = [];
    const invisible = { handlerTimeoutMs: 10_000, handlerGraceMs: 1_000 };
    void group
      .consumeMails({ concurrency: 1, inFlightMax: 1, ...invisible })
      .run(({ offset }) => void started.push(offset));
    await group.runtime.advance(100);
    expect(await settled(group)).toEqual([1, 2]);
    await group.mail(3);
    await group.runtime.advance(100);
    expect(started).toEqual([0, 1, 2, 3, 4, 5]);
    await group.runtime.advance(30_000);
    expect(started).toEqual([0, 1, 2, 3, 4, 5, 0]);
    expect(await settled(group)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it("waits for its settles as it closes", async () => {
    const group = await TappedGroup.start();
    await group.mail(3);
    const running: (() => void)[] = [];
    const consumer = group.consumeMails();
    void consumer.run(() => new Promise((resolve) => void running.push(resolve)));
    await group.runtime.advance(10);
    const closed = consumer.close();
    for (const resolve of running) resolve();
    await group.runtime.run(closed, 100);
    expect(await settled(group)).toHaveLength(3);
    expect(group.tap.sent("lease.release")).toEqual([]);
    expect(group.tap.up.at(-1)?.type).toBe("member.leave");
  });
});
