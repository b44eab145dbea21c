import { take } from "rxjs";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { isMessagingError } from "../message/errors.ts";
import { topic, typed } from "../message/topic.ts";
import { Waits } from "../runtime/waits.ts";
import { createConsumer } from "./consumer.ts";
import type {
  Consumer,
  Context,
  Delivery,
  Handler,
  OrderedConsumerOptions,
  UnorderedConsumerOptions,
} from "./consumer-api.ts";
import { FakeGroup } from "./fake-group.fixture.ts";

interface Move {
  readonly game: string;
  readonly n: number;
}
const moves = topic("moves", { schema: typed<Move>(), key: (body) => body.game, encoding: "json", queues: 1 });
const mails = topic("mails", { schema: typed<Move>(), key: null, ordered: false, encoding: "json", queues: 1 });

function consume(group: FakeGroup, options: Partial<OrderedConsumerOptions> = {}): Consumer<Move> {
  return createConsumer(
    group.environment,
    moves,
    { group: "g", name: "c", retry: { jitter: 0 }, ...options },
    "client",
  ) as Consumer<Move>;
}
function fill(group: FakeGroup, names: string, queue = 0): void {
  for (const name of names.split(" "))
    group.queue(queue).append(name[0] ?? "", { game: name[0], n: Number(name.slice(1)) });
}
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
      running.set(name, { resolve, reject, context });
    });
  return { log, running, handler };
}
const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return "fulfilled";
  } catch (error) {
    return isMessagingError(error) ? error.code : String(error);
  }
};
const thrownCode = (step: () => unknown): string => {
  try {
    step();
    return "fine";
  } catch (error) {
    return isMessagingError(error) ? error.code : String(error);
  }
};

const rejections: unknown[] = [];
const onRejection = (reason: unknown) => rejections.push(reason);
process.on("unhandledRejection", onRejection);
afterEach(() => expect(rejections.splice(0)).toEqual([]));
afterAll(() => void process.off("unhandledRejection", onRejection));

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
  ])("refuses %s at once", (_, options) => {
    expect(thrownCode(() => createConsumer(new FakeGroup().environment, moves, options as never, "client"))).toBe(
      "OPTION_INVALID",
    );
  });
  it("refuses on an unordered topic what only a lease can do", () => {
    for (const options of [{ exhausted: "park" }, { leaseTtlMs: 10_000 }, { allocation: "circle" }])
      expect(
        thrownCode(() =>
          createConsumer(new FakeGroup().environment, mails, { group: "g", ...options } as never, "client"),
        ),
      ).toBe("OPTION_INVALID");
  });
  it("takes what is given as undefined as left out, and Infinity attempts", async () => {
    const group = new FakeGroup();
    const options: OrderedConsumerOptions = {
      group: "g",
      name: undefined,
      concurrency: undefined,
      retry: { attempts: Number.POSITIVE_INFINITY },
    };
    const consumer = createConsumer(group.environment, moves, options, "client-1");
    void consumer.run(() => {});
    await group.runtime.run(consumer.ready());
    expect(consumer.name).toBe("client-1");
    expect(group.sent("member.join")[0]).toMatchObject({
      name: "client-1",
      settings: { exhausted: "park", attempts: null, startAt: "earliest" },
      concurrency: 1,
    });
  });

  it("takes one form, once", async () => {
    const group = new FakeGroup();
    const consumer = consume(group);
    void consumer.run(() => {});
    expect(await codeOf(consumer.run(() => {}))).toBe("ALREADY_CONSUMING");
    expect(thrownCode(() => consumer[Symbol.asyncIterator]())).toBe("ALREADY_CONSUMING");
    let error: unknown;
    consumer.deliveries$.subscribe({ error: (given) => (error = given) });
    expect(isMessagingError(error, "ALREADY_CONSUMING")).toBe(true);
  });

  it("rejects for good what cannot get better, and ends in all its forms", async () => {
    for (const code of ["FORBIDDEN", "GROUP_SETTINGS_DIFFER", "TOPIC_UNKNOWN"] as const) {
      const group = new FakeGroup();
      group.refuses = (frame) => (frame.type === "member.join" ? code : null);
      const consumer = consume(group);
      const ready = codeOf(consumer.ready());
      expect(await group.runtime.run(codeOf(consumer.run(() => {})))).toBe(code);
      expect(await ready).toBe(code);
      expect(group.environment.actors.list("consumer")).toEqual([]);
      const looped = consume(group);
      expect(await group.runtime.run(codeOf(looped[Symbol.asyncIterator]().next()))).toBe(code);
      let streamed: unknown;
      consume(group).deliveries$.subscribe({ error: (error) => (streamed = error) });
      await group.runtime.advance(10);
      expect(isMessagingError(streamed, code)).toBe(true);
    }
  });

  it("waits a while for a predecessor of the same name to be found dead", async () => {
    const group = new FakeGroup();
    let taken = true;
    group.refuses = (frame) => (frame.type === "member.join" && taken ? "NAME_IN_USE" : null);
    const consumer = consume(group);
    void consumer.run(() => {});
    await group.runtime.advance(10_000);
    taken = false;
    await group.runtime.run(consumer.ready());
    const late = new FakeGroup();
    late.refuses = (frame) => (frame.type === "member.join" ? "NAME_IN_USE" : null);
    const refused = consume(late);
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
    const group = new FakeGroup();
    for (const [n, type] of ["placed", "paid", "refunded"].entries()) group.queue().append("k", { type, n });
    const seen: string[] = [];
    const consumer = createConsumer(group.environment, events, { group: "g", retry: { attempts: 1 } }, "client");
    expect(await codeOf(consumer.run(7 as never))).toBe("OPTION_INVALID");
    void consumer.run({
      placed: ({ body }) => void seen.push(`placed ${body.n}`),
      paid: ({ body }) => void seen.push(`paid ${body.n}`),
    });
    await group.runtime.advance(10);
    expect(seen).toEqual(["placed 0", "paid 1"]);
    expect(group.sent("aside.put").map(({ offset }) => offset)).toEqual([2]);
  });

  it("hands over the message and its context", async () => {
    const group = new FakeGroup();
    group.queue().append("a", { game: "a", n: 1 }, { trace: "4bf9" });
    const seen: unknown[] = [];
    void consume(group).run((message, context) => {
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
        appendedAtMs: 0,
        body: { game: "a", n: 1 },
      },
      { name: "g", attempt: 1, fence: 7, redriven: false, aborted: false },
    ]);
  });

  it("keeps nothing of those who no longer wait for it to join", async () => {
    const group = new FakeGroup();
    group.ignores = (frame) => frame.type === "member.join";
    const waits = vi.spyOn(Waits.prototype, "wait");
    const consumer = consume(group);
    void consumer.run(() => {});
    await group.runtime.advance(10);
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
    const group = new FakeGroup();
    fill(group, "a1");
    const consumer = consume(group);
    void consumer.run(() => {});
    group.ignores = (frame) => frame.type === "ask" && frame.question.kind === "reached";
    let caughtUp = false;
    const waiting = consumer.caughtUp().then(() => {
      caughtUp = true;
    });
    await group.runtime.advance(1_000);
    group.cut();
    group.ignores = () => false;
    fill(group, "a2");
    expect(caughtUp).toBe(false);
    group.connect();
    await group.runtime.run(waiting);
    const asked = group.sent("ask").map(({ question }) => question);
    expect(asked.map(({ kind }) => kind)).toEqual(["ends", "reached", "reached"]);
    expect(asked[2]).toEqual(asked[1]);
    const stopped = new AbortController();
    group.ignores = (frame) => frame.type === "ask";
    const given = codeOf(consumer.caughtUp({ signal: stopped.signal }));
    stopped.abort(new Error("enough"));
    expect(await group.runtime.run(given)).toBe("Error: enough");
  });

  it("pauses and resumes: starts nothing and gives no credit, leases stay", async () => {
    const group = new FakeGroup();
    fill(group, "a1 a2 a3 a4");
    const { log, running, handler } = byHand();
    const consumer = consume(group, { inFlightMax: 2 });
    void consumer.run(handler);
    await group.runtime.advance(10);
    consumer.pause();
    const credits = group.sent("credit").length;
    running.get("a1")?.resolve();
    await group.runtime.advance(30_000);
    expect(log).toEqual(["+a1"]);
    expect(group.sent("credit").length).toBe(credits);
    expect(group.environment.actors.list("worker").length).toBe(1);
    expect([...group.queue().settled]).toEqual([0]);
    consumer.resume();
    await group.runtime.advance(10);
    expect(log).toEqual(["+a1", "+a2"]);
    expect(group.sent("credit").length).toBe(credits + 1);
  });

  describe("as it closes", () => {
    it("finishes what is in hand, releases its leases with the last settles, leaves, and is done", async () => {
      const group = new FakeGroup({ queues: 2 });
      fill(group, "a1 a2");
      const { log, running, handler } = byHand();
      const consumer = consume(group);
      const run = consumer.run(handler);
      await group.runtime.advance(10);
      const closed = consumer.close();
      await group.runtime.advance(1_000);
      expect(group.environment.actors.list("consumer").map(({ state }) => state)).toEqual(["closing"]);
      expect(group.queue(1).released).toEqual([7]); // nothing in hand there
      running.get("a1")?.resolve();
      await group.runtime.run(Promise.all([closed, run]));
      expect(log).toEqual(["+a1"]);
      expect(group.queue(0).released).toEqual([7]);
      expect([...group.queue().settled]).toEqual([0]);
      expect(group.frames.at(-1)?.type).toBe("member.leave");
      expect(group.steps("handled", "settled", "released")).toEqual([
        "released",
        "handled 0/1",
        "settled 0",
        "released",
      ]);
      expect(group.environment.actors.list()).toEqual([]);
      await consumer.close();
      expect(await codeOf(consumer.run(() => {}))).toBe("CLOSED");
    });

    it("releases at once when nothing is in hand", async () => {
      const group = new FakeGroup();
      const consumer = consume(group);
      void consumer.run(() => {});
      await group.runtime.advance(10);
      const at = group.runtime.now();
      await group.runtime.run(consumer.close());
      expect(group.runtime.now()).toBe(at);
      expect(group.queue().released).toEqual([7]);
      expect(group.runtime.timers).toBeLessThanOrEqual(1); // the link's beat
    });

    it("aborts what takes longer than its time, and puts it back", async () => {
      const group = new FakeGroup();
      fill(group, "a1");
      const { running, handler } = byHand();
      const consumer = consume(group);
      void consumer.run(handler);
      await group.runtime.advance(10);
      const closed = consumer.close({ timeoutMs: 500 });
      await group.runtime.advance(600);
      const { context, reject } = running.get("a1")!;
      expect(context.signal.aborted).toBe(true);
      reject(new Error("stopped"));
      await group.runtime.run(closed);
      expect(group.queue().released).toEqual([7]);
      expect(group.queue().tried.size).toBe(0);
    });

    it("does not wait for ever for a handler that ignores its signal: raises above it, then releases", async () => {
      const group = new FakeGroup();
      fill(group, "a1");
      const { handler } = byHand();
      const consumer = consume(group, { handlerGraceMs: 1_000 });
      void consumer.run(handler);
      await group.runtime.advance(10);
      await group.runtime.run(consumer.close({ timeoutMs: 500 }));
      expect(group.runtime.now()).toBeLessThan(3_000);
      expect(group.sent("lease.raise").length).toBe(1);
      expect(group.queue().released).toEqual([8]);
      expect(group.steps("aborted", "abandoned", "released")).toEqual(["aborted 0/1", "abandoned 0/1", "released"]);
    });

    it("ends without a link, too", async () => {
      const group = new FakeGroup();
      fill(group, "a1");
      const { handler } = byHand();
      const idle = consume(group, { name: "idle" });
      void idle.run(() => {});
      await group.runtime.advance(100);
      group.cut();
      await group.runtime.run(idle.close(), 100);
      const other = new FakeGroup();
      fill(other, "a1");
      const busy = consume(other);
      void busy.run(handler);
      await other.runtime.advance(10);
      other.cut();
      await other.runtime.run(busy.close({ timeoutMs: 1_000 }), 10_000);
      expect(other.steps("lost").length).toBe(1);
    });

    it("gives a lease back that comes while it closes", async () => {
      const group = new FakeGroup();
      fill(group, "a1");
      group.ignores = (frame) => frame.type === "lease.acquire";
      const started: string[] = [];
      const consumer = consume(group);
      void consumer.run(({ key }) => void started.push(key ?? ""));
      await group.runtime.advance(10);
      const closed = consumer.close();
      await group.runtime.advance(100);
      group.ignores = () => false;
      group.link?.send(group.sent("lease.acquire")[0]!);
      await group.runtime.run(closed, 100);
      expect(group.queue().released).toEqual([7]);
      expect(started).toEqual([]);
    });

    it("can be closed before it consumes, and while it joins", async () => {
      const group = new FakeGroup();
      const unused = consume(group);
      await group.runtime.run(unused.close());
      expect(await codeOf(unused.ready())).toBe("CLOSED");
      group.ignores = (frame) => frame.type === "member.join";
      const joining = consume(group);
      const run = joining.run(() => {});
      await group.runtime.advance(10);
      await group.runtime.run(joining.close());
      await run;
      expect(group.frames.at(-1)?.type).toBe("member.leave");
    });
  });

  describe("as a stream", () => {
    it("emits only what may run now, and the next of a key once the last was settled", async () => {
      const group = new FakeGroup();
      fill(group, "a1 a2 b1");
      const got: Delivery<Move>[] = [];
      consume(group, { concurrency: 4 }).deliveries$.subscribe((delivery) => got.push(delivery));
      const names = () => got.map(({ message }) => `${message.key}${message.body.n}`);
      await group.runtime.advance(10);
      expect(names()).toEqual(["a1", "b1"]);
      await group.runtime.run(got[0]!.ack());
      expect([...group.queue().settled]).toEqual([0]);
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
      const group = new FakeGroup();
      fill(group, "a1 b1 c1");
      const got: Delivery<Move>[] = [];
      consume(group, { concurrency: 4 }).deliveries$.subscribe((delivery) => got.push(delivery));
      await group.runtime.advance(10);
      const handled = got[0]!.handle(() => new Promise((resolve) => group.runtime.setTimeout(resolve, 1_000)));
      group.offers = false;
      group.end();
      await group.runtime.advance(10);
      expect(await codeOf(got[1]!.ack())).toBe("STALE_EPOCH");
      expect(await codeOf(got[2]!.fail(new Error("late")))).toBe("STALE_EPOCH");
      expect(await group.runtime.run(handled)).toBe("lost");
      expect(group.sent("settle")).toEqual([]);
    });

    it("lets what nobody settles run into the time-out", async () => {
      const group = new FakeGroup();
      fill(group, "a1");
      const got: Delivery<Move>[] = [];
      consume(group, { handlerTimeoutMs: 1_000, handlerGraceMs: 1_000 }).deliveries$.subscribe((delivery) =>
        got.push(delivery),
      );
      await group.runtime.advance(2_500);
      expect(got.map(({ context }) => [context.attempt, context.fence])).toEqual([
        [1, 7],
        [2, 8],
      ]);
      expect(got[0]!.context.signal.aborted).toBe(true);
      expect(await group.runtime.run(codeOf(got[0]!.ack()))).toBe("HANDLER_TIMEOUT");
    });

    it("closes when it is left, and completes when it is closed", async () => {
      const group = new FakeGroup();
      fill(group, "a1");
      let completed = false;
      const consumer = consume(group);
      consumer.deliveries$
        .pipe(take(1))
        .subscribe({ next: (delivery) => void delivery.ack(), complete: () => (completed = true) });
      await group.runtime.advance(10);
      expect(completed).toBe(true);
      expect(group.queue().released).toEqual([7]);
      expect([...group.queue().settled]).toEqual([0]);
      const other = new FakeGroup();
      let done = false;
      const closing = consume(other);
      closing.deliveries$.subscribe({ complete: () => (done = true) });
      await other.runtime.advance(10);
      await other.runtime.run(closing.close());
      expect(done).toBe(true);
    });
  });

  describe("as a loop", () => {
    it("settles the last when it asks for the next, one at a time over all queues", async () => {
      const group = new FakeGroup({ queues: 2 });
      fill(group, "a1 a2", 0);
      fill(group, "b1 b2", 1);
      const got: string[] = [];
      const loop = (async () => {
        for await (const { message } of consume(group)) {
          got.push(`${message.key}${message.body.n}`);
          expect(group.steps("handling").length - group.steps("handled").length).toBe(1);
          await new Promise<void>((resolve) => group.runtime.setTimeout(resolve, 10));
          if (got.length === 4) break;
        }
      })();
      await group.runtime.run(loop);
      expect([...got].sort()).toEqual(["a1", "a2", "b1", "b2"]);
      expect(group.queue(0).settled.size + group.queue(1).settled.size).toBe(3);
      expect(group.queue(0).released.length + group.queue(1).released.length).toBe(2);
    });

    it("left by break or throw releases what it has in hand, uncounted, and closes", async () => {
      for (const how of ["break", "throw"]) {
        const group = new FakeGroup();
        fill(group, "a1 a2");
        const loop = async () => {
          for await (const _ of consume(group)) {
            if (how === "break") break;
            throw new Error("mine");
          }
        };
        expect(await group.runtime.run(codeOf(loop()))).toBe(how === "break" ? "fulfilled" : "Error: mine");
        expect(group.queue().settled.size).toBe(0);
        expect(group.queue().tried.size).toBe(0);
        expect(group.queue().released).toEqual([7]);
        expect(group.environment.actors.list()).toEqual([]);
      }
    });

    it("keeps what was failed by hand failed, and ends when it is closed", async () => {
      const group = new FakeGroup();
      fill(group, "a1");
      const consumer = consume(group);
      const attempts: number[] = [];
      const loop = (async () => {
        for await (const delivery of consumer) {
          attempts.push(delivery.context.attempt);
          if (attempts.length === 1) await delivery.fail(new Error("no"));
        }
      })();
      await group.runtime.advance(1_000);
      expect(attempts).toEqual([1, 2]);
      expect([...group.queue().settled]).toEqual([0]);
      await group.runtime.run(consumer.close());
      await loop;
    });
  });
});

describe("a consumer of an unordered topic", () => {
  const consumeMails = (group: FakeGroup, options: Partial<UnorderedConsumerOptions> = {}) =>
    createConsumer(group.environment, mails, { group: "g", name: "c", ...options }, "client");
  const post = (group: FakeGroup, count: number) => {
    for (let n = 0; n < count; n++) group.queue().append(n % 2 === 0 ? "same" : null, { game: "", n });
  };

  it("runs many messages of a queue side by side, whatever their key, with no fence and no lease", async () => {
    const group = new FakeGroup({ ordered: false });
    post(group, 5);
    const running: (() => void)[] = [];
    const fences: boolean[] = [];
    void consumeMails(group, { concurrency: 4 }).run((_, context) => {
      fences.push("fence" in context);
      return new Promise((resolve) => void running.push(resolve));
    });
    await group.runtime.advance(10);
    expect(running.length).toBe(4);
    expect(fences).toEqual([false, false, false, false]);
    for (const resolve of running) resolve();
    await group.runtime.advance(60_000);
    expect(group.queue().settled.size).toBe(4);
    expect(running.length).toBe(5);
    expect(group.sent("lease.acquire")).toEqual([]);
    expect(group.sent("heartbeat").flatMap(({ leases }) => leases)).toEqual([]);
    expect(group.events).toEqual([]);
  });

  it("gives a failed message up, for the broker to bring again, and dead-letters the last attempt", async () => {
    const group = new FakeGroup({ ordered: false });
    post(group, 1);
    const attempts: number[] = [];
    void consumeMails(group, { retry: { attempts: 3 } }).run((_, { attempt }) => {
      attempts.push(attempt);
      throw new Error("no");
    });
    await group.runtime.advance(100);
    expect(attempts).toEqual([1, 2, 3]);
    expect(group.sent("settle").flatMap(({ settlement }) => settlement.tried)).toEqual([
      [0, 1],
      [0, 2],
    ]);
    expect(group.sent("aside.put").map(({ kind, attempts: made }) => [kind, made])).toEqual([["dead-letter", 3]]);
  });

  it("gives up a handler that hangs without any lease to raise", async () => {
    const group = new FakeGroup({ ordered: false });
    post(group, 1);
    const attempts: number[] = [];
    void consumeMails(group, { handlerTimeoutMs: 1_000, handlerGraceMs: 500 }).run((_, { attempt }) => {
      attempts.push(attempt);
      return attempt === 1 ? new Promise(() => {}) : undefined;
    });
    await group.runtime.advance(2_000);
    expect(attempts).toEqual([1, 2]);
    expect(group.sent("lease.raise")).toEqual([]);
    expect([...group.queue().settled]).toEqual([0]);
  });

  it("drops what it has when its link ends, and begins anew on the next", async () => {
    const group = new FakeGroup({ ordered: false });
    post(group, 2);
    let aborted = 0;
    const started: number[] = [];
    void consumeMails(group, { concurrency: 2 }).run(({ offset }, { signal }) => {
      started.push(offset);
      if (started.length > 2) return undefined;
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve(void aborted++)));
    });
    await group.runtime.advance(10);
    group.cut();
    await group.runtime.advance(100);
    expect(aborted).toBe(2);
    group.connect();
    await group.runtime.advance(10);
    expect(started).toEqual([0, 1, 0, 1]);
    expect(group.queue().settled.size).toBe(2);
  });

  it("gives a message up that there is no room for among the dead letters, and goes on", async () => {
    const group = new FakeGroup({ ordered: false });
    post(group, 3);
    let refusals = 0;
    group.refuses = ({ type }) => (type === "aside.put" && refusals++ < 3 ? "LIMIT_EXCEEDED" : null);
    const retry = { attempts: 1, initialMs: 100 };
    void consumeMails(group, { concurrency: 1, inFlightMax: 1, retry }).run(({ offset }) => {
      if (offset === 0) throw new Error("no");
    });
    await group.runtime.advance(1_000);
    expect(refusals).toBe(4);
    expect([...group.queue().settled].sort()).toEqual([1, 2]);
    expect([...group.queue().aside.keys()]).toEqual([0]);
  });

  it("goes on when a settle is refused: the message comes again, to anyone", async () => {
    const group = new FakeGroup({ ordered: false });
    post(group, 3);
    let refusals = 0;
    group.refuses = ({ type }) => (type === "settle" && refusals++ === 0 ? "STORE_FAILED" : null);
    const started: number[] = [];
    void consumeMails(group, { concurrency: 1, inFlightMax: 1 }).run(({ offset }) => void started.push(offset));
    await group.runtime.advance(100);
    expect(refusals).toBe(1);
    post(group, 3);
    group.flow();
    await group.runtime.advance(100);
    expect(refusals).toBe(2);
    expect(started).toContain(5);
  });

  it("waits for its settles as it closes", async () => {
    const group = new FakeGroup({ ordered: false });
    post(group, 3);
    const running: (() => void)[] = [];
    const consumer = consumeMails(group);
    void consumer.run(() => new Promise((resolve) => void running.push(resolve)));
    await group.runtime.advance(10);
    const closed = consumer.close();
    for (const resolve of running) resolve();
    await group.runtime.run(closed, 100);
    expect(group.queue().settled.size).toBe(3);
    expect(group.sent("lease.release")).toEqual([]);
    expect(group.frames.at(-1)?.type).toBe("member.leave");
  });
});
