import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { epoch } from "../message/brands.ts";
import { isMessagingError } from "../message/errors.ts";
import { topic, typed } from "../message/topic.ts";
import { createConsumer } from "./consumer.ts";
import type { Consumer, Context, Handler, OrderedConsumerOptions } from "./consumer-api.ts";
import { ConsumerLease } from "./consumer-lease.ts";
import { FakeGroup } from "./fake-group.fixture.ts";
import { KeysInHand } from "./in-hand.ts";

interface Move {
  readonly game: string;
  readonly n: number;
}
const moves = topic("moves", { schema: typed<Move>(), key: (body) => body.game, encoding: "json", queues: 1 });
const board = topic("board", { schema: typed<string>(), key: "send" });

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
      const name = `${message.key ?? ""}${message.body.n}/${context.fence}`;
      log.push(`+${name}`);
      running.set(name, { resolve, reject, context });
    });
  return { log, running, handler };
}
const worker = (group: FakeGroup) => group.environment.actors.list("worker").map(({ state }) => state);

const rejections: unknown[] = [];
const onRejection = (reason: unknown) => rejections.push(reason);
process.on("unhandledRejection", onRejection);
afterEach(() => expect(rejections.splice(0)).toEqual([]));
afterAll(() => void process.off("unhandledRejection", onRejection));

describe("a consumer's leases", () => {
  it("are taken up when offered, renewed by heartbeats, and told", async () => {
    const group = new FakeGroup({ queues: 2 });
    const consumer = consume(group);
    void consumer.run(() => {});
    await group.runtime.run(consumer.ready());
    await group.runtime.advance(60_000);
    expect(worker(group)).toEqual(["waiting", "waiting"]);
    expect(group.sent("lease.acquire").length).toBe(2);
    expect(group.events.map(({ type }) => type)).toEqual(["lease.granted", "lease.granted"]);
    expect(
      group
        .sent("heartbeat")
        .at(-1)
        ?.leases.map(({ queue, epoch }) => [queue, epoch]),
    ).toEqual([
      [0, 7],
      [1, 7],
    ]);
    expect(group.history.filter((step) => step.type === "granted")).toMatchObject([
      { epoch: 7, consumer: "c", logEpoch: 3 },
      { queue: 1 },
    ]);
  });

  it("are not asked for by a consumer that nobody consumes", async () => {
    const group = new FakeGroup();
    consume(group);
    await group.runtime.advance(10_000);
    expect(group.frames.filter(({ type }) => type !== "heartbeat")).toEqual([]);
  });

  it("end by themselves when no beat is answered: the signal fires, the buffer is dropped, nothing is settled", async () => {
    const group = new FakeGroup();
    fill(group, "a1 a2");
    const { log, running, handler } = byHand();
    void consume(group).run(handler);
    await group.runtime.advance(10);
    group.beats = false;
    await group.runtime.advance(8_900);
    const { context, resolve } = running.get("a1/7")!;
    expect(context.signal.aborted).toBe(false);
    await group.runtime.advance(200); // 9,000 ms: 90 % of the TTL
    expect(context.signal.aborted).toBe(true);
    expect(isMessagingError(context.signal.reason, "STALE_EPOCH")).toBe(true);
    resolve();
    await group.runtime.advance(10);
    expect(log).toEqual(["+a1/7"]);
    expect(group.sent("settle")).toEqual([]);
    expect(group.steps("lost", "aborted", "handled", "settled")).toEqual(["lost", "aborted 0/1", "handled 0/1"]);
    expect(group.events.filter(({ type }) => type === "lease.lost")).toMatchObject([{ reason: "expired", epoch: 7 }]);
    expect(worker(group)).toEqual([]);
  });

  it("count from when the request was sent, not from when the grant came", async () => {
    const group = new FakeGroup();
    let held = true;
    group.ignores = (frame) => held && frame.type === "lease.acquire";
    void consume(group).run(() => {});
    await group.runtime.advance(4_000);
    const [acquire] = group.sent("lease.acquire");
    held = false;
    group.beats = false;
    group.link?.send(acquire!); // answered 4 s after it was asked
    await group.runtime.advance(4_900);
    expect(worker(group)).toEqual(["waiting"]);
    await group.runtime.advance(200);
    expect(worker(group)).toEqual([]);
  });

  it("start nothing under a grant with less than half its TTL left, until a beat has renewed it", async () => {
    const group = new FakeGroup();
    fill(group, "a1");
    let held = true;
    group.ignores = (frame) => held && frame.type === "lease.acquire";
    const { log, handler } = byHand();
    void consume(group).run(handler);
    await group.runtime.advance(6_000);
    held = false;
    group.beats = false;
    group.link?.send(group.sent("lease.acquire")[0]!);
    const beats = group.sent("heartbeat").length;
    await group.runtime.advance(10);
    expect(group.sent("heartbeat").length).toBe(beats + 1); // at once
    expect(log).toEqual([]);
    group.beats = true;
    group.link?.beat();
    await group.runtime.advance(10);
    expect(log).toEqual(["+a1/7"]);
  });

  it("are given back by name when they arrive expired", async () => {
    const group = new FakeGroup();
    let held = true;
    group.ignores = (frame) => held && frame.type === "lease.acquire";
    void consume(group).run(() => {});
    await group.runtime.advance(9_500);
    held = false;
    group.link?.send(group.sent("lease.acquire")[0]!);
    await group.runtime.advance(10);
    expect(group.sent("lease.release").map(({ epoch }) => epoch)).toEqual([7]);
    expect(worker(group)).toEqual([]);
    expect(group.steps("granted", "lost", "released")).toEqual([]);
  });

  it("are over for a process that wakes up past the deadline: what is delivered or ends before any timer fires counts for nothing", async () => {
    const group = new FakeGroup();
    fill(group, "a1 a2");
    const { log, running, handler } = byHand();
    void consume(group).run(handler);
    await group.runtime.advance(10);
    const { resolve, context } = running.get("a1/7")!;
    group.runtime.jumpWallClock(20_000); // suspended: the monotonic clock stood still, no timer is due
    fill(group, "a3");
    group.flow();
    resolve();
    await group.runtime.settle();
    expect(log).toEqual(["+a1/7"]);
    expect(context.signal.aborted).toBe(true);
    expect(group.sent("settle")).toEqual([]);
    expect(group.steps("lost").length).toBe(1);
  });

  it("are over at the next delivery, too, when that is what comes first", async () => {
    const group = new FakeGroup();
    const { log, handler } = byHand();
    void consume(group).run(handler);
    await group.runtime.advance(10);
    group.runtime.jumpWallClock(20_000);
    fill(group, "a1");
    group.flow();
    await group.runtime.settle();
    expect(log).toEqual([]);
    expect(worker(group)).toEqual([]);
  });

  it("are over for what ended before the deadline and was not told yet", async () => {
    const group = new FakeGroup();
    fill(group, "a1 b1");
    const { running, handler } = byHand();
    void consume(group, { concurrency: 2 }).run(handler);
    await group.runtime.advance(10);
    running.get("a1/7")?.resolve(); // b1 runs on: the settle waits for what else ends in this turn
    await group.runtime.settle();
    group.runtime.jumpWallClock(9_500);
    await group.runtime.advance(1);
    expect(group.steps("handled", "lost", "settled")).toEqual(["handled 0/1", "lost"]);
    expect(group.sent("settle")).toEqual([]);
  });

  it("refuse an emit past the deadline", async () => {
    const group = new FakeGroup();
    fill(group, "a1");
    const { running, handler } = byHand();
    void consume(group).run(handler);
    await group.runtime.advance(10);
    const { context } = running.get("a1/7")!;
    group.runtime.jumpWallClock(9_500);
    expect(() => context.emit(board, "late", { key: "k" })).toThrow(expect.objectContaining({ code: "STALE_EPOCH" }));
    expect(() => context.heartbeat()).toThrow(expect.objectContaining({ code: "STALE_EPOCH" }));
  });

  it("are not shortened by a wall clock that steps back", async () => {
    const group = new FakeGroup();
    fill(group, "a1");
    const started: number[] = [];
    void consume(group).run(() => void started.push(1));
    await group.runtime.advance(10);
    group.runtime.jumpWallClock(-3_600_000);
    await group.runtime.advance(20_000);
    fill(group, "a2");
    group.flow();
    await group.runtime.advance(10);
    expect(started.length).toBe(2);
    expect(worker(group)).toEqual(["waiting"]);
  });

  it("are lost when the broker says so, or refuses a settle", async () => {
    for (const how of ["ended", "refused"] as const) {
      const group = new FakeGroup();
      fill(group, "a1 a2");
      const { running, handler } = byHand();
      void consume(group).run(handler);
      await group.runtime.advance(10);
      group.offers = false;
      if (how === "ended") group.end(group.queue(), "fenced");
      else group.vacate();
      running.get("a1/7")?.resolve();
      await group.runtime.advance(10);
      expect(worker(group)).toEqual([]);
      expect(group.events.filter(({ type }) => type === "lease.lost")).toMatchObject([{ reason: "fenced" }]);
      if (how === "refused") {
        expect(group.events.filter(({ type }) => type === "settle.refused")).toMatchObject([
          { code: "STALE_EPOCH", messages: 1, epoch: 7 },
        ]);
        expect(group.steps("handled", "settleRefused")).toEqual(["handled 0/1", "settleRefused 0"]);
      }
    }
  });

  describe("across a reconnect", () => {
    it("keep their epoch: running handlers go on, what they end with is told on the new link, nothing runs twice", async () => {
      const group = new FakeGroup();
      fill(group, "a1 b1 a2 c1");
      const { log, running, handler } = byHand();
      void consume(group, { concurrency: 2 }).run(handler);
      await group.runtime.advance(10);
      expect(log).toEqual(["+a1/7", "+b1/7"]);
      group.cut();
      running.get("a1/7")?.resolve();
      await group.runtime.advance(1_000);
      expect(log).toEqual(["+a1/7", "+b1/7"]); // nothing new starts while it could not be settled
      group.connect();
      await group.runtime.advance(10);
      const { resume } = group.sent("lease.acquire").at(-1)!;
      expect(resume).toEqual({
        epoch: 7,
        settle: { ranges: [[0, 1]], redriven: [], tried: [], redrivenTried: [] },
        inHand: [[1, 4]],
        redrivenInHand: [],
      });
      expect(log).toEqual(["+a1/7", "+b1/7", "+c1/7"]);
      for (const name of ["b1/7", "c1/7"]) running.get(name)?.resolve();
      await group.runtime.advance(10);
      running.get("a2/7")?.resolve();
      await group.runtime.advance(10);
      expect([...group.queue().settled].sort()).toEqual([0, 1, 2, 3]);
      expect(log).toEqual(["+a1/7", "+b1/7", "+c1/7", "+a2/7"]);
      expect(group.steps("granted", "lost")).toEqual(["granted"]);
      expect(group.steps("settled").sort()).toEqual(["settled 0", "settled 1", "settled 2", "settled 3"]);
      expect(group.sent("settle").map(({ settle }) => settle)).toEqual(group.sent("settle").map((_, index) => index)); // numbered under the resumed grant
    });

    it("have what was settled before told with its own revision, and the rest with that of the resume", async () => {
      const group = new FakeGroup();
      fill(group, "a1 b1");
      const { running, handler } = byHand();
      void consume(group, { concurrency: 2 }).run(handler);
      await group.runtime.advance(10);
      group.ignores = (frame) => frame.type === "settle";
      running.get("a1/7")?.resolve();
      await group.runtime.advance(10);
      group.cut();
      running.get("b1/7")?.resolve();
      group.ignores = (frame) => {
        if (frame.type === "lease.acquire" && frame.resume !== null)
          group.link?.push({
            type: "settled",
            member: frame.member,
            queue: 0,
            epoch: epoch(7),
            settle: 0,
            revision: 5,
          });
        return false;
      };
      group.connect();
      await group.runtime.advance(10);
      const settled = group.history.flatMap((step) => (step.type === "settled" ? [[step.offset, step.revision]] : []));
      expect(settled).toEqual([
        [0, 5],
        [1, group.queue().revision],
      ]);
    });

    it("are listed from the new link's first beat on, and that beat follows the resume", async () => {
      const group = new FakeGroup();
      void consume(group).run(() => {});
      await group.runtime.advance(10);
      group.cut();
      await group.runtime.advance(100);
      const before = group.frames.length;
      const link = group.connect();
      link.beat(); // somebody else's first beat
      await group.runtime.advance(10);
      const types = group.frames
        .slice(before)
        .map((frame) => (frame.type === "heartbeat" ? `heartbeat of ${frame.leases.length}` : frame.type));
      expect(types.slice(0, 4)).toEqual(["member.join", "heartbeat of 1", "lease.acquire", "heartbeat of 1"]);
    });

    it("are lost when the broker does not know them any more, and anew when offered", async () => {
      const group = new FakeGroup();
      fill(group, "a1");
      const { log, running, handler } = byHand();
      void consume(group).run(handler);
      await group.runtime.advance(10);
      group.cut();
      group.vacate();
      group.connect();
      await group.runtime.advance(10);
      running.get("a1/7")?.resolve();
      await group.runtime.advance(10);
      expect(group.steps("granted", "lost")).toEqual(["granted", "lost", "granted"]);
      expect(log).toEqual(["+a1/7", "+a1/8"]);
      expect(group.sent("settle")).toEqual([]);
    });

    it("are lost when the link stays away past the deadline", async () => {
      const group = new FakeGroup();
      fill(group, "a1");
      const { running, handler } = byHand();
      void consume(group).run(handler);
      await group.runtime.advance(10);
      group.cut();
      await group.runtime.advance(9_100);
      expect(running.get("a1/7")?.context.signal.aborted).toBe(true);
      expect(worker(group)).toEqual([]);
    });

    it("are over for good when the deadline passes while the resume is asked, whatever the answer", async () => {
      const group = new FakeGroup();
      fill(group, "a1 a2");
      const { log, running, handler } = byHand();
      void consume(group).run(handler);
      await group.runtime.advance(10);
      group.cut();
      await group.runtime.advance(8_500);
      group.offers = false;
      group.ignores = (frame) => frame.type === "lease.acquire";
      group.connect();
      await group.runtime.settle();
      group.runtime.jumpWallClock(1_000); // no timer fires: only the clock tells
      group.ignores = () => false;
      group.link?.send(group.sent("lease.acquire").at(-1)!);
      await group.runtime.settle();
      expect(running.get("a1/7")?.context.signal.aborted).toBe(true);
      expect(log).toEqual(["+a1/7"]);
      expect(group.steps("lost").length).toBe(1);
      expect([...group.queue().settled]).toEqual([]);
    });

    it("put a message aside again when the answer was lost with the link", async () => {
      const group = new FakeGroup();
      fill(group, "a1 a2 b1");
      group.ignores = (frame) => frame.type === "aside.put";
      const started: string[] = [];
      void consume(group, { retry: { attempts: 1 } }).run(({ key, body }) => {
        started.push(`${key}${body.n}`);
        if (key === "a") throw new Error("bad");
      });
      await group.runtime.advance(10);
      group.cut();
      group.ignores = () => false;
      group.connect();
      await group.runtime.advance(10);
      expect(group.sent("aside.put").length).toBe(2);
      expect(started).toEqual(["a1", "b1"]);
      expect([...group.queue().aside.keys()]).toEqual([0, 1]);
      // the park comes before credit, so that nothing of the key is delivered first
      const onNewLink = group.frames
        .slice(group.frames.findIndex((frame) => frame.type === "lease.acquire" && frame.resume !== null))
        .map(({ type }) => type);
      expect(onNewLink.indexOf("aside.put")).toBeLessThan(onNewLink.indexOf("credit"));
    });
  });

  describe("with a handler that hangs", () => {
    it("abort it after its time, raise the lease after the grace, and only then try again; the abandoned one counts for nothing", async () => {
      const group = new FakeGroup();
      fill(group, "a1 b1");
      const { log, running, handler } = byHand();
      void consume(group, {
        concurrency: 2,
        handlerTimeoutMs: 1_000,
        handlerGraceMs: 500,
        retry: { initialMs: 100, jitter: 0 },
      }).run(handler);
      await group.runtime.advance(900);
      running.get("b1/7")?.context.heartbeat(); // starts its time anew
      await group.runtime.advance(200);
      const hung = running.get("a1/7")!;
      expect(hung.context.signal.aborted).toBe(true);
      expect(isMessagingError(hung.context.signal.reason, "HANDLER_TIMEOUT")).toBe(true);
      expect(running.get("b1/7")?.context.signal.aborted).toBe(false);
      await group.runtime.advance(350);
      expect(group.sent("lease.raise")).toEqual([]);
      await group.runtime.advance(400);
      expect(group.sent("lease.raise").map(({ epoch }) => epoch)).toEqual([7]);
      expect(log).toEqual(["+a1/7", "+b1/7", "+a1/8"]);
      expect(group.steps("handling", "aborted", "abandoned", "granted")).toEqual([
        "granted",
        "handling 0/1",
        "handling 1/1",
        "aborted 0/1",
        "abandoned 0/1",
        "granted",
        "handling 0/2",
      ]);
      expect(() => hung.context.emit(board, "late", { key: "k" })).toThrow();
      expect(() => hung.context.heartbeat()).toThrow();
      hung.resolve();
      running.get("b1/7")?.resolve(); // carried over: settled under the new epoch
      await group.runtime.advance(10);
      expect([...group.queue().settled]).toEqual([1]);
      running.get("a1/8")?.resolve();
      await group.runtime.advance(10);
      expect([...group.queue().settled]).toEqual([1, 0]);
      expect(group.steps("handled")).toEqual(["handled 1/1", "handled 0/2"]);
    });

    it("only fail the attempt when it ends within the grace", async () => {
      const group = new FakeGroup();
      fill(group, "a1");
      const { log, running, handler } = byHand();
      void consume(group, { handlerTimeoutMs: 1_000, handlerGraceMs: 500, retry: { initialMs: 100, jitter: 0 } }).run(
        handler,
      );
      await group.runtime.advance(1_100);
      running.get("a1/7")?.resolve();
      await group.runtime.advance(200);
      expect(log).toEqual(["+a1/7", "+a1/7"]);
      expect(group.sent("lease.raise")).toEqual([]);
      expect(group.events.filter(({ type }) => type === "attempt.failed")).toMatchObject([
        { attempt: 1, error: { code: "HANDLER_TIMEOUT" } },
      ]);
    });

    it("raise on the next link when this one ended before the answer", async () => {
      const group = new FakeGroup();
      fill(group, "a1");
      group.ignores = (frame) => frame.type === "lease.raise";
      const { log, handler } = byHand();
      void consume(group, { handlerTimeoutMs: 1_000, handlerGraceMs: 500, retry: { initialMs: 100, jitter: 0 } }).run(
        handler,
      );
      await group.runtime.advance(1_600);
      group.cut();
      await group.runtime.advance(500);
      expect(log).toEqual(["+a1/7"]);
      group.ignores = () => false;
      group.connect();
      await group.runtime.advance(200);
      expect(group.sent("lease.raise").length).toBe(2);
      expect(log).toEqual(["+a1/7", "+a1/8"]);
    });

    it("are lost when the raise is refused", async () => {
      const group = new FakeGroup();
      fill(group, "a1");
      group.refuses = (frame) => (frame.type === "lease.raise" ? "STALE_EPOCH" : null);
      const { log, handler } = byHand();
      void consume(group, { handlerTimeoutMs: 1_000, handlerGraceMs: 500 }).run(handler);
      await group.runtime.advance(2_000);
      expect(worker(group)).toEqual([]);
      expect(log).toEqual(["+a1/7"]);
    });
  });

  it("are not taken up where a heartbeat has no room for them; that is logged once", async () => {
    const group = new FakeGroup();
    fill(group, "a1");
    const { log, handler } = byHand();
    void consume(group).run(handler);
    if (group.link !== null) group.link.hasLeaseRoom = false;
    await group.runtime.advance(10);
    group.offer();
    group.offer();
    await group.runtime.advance(1_000);
    expect([log, group.sent("lease.acquire")]).toEqual([[], []]);
    expect(group.logged.filter((line) => String(line).includes("takes no more queues"))).toHaveLength(1);
    if (group.link !== null) group.link.hasLeaseRoom = true;
    group.offer();
    await group.runtime.advance(10);
    expect(log).toEqual(["+a1/7"]);
  });

  it("do not let a handler start for a key that this process still has in hand under an older epoch", async () => {
    for (const concurrency of [1, 4]) {
      const group = new FakeGroup();
      fill(group, "a1 b1");
      const { log, running, handler } = byHand();
      void consume(group, { concurrency }).run(handler);
      await group.runtime.advance(10);
      running.get("b1/7")?.resolve();
      group.end();
      group.offer();
      await group.runtime.advance(1_000);
      expect(log).toEqual(concurrency === 1 ? ["+a1/7"] : ["+a1/7", "+b1/7", "+b1/8"]);
      running.get("a1/7")?.resolve(); // ignored its signal until now
      await group.runtime.advance(10);
      expect(log).toContain("+a1/8");
      expect(group.sent("lease.raise")).toEqual([]);
    }
  });

  it("keep a key in hand for whoever consumes next in this client, also when its consumer has closed; another client shares nothing", async () => {
    for (const isSame of [true, false]) {
      const group = new FakeGroup();
      fill(group, "a1");
      const { log, running, handler } = byHand();
      const first = consume(group, { handlerGraceMs: 60_000 });
      void first.run(handler);
      await group.runtime.advance(10);
      group.end();
      await group.runtime.run(first.close());
      const environment = isSame ? group.environment : { ...group.environment, inHand: new KeysInHand() };
      const second = createConsumer(environment, moves, { group: "g", name: "d" }, "client") as Consumer<Move>;
      void second.run(handler);
      await group.runtime.advance(1_000);
      expect(log).toEqual(isSame ? ["+a1/7"] : ["+a1/7", "+a1/8"]);
      running.get("a1/7")?.resolve(); // ignored its signal until now
      await group.runtime.advance(10);
      expect(log).toEqual(["+a1/7", "+a1/8"]);
    }
  });

  it("let a lost handler that ignores its signal block its key for its grace, no longer", async () => {
    const group = new FakeGroup();
    fill(group, "a1");
    const { log, running, handler } = byHand();
    void consume(group, { handlerGraceMs: 2_000 }).run(handler);
    await group.runtime.advance(10);
    group.end();
    group.offer();
    await group.runtime.advance(1_900);
    expect(log).toEqual(["+a1/7"]);
    await group.runtime.advance(200);
    expect(log).toEqual(["+a1/7", "+a1/8"]);
    expect(group.steps("abandoned")).toEqual(["abandoned 0/1"]);
    running.get("a1/8")?.resolve();
    running.get("a1/7")?.reject(new Error("at last"));
    await group.runtime.advance(10);
    expect([...group.queue().settled]).toEqual([0]);
  });

  describe("when they are revoked", () => {
    it("finish the attempt in hand, and go back with its settle", async () => {
      const group = new FakeGroup();
      fill(group, "a1 a2");
      const { log, running, handler } = byHand();
      void consume(group).run(handler);
      await group.runtime.advance(10);
      group.revoke(30_000);
      await group.runtime.advance(100);
      expect(worker(group)).toEqual(["draining"]);
      expect(group.sent("lease.release")).toEqual([]);
      running.get("a1/7")?.resolve();
      await group.runtime.advance(10);
      expect(group.sent("lease.release").map(({ settle }) => settle.ranges)).toEqual([[[0, 1]]]);
      expect(log).toEqual(["+a1/7"]);
      expect(group.steps("handled", "settled", "released")).toEqual(["handled 0/1", "settled 0", "released"]);
    });

    it("do not wait for a back-off, and hand its attempts over", async () => {
      const group = new FakeGroup();
      fill(group, "a1");
      void consume(group, { retry: { initialMs: 20_000, jitter: 0 } }).run(() => {
        throw new Error("no");
      });
      await group.runtime.advance(10);
      group.revoke(30_000);
      await group.runtime.advance(10);
      expect(group.queue().released).toEqual([7]);
      expect(group.queue().tried.get(0)).toBe(1);
    });

    it("finish the attempt, not its retries", async () => {
      const group = new FakeGroup();
      fill(group, "a1");
      const { log, running, handler } = byHand();
      void consume(group).run(handler);
      await group.runtime.advance(10);
      group.revoke(30_000);
      await group.runtime.advance(10);
      running.get("a1/7")?.reject(new Error("no"));
      await group.runtime.advance(10_000);
      expect(log).toEqual(["+a1/7"]);
      expect(group.queue().released).toEqual([7]);
      expect(group.queue().tried.get(0)).toBe(1);
    });

    it("abort what takes too long; what then ends badly is put back uncounted", async () => {
      const group = new FakeGroup();
      fill(group, "a1");
      const { running, handler } = byHand();
      void consume(group).run(handler);
      await group.runtime.advance(10);
      group.revoke(2_000);
      await group.runtime.advance(2_100);
      const { context, reject } = running.get("a1/7")!;
      expect(context.signal.aborted).toBe(true);
      expect(group.sent("lease.release")).toEqual([]);
      reject(context.signal.reason);
      await group.runtime.advance(10);
      expect(group.queue().released).toEqual([7]);
      expect(group.queue().tried.get(0)).toBeUndefined();
    });

    it("count as failed what had timed out before, however it then ends (seed 258230677)", async () => {
      for (const how of ["well", "badly"]) {
        const group = new FakeGroup();
        fill(group, "a1");
        const { running, handler } = byHand();
        void consume(group, { handlerTimeoutMs: 1_000, handlerGraceMs: 60_000 }).run(handler);
        await group.runtime.advance(1_100);
        group.revoke(2_000);
        await group.runtime.advance(2_100);
        const { resolve, reject } = running.get("a1/7")!;
        if (how === "well") resolve();
        else reject(new Error("no"));
        await group.runtime.advance(10);
        expect(group.queue().released, how).toEqual([7]);
        expect([...group.queue().settled], how).toEqual([]);
        expect(group.queue().tried.get(0), how).toBe(1);
        expect(group.events.filter(({ type }) => type === "attempt.failed")).toMatchObject([
          { attempt: 1, error: { code: "HANDLER_TIMEOUT" } },
        ]);
      }
    });

    it("send what a handler emitted that ends well after all", async () => {
      const group = new FakeGroup();
      fill(group, "a1");
      const { running, handler } = byHand();
      void consume(group).run(handler);
      await group.runtime.advance(10);
      group.revoke(1_000);
      await group.runtime.advance(1_100);
      const { context, resolve } = running.get("a1/7")!;
      expect(context.signal.aborted).toBe(true);
      context.emit(board, "done", { key: "k" });
      resolve();
      await group.runtime.advance(10);
      expect(group.emitted.map(({ body }) => body)).toEqual(["done"]);
      expect([...group.queue().settled]).toEqual([0]);
      expect(group.queue().released).toEqual([7]);
    });

    it("heed a revoke that comes in the same packet as the grant", async () => {
      const group = new FakeGroup();
      fill(group, "a1");
      let revoked = false;
      group.ignores = (frame) => {
        if (frame.type !== "lease.acquire" || revoked) return false;
        revoked = true;
        group.runtime.defer(() => {});
        group.link?.send(frame);
        queueMicrotask(() => queueMicrotask(() => group.revoke(1_000)));
        return true;
      };
      const started: string[] = [];
      void consume(group).run(({ key }) => void started.push(key ?? ""));
      await group.runtime.advance(10);
      expect(group.queue().released).toEqual([7]);
    });
  });
  it("are listed in heartbeats also when something goes wrong with another", async () => {
    const group = new FakeGroup({ queues: 2 });
    void consume(group).run(() => {});
    await group.runtime.advance(10);
    const listed = async () => {
      group.link?.beat();
      await group.runtime.advance(10);
      return group
        .sent("heartbeat")
        .at(-1)
        ?.leases.map(({ queue }) => queue);
    };
    expect(await listed()).toEqual([0, 1]);
    vi.spyOn(ConsumerLease.prototype, "beat", "get").mockImplementationOnce(() => {
      throw new Error("not foreseen");
    });
    group.offers = false;
    expect(await listed()).toEqual([1]);
    expect(group.logged).toContain('the worker of queue 0 of "moves" failed');
    expect(await listed()).toEqual([1]);
  });
});
