import { describe, expect, it, vi } from "vitest";
import { isMessagingError } from "../message/errors.ts";
import { failOnUnhandledRejections } from "../runtime/unhandled-rejections.fixture.ts";
import { ConsumerLease } from "./consumer-lease.ts";
import { board, byHand, HIGH, LOW, mails, TappedGroup } from "./tapped-group.fixture.ts";

const byEpoch = () => byHand({ fenced: true });
/** What a client sees as "frameBytesMax" where a heartbeat has room for one lease. */
const ROOM_FOR_ONE_LEASE = 1_050;
/** Attempts that the broker was told of, with settles and releases. */
const triedReported = ({ tap }: TappedGroup) =>
  [
    ...tap.sent("settle").map(({ settlement }) => settlement),
    ...tap.sent("lease.release").map(({ settle }) => settle),
  ].flatMap(({ tried }) => tried);

failOnUnhandledRejections();

describe("a consumer's leases", () => {
  it("are taken up when offered, renewed by heartbeats, and told", async () => {
    const group = await TappedGroup.start({ queues: 2 });
    const consumer = group.consume();
    void consumer.run(() => {});
    await group.runtime.run(consumer.ready());
    await group.runtime.advance(60_000);
    expect(group.workers).toEqual(["waiting", "waiting"]);
    expect(group.tap.sent("lease.acquire").length).toBe(2);
    expect(group.broker.events.map(({ type }) => type)).toEqual(["lease.granted", "lease.granted"]);
    expect(
      group.tap
        .sent("heartbeat")
        .at(-1)
        ?.leases.map(({ queue, epoch }) => [queue, epoch]),
    ).toEqual([
      [0, 7],
      [1, 7],
    ]);
    expect(group.broker.history.filter((step) => step.type === "granted")).toMatchObject([
      { epoch: 7, consumer: "c", logEpoch: 1 },
      { queue: 1 },
    ]);
  });

  it("are not asked for by a consumer that nobody consumes", async () => {
    const group = await TappedGroup.start();
    group.consume();
    await group.runtime.advance(10_000);
    expect(group.tap.up.filter(({ type }) => type !== "heartbeat").map(({ type }) => type)).toEqual(["hello"]);
  });

  it("end by themselves when no beat is answered: the signal fires, the buffer is dropped, nothing is settled", async () => {
    const group = await TappedGroup.start();
    group.fill("a1 a2");
    const { log, running, handler } = byEpoch();
    void group.consume().run(handler);
    await group.runtime.advance(10);
    group.tap.hold("heartbeat");
    await group.runtime.advance(8_900);
    const { context, resolve } = running.get("a1/7")!;
    expect(context.signal.aborted).toBe(false);
    await group.runtime.advance(200); // 9,000 ms: 90 % of the TTL
    expect(context.signal.aborted).toBe(true);
    expect(isMessagingError(context.signal.reason, "STALE_EPOCH")).toBe(true);
    resolve();
    await group.runtime.advance(10);
    expect(log).toEqual(["+a1/7"]);
    expect(group.tap.sent("settle")).toEqual([]);
    expect(group.broker.steps("lost", "aborted", "handled", "settled")).toEqual(["lost", "aborted 0/1", "handled 0/1"]);
    expect(group.broker.emitted("lease.lost")).toMatchObject([{ reason: "expired", epoch: 7 }]);
    expect(group.workers).toEqual([]);
  });

  it("count from when the request was sent, not from when the grant came", async () => {
    const group = await TappedGroup.start();
    const goOn = group.tap.hold("lease.acquire");
    void group.consume().run(() => {});
    await group.runtime.advance(4_000);
    goOn(); // answered 4 s after it was asked
    group.tap.hold("heartbeat");
    await group.runtime.advance(4_900);
    expect(group.workers).toEqual(["waiting"]);
    await group.runtime.advance(200);
    expect(group.workers).toEqual([]);
  });

  it("start nothing under a grant with less than half its TTL left, until a beat has renewed it", async () => {
    const group = await TappedGroup.start();
    group.fill("a1");
    const goOn = group.tap.hold("lease.acquire");
    const { log, handler } = byEpoch();
    void group.consume().run(handler);
    await group.runtime.advance(6_000);
    goOn();
    const answerBeats = group.tap.hold("heartbeat");
    const beats = group.tap.sent("heartbeat").length;
    await group.runtime.advance(10);
    expect(group.tap.sent("heartbeat").length).toBe(beats + 1); // at once
    expect(log).toEqual([]);
    answerBeats();
    await group.runtime.advance(10);
    expect(log).toEqual(["+a1/7"]);
  });

  it("are given back by name when they arrive expired", async () => {
    const group = await TappedGroup.start();
    const goOn = group.tap.hold("lease.acquire");
    void group.consume().run(() => {});
    await group.runtime.advance(10);
    group.offerElsewhere();
    await group.runtime.advance(9_490);
    goOn();
    await group.runtime.advance(10);
    expect(group.tap.sent("lease.release").map(({ epoch }) => epoch)).toEqual([7]);
    expect(group.workers).toEqual([]);
    expect(group.broker.steps("granted", "lost", "released")).toEqual([]);
  });

  it("are over for a process that wakes up past the deadline: what is delivered or ends before any timer fires counts for nothing", async () => {
    const group = await TappedGroup.start();
    group.fill("a1 a2");
    const { log, running, handler } = byEpoch();
    void group.consume().run(handler);
    await group.runtime.advance(10);
    const { resolve, context } = running.get("a1/7")!;
    group.runtime.jumpWallClock(20_000); // suspended: the monotonic clock stood still, no timer is due
    group.fill("a3");
    resolve();
    await group.runtime.settle();
    expect(log).toEqual(["+a1/7"]);
    expect(context.signal.aborted).toBe(true);
    expect(group.tap.sent("settle")).toEqual([]);
    expect(group.broker.steps("lost").length).toBe(1);
  });

  it("are over at the next delivery, too, when that is what comes first", async () => {
    const group = await TappedGroup.start();
    const { log, handler } = byEpoch();
    void group.consume().run(handler);
    await group.runtime.advance(10);
    group.runtime.jumpWallClock(20_000);
    group.fill("a1");
    await group.runtime.settle();
    expect(log).toEqual([]);
    expect(group.workers).toEqual([]);
  });

  it("are over for what ended before the deadline and was not told yet", async () => {
    const group = await TappedGroup.start();
    group.fill("a1 b1");
    const { running, handler } = byEpoch();
    void group.consume({ concurrency: 2 }).run(handler);
    await group.runtime.advance(10);
    running.get("a1/7")?.resolve(); // b1 runs on: the settle waits for what else ends in this turn
    await group.runtime.settle();
    group.runtime.jumpWallClock(9_500);
    await group.runtime.advance(1);
    expect(group.broker.steps("handled", "lost", "settled")).toEqual(["handled 0/1", "lost"]);
    expect(group.tap.sent("settle")).toEqual([]);
  });

  it("refuse an emit past the deadline", async () => {
    const group = await TappedGroup.start();
    group.fill("a1");
    const { running, handler } = byEpoch();
    void group.consume().run(handler);
    await group.runtime.advance(10);
    const { context } = running.get("a1/7")!;
    group.runtime.jumpWallClock(9_500);
    expect(() => context.emit(board, "late", { key: "k" })).toThrow(expect.objectContaining({ code: "STALE_EPOCH" }));
    expect(() => context.heartbeat()).toThrow(expect.objectContaining({ code: "STALE_EPOCH" }));
  });

  it("are not shortened by a wall clock that steps back", async () => {
    const group = await TappedGroup.start({ wallNow: 1_767_225_600_000 });
    group.fill("a1");
    const started: number[] = [];
    void group.consume().run(() => void started.push(1));
    await group.runtime.advance(10);
    group.runtime.jumpWallClock(-3_600_000);
    await group.runtime.advance(20_000);
    group.fill("a2");
    await group.runtime.advance(10);
    expect(started.length).toBe(2);
    expect(group.workers).toEqual(["waiting"]);
  });

  it("are lost when the broker says so, or refuses a settle", async () => {
    for (const how of ["ended", "refused"] as const) {
      const group = await TappedGroup.start();
      group.fill("a1 a2");
      const { running, handler } = byEpoch();
      void group.consume().run(handler);
      await group.runtime.advance(10);
      if (how === "ended") group.end(0, "fenced");
      else group.tap.refuse("settle", "STALE_EPOCH");
      running.get("a1/7")?.resolve();
      await group.runtime.advance(10);
      expect(group.workers).toEqual([]);
      expect(group.broker.emitted("lease.lost")).toMatchObject([{ reason: "fenced" }]);
      if (how === "refused") {
        expect(group.broker.emitted("settle.refused")).toMatchObject([{ code: "STALE_EPOCH", messages: 1, epoch: 7 }]);
        expect(group.broker.steps("handled", "settleRefused")).toEqual(["handled 0/1", "settleRefused 0"]);
      }
    }
  });

  describe("across a reconnect", () => {
    it("keep their epoch: running handlers go on, what they end with is told on the new link, nothing runs twice", async () => {
      const group = await TappedGroup.start();
      group.fill("a1 b1 a2 c1");
      const { log, running, handler } = byEpoch();
      void group.consume({ concurrency: 2 }).run(handler);
      await group.runtime.advance(10);
      expect(log).toEqual(["+a1/7", "+b1/7"]);
      const back = group.away();
      running.get("a1/7")?.resolve();
      await group.runtime.advance(1_000);
      expect(log).toEqual(["+a1/7", "+b1/7"]); // nothing new starts while it could not be settled
      await back();
      const { resume } = group.tap.sent("lease.acquire").at(-1)!;
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
      expect(await group.settled()).toEqual([0, 1, 2, 3]);
      expect(log).toEqual(["+a1/7", "+b1/7", "+c1/7", "+a2/7"]);
      expect(group.broker.steps("granted", "lost")).toEqual(["granted"]);
      expect(group.broker.steps("settled").sort()).toEqual(["settled 0", "settled 1", "settled 2", "settled 3"]);
      expect(group.tap.sent("settle").map(({ settle }) => settle)).toEqual(
        group.tap.sent("settle").map((_, index) => index),
      ); // numbered under the resumed grant
    });

    it("have what was settled before told with its own revision, and the rest with that of the resume", async () => {
      const group = await TappedGroup.start();
      group.fill("a1 b1");
      const { running, handler } = byEpoch();
      void group.consume({ concurrency: 2 }).run(handler);
      await group.runtime.advance(10);
      const revisions: number[] = [];
      group.tap.on("settled", (frame) => {
        revisions.push(frame.revision);
        return frame;
      });
      const goOn = group.tap.hold("settled");
      running.get("a1/7")?.resolve();
      await group.runtime.advance(10);
      const back = group.away();
      running.get("b1/7")?.resolve();
      goOn();
      await back();
      expect(revisions).toHaveLength(2); // as it was told first, and again
      expect(revisions[1]).toBe(revisions[0]);
      const { revision } = group.granted();
      expect(revision).toBeGreaterThan(revisions[0] ?? 0);
      const settled = group.broker.history.flatMap((step) =>
        step.type === "settled" ? [[step.offset, step.revision]] : [],
      );
      expect(settled).toEqual([
        [0, revisions[0]],
        [1, revision],
      ]);
    });

    it("are listed from the new link's first beat on, and that beat follows the resume", async () => {
      const group = await TappedGroup.start();
      void group.client.consumer(mails, { group: "other" }).run(() => {}); // whose join brings about the first beat
      void group.consume().run(() => {});
      await group.runtime.advance(10);
      const back = group.away();
      await group.runtime.advance(100);
      const before = group.tap.up.length;
      await back();
      const types = group.tap.up
        .slice(before)
        .filter(({ type }) => type !== "credit")
        .map((frame) => (frame.type === "heartbeat" ? `heartbeat of ${frame.leases.length}` : frame.type));
      expect(types.slice(0, 6)).toEqual([
        "hello",
        "member.join",
        "member.join",
        "heartbeat of 1",
        "lease.acquire",
        "heartbeat of 1",
      ]);
    });

    it("are lost when the broker does not know them any more, and anew when offered", async () => {
      const group = await TappedGroup.start();
      group.fill("a1");
      const { log, running, handler } = byEpoch();
      void group.consume().run(handler);
      await group.runtime.advance(10);
      await group.broker.crash();
      await group.runtime.advance(20);
      running.get("a1/7")?.resolve();
      await group.runtime.advance(10);
      expect(group.broker.steps("granted", "lost")).toEqual(["granted", "lost", "granted"]);
      expect(log).toEqual(["+a1/7", "+a1/8"]);
      expect(group.tap.sent("settle")).toEqual([]);
    });

    it("are lost when the link stays away past the deadline", async () => {
      const group = await TappedGroup.start();
      group.fill("a1");
      const { running, handler } = byEpoch();
      void group.consume().run(handler);
      await group.runtime.advance(10);
      group.away();
      await group.runtime.advance(9_100);
      expect(running.get("a1/7")?.context.signal.aborted).toBe(true);
      expect(group.workers).toEqual([]);
    });

    it("are over for good when the deadline passes while the resume is asked, whatever the answer", async () => {
      const group = await TappedGroup.start();
      group.fill("a1 a2");
      const { log, running, handler } = byEpoch();
      void group.consume().run(handler);
      await group.runtime.advance(10);
      const back = group.away();
      await group.runtime.advance(8_500);
      const goOn = group.tap.hold("lease.acquire");
      await back();
      group.runtime.jumpWallClock(1_000); // no timer fires: only the clock tells
      goOn();
      await group.runtime.settle();
      expect(running.get("a1/7")?.context.signal.aborted).toBe(true);
      expect(log).toEqual(["+a1/7"]);
      expect(group.broker.steps("lost").length).toBe(1);
      expect(await group.settled()).toEqual([]);
    });

    it("put a message aside again when the answer was lost with the link", async () => {
      const group = await TappedGroup.start();
      group.fill("a1 a2 b1");
      const goOn = group.tap.hold("aside.done");
      const started: string[] = [];
      void group.consume({ retry: { attempts: 1 } }).run(({ key, body }) => {
        started.push(`${key}${body.n}`);
        if (key === "a") throw new Error("bad");
      });
      await group.runtime.advance(10);
      const back = group.away();
      goOn();
      await back();
      expect(group.tap.sent("aside.put").length).toBe(2);
      expect(started).toEqual(["a1", "b1"]);
      expect(await group.aside()).toEqual([0, 1]);
      // the park comes before credit, so that nothing of the key is delivered first
      const onNewLink = group.tap.up
        .slice(group.tap.up.findIndex((frame) => frame.type === "lease.acquire" && frame.resume !== null))
        .map(({ type }) => type);
      expect(onNewLink.indexOf("aside.put")).toBeLessThan(onNewLink.indexOf("credit"));
    });
  });

  describe("with a handler that hangs", () => {
    it("abort it after its time, raise the lease after the grace, and only then try again; the abandoned one counts for nothing", async () => {
      const group = await TappedGroup.start();
      group.fill("a1 b1");
      const { log, running, handler } = byEpoch();
      void group
        .consume({
          concurrency: 2,
          handlerTimeoutMs: 1_000,
          handlerGraceMs: 500,
          retry: { initialMs: 100, jitter: 0 },
        })
        .run(handler);
      await group.runtime.advance(900);
      running.get("b1/7")?.context.heartbeat(); // starts its time anew
      await group.runtime.advance(200);
      const hung = running.get("a1/7")!;
      expect(hung.context.signal.aborted).toBe(true);
      expect(isMessagingError(hung.context.signal.reason, "HANDLER_TIMEOUT")).toBe(true);
      expect(running.get("b1/7")?.context.signal.aborted).toBe(false);
      await group.runtime.advance(350);
      expect(group.tap.sent("lease.raise")).toEqual([]);
      await group.runtime.advance(400);
      expect(group.tap.sent("lease.raise").map(({ epoch }) => epoch)).toEqual([7]);
      expect(log).toEqual(["+a1/7", "+b1/7", "+a1/8"]);
      expect(group.broker.steps("handling", "aborted", "abandoned", "granted")).toEqual([
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
      expect(await group.settled()).toEqual([1]);
      running.get("a1/8")?.resolve();
      await group.runtime.advance(10);
      expect(await group.settled()).toEqual([0, 1]);
      expect(group.broker.steps("handled")).toEqual(["handled 1/1", "handled 0/2"]);
    });

    it("only fail the attempt when it ends within the grace", async () => {
      const group = await TappedGroup.start();
      group.fill("a1");
      const { log, running, handler } = byEpoch();
      void group
        .consume({ handlerTimeoutMs: 1_000, handlerGraceMs: 500, retry: { initialMs: 100, jitter: 0 } })
        .run(handler);
      await group.runtime.advance(1_100);
      running.get("a1/7")?.resolve();
      await group.runtime.advance(200);
      expect(log).toEqual(["+a1/7", "+a1/7"]);
      expect(group.tap.sent("lease.raise")).toEqual([]);
      expect(group.broker.emitted("attempt.failed")).toMatchObject([
        { attempt: 1, error: { code: "HANDLER_TIMEOUT" } },
      ]);
    });

    it("raise on the next link when this one ended before the answer", async () => {
      const group = await TappedGroup.start();
      group.fill("a1");
      const goOn = group.tap.hold("lease.raise");
      const { log, handler } = byEpoch();
      void group
        .consume({ handlerTimeoutMs: 1_000, handlerGraceMs: 500, retry: { initialMs: 100, jitter: 0 } })
        .run(handler);
      await group.runtime.advance(1_600);
      const back = group.away();
      await group.runtime.advance(500);
      expect(log).toEqual(["+a1/7"]);
      goOn();
      await back();
      await group.runtime.advance(200);
      expect(group.tap.sent("lease.raise").length).toBe(2);
      expect(log).toEqual(["+a1/7", "+a1/8"]);
    });

    it("are lost when the raise is refused", async () => {
      const group = await TappedGroup.start();
      group.fill("a1");
      group.tap.refuse("lease.raise", "STALE_EPOCH");
      const { log, handler } = byEpoch();
      void group.consume({ handlerTimeoutMs: 1_000, handlerGraceMs: 500 }).run(handler);
      await group.runtime.advance(2_000);
      expect(group.workers).toEqual([]);
      expect(log).toEqual(["+a1/7"]);
    });
  });

  it("are not taken up where a heartbeat has no room for them; that is logged once", async () => {
    const group = await TappedGroup.start({ queues: 2 });
    group.fill(`${LOW}1 ${HIGH}1`);
    let frameBytesMax = ROOM_FOR_ONE_LEASE;
    group.tap.on("welcome", (welcome) => ({ ...welcome, frameBytesMax }));
    await group.away()();
    const { log, handler } = byEpoch();
    void group.consume().run(handler);
    await group.runtime.advance(10_000); // offered again and again
    expect(group.tap.sent("lease.acquire")).toHaveLength(1);
    expect(new Set(group.tap.received("lease.offered").map(({ queue }) => queue)).size).toBe(2);
    expect(log).toHaveLength(1);
    const texts = () => group.broker.logged.filter(({ text }) => text.includes("takes no more queues"));
    expect(texts()).toHaveLength(1);
    frameBytesMax = 1024 * 1024;
    await group.away()();
    expect([...log].sort()).toEqual([`+${LOW}1/7`, `+${HIGH}1/7`].sort());
    expect(texts()).toHaveLength(1);
  });

  it("do not let a handler start for a key that this process still has in hand under an older epoch", async () => {
    for (const concurrency of [1, 4]) {
      const group = await TappedGroup.start();
      group.fill("a1 b1");
      const { log, running, handler } = byEpoch();
      void group.consume({ concurrency }).run(handler);
      await group.runtime.advance(10);
      running.get("b1/7")?.resolve();
      group.end();
      await group.runtime.advance(3_500); // the next heartbeat gives it back, and it is offered anew
      expect(log).toEqual(concurrency === 1 ? ["+a1/7"] : ["+a1/7", "+b1/7", "+b1/8"]);
      running.get("a1/7")?.resolve(); // ignored its signal until now
      await group.runtime.advance(10);
      expect(log).toContain("+a1/8");
      expect(group.tap.sent("lease.raise")).toEqual([]);
    }
  });

  it("keep a key in hand for whoever consumes next in this client, also when its consumer has closed; another client shares nothing", async () => {
    for (const isSame of [true, false]) {
      const group = await TappedGroup.start();
      group.fill("a1");
      const { log, running, handler } = byEpoch();
      const first = group.consume({ handlerGraceMs: 60_000 });
      void first.run(handler);
      await group.runtime.advance(10);
      group.end();
      await group.runtime.run(first.close());
      const client = isSame ? group.client : await group.broker.connect();
      const second = client.consumer(group.moves, { group: "g", name: "d" });
      void second.run(handler);
      await group.runtime.advance(1_000);
      expect(log).toEqual(isSame ? ["+a1/7"] : ["+a1/7", "+a1/8"]);
      running.get("a1/7")?.resolve(); // ignored its signal until now
      await group.runtime.advance(10);
      expect(log).toEqual(["+a1/7", "+a1/8"]);
    }
  });

  it("let a lost handler that ignores its signal block its key for its grace, no longer", async () => {
    const group = await TappedGroup.start();
    group.fill("a1");
    const { log, running, handler } = byEpoch();
    void group.consume({ handlerGraceMs: 4_000 }).run(handler);
    await group.runtime.advance(10);
    group.end();
    await group.runtime.advance(3_900); // the next heartbeat gave it back, and it was offered anew
    expect(group.granted().epoch).toBe(8);
    expect(log).toEqual(["+a1/7"]);
    await group.runtime.advance(200);
    expect(log).toEqual(["+a1/7", "+a1/8"]);
    expect(group.broker.steps("abandoned")).toEqual(["abandoned 0/1"]);
    running.get("a1/8")?.resolve();
    running.get("a1/7")?.reject(new Error("at last"));
    await group.runtime.advance(10);
    expect(await group.settled()).toEqual([0]);
  });

  describe("when they are revoked", () => {
    it("finish the attempt in hand, and go back with its settle", async () => {
      const group = await TappedGroup.start();
      group.fill("a1 a2");
      const { log, running, handler } = byEpoch();
      void group.consume().run(handler);
      await group.runtime.advance(10);
      group.revoke(30_000);
      group.offerElsewhere();
      await group.runtime.advance(100);
      expect(group.workers).toEqual(["draining"]);
      expect(group.tap.sent("lease.release")).toEqual([]);
      running.get("a1/7")?.resolve();
      await group.runtime.advance(10);
      expect(group.tap.sent("lease.release").map(({ settle }) => settle.ranges)).toEqual([[[0, 1]]]);
      expect(log).toEqual(["+a1/7"]);
      expect(group.broker.steps("handled", "settled", "released")).toEqual(["handled 0/1", "settled 0", "released"]);
    });

    it("do not wait for a back-off, and hand its attempts over", async () => {
      const group = await TappedGroup.start();
      group.fill("a1");
      void group.consume({ retry: { initialMs: 20_000, jitter: 0 } }).run(() => {
        throw new Error("no");
      });
      await group.runtime.advance(10);
      group.revoke(30_000);
      group.offerElsewhere();
      await group.runtime.advance(10);
      expect(group.released).toEqual([7]);
      expect(triedReported(group)).toContainEqual([0, 1]);
    });

    it("finish the attempt, not its retries", async () => {
      const group = await TappedGroup.start();
      group.fill("a1");
      const { log, running, handler } = byEpoch();
      void group.consume().run(handler);
      await group.runtime.advance(10);
      group.revoke(30_000);
      group.offerElsewhere();
      await group.runtime.advance(10);
      running.get("a1/7")?.reject(new Error("no"));
      await group.runtime.advance(10_000);
      expect(log).toEqual(["+a1/7"]);
      expect(group.released).toEqual([7]);
      expect(triedReported(group)).toContainEqual([0, 1]);
    });

    it("abort what takes too long; what then ends badly is put back uncounted", async () => {
      const group = await TappedGroup.start();
      group.fill("a1");
      const { running, handler } = byEpoch();
      void group.consume().run(handler);
      await group.runtime.advance(10);
      group.revoke(2_000);
      group.offerElsewhere();
      await group.runtime.advance(2_100);
      const { context, reject } = running.get("a1/7")!;
      expect(context.signal.aborted).toBe(true);
      expect(group.tap.sent("lease.release")).toEqual([]);
      reject(context.signal.reason);
      await group.runtime.advance(10);
      expect(group.released).toEqual([7]);
      expect(triedReported(group)).toEqual([]);
    });

    it("count as failed what had timed out before, however it then ends (seed 258230677)", async () => {
      for (const how of ["well", "badly"]) {
        const group = await TappedGroup.start();
        group.fill("a1");
        const { running, handler } = byEpoch();
        void group.consume({ handlerTimeoutMs: 1_000, handlerGraceMs: 60_000 }).run(handler);
        await group.runtime.advance(1_100);
        group.revoke(2_000);
        group.offerElsewhere();
        await group.runtime.advance(2_100);
        const { resolve, reject } = running.get("a1/7")!;
        if (how === "well") resolve();
        else reject(new Error("no"));
        await group.runtime.advance(10);
        expect(group.released, how).toEqual([7]);
        expect(await group.settled(), how).toEqual([]);
        expect(triedReported(group), how).toContainEqual([0, 1]);
        expect(group.broker.emitted("attempt.failed")).toMatchObject([
          { attempt: 1, error: { code: "HANDLER_TIMEOUT" } },
        ]);
      }
    });

    it("send what a handler emitted that ends well after all", async () => {
      const group = await TappedGroup.start();
      group.fill("a1");
      const { running, handler } = byEpoch();
      void group.consume().run(handler);
      await group.runtime.advance(10);
      group.revoke(1_000);
      group.offerElsewhere();
      await group.runtime.advance(1_100);
      const { context, resolve } = running.get("a1/7")!;
      expect(context.signal.aborted).toBe(true);
      context.emit(board, "done", { key: "k" });
      resolve();
      await group.runtime.advance(10);
      expect(group.broker.stored(board).map(({ key }) => key)).toEqual(["k"]);
      expect(await group.settled()).toEqual([0]);
      expect(group.released).toEqual([7]);
    });

    it("heed a revoke that comes in the same packet as the grant", async () => {
      const group = await TappedGroup.start();
      group.fill("a1");
      group.tap.on("lease.granted", (granted) => {
        group.offerElsewhere();
        const { member, queue, epoch } = granted;
        return [granted, { type: "lease.revoke", member, queue, epoch, withinMs: 1_000 }];
      });
      const started: string[] = [];
      void group.consume().run(({ key }) => void started.push(key ?? ""));
      await group.runtime.advance(10);
      expect(group.released).toEqual([7]);
    });
  });
  it("are listed in heartbeats also when something goes wrong with another", async () => {
    const group = await TappedGroup.start({ queues: 2 });
    void group.consume().run(() => {});
    await group.runtime.advance(10);
    const listed = async () => {
      const { leases } = await group.runtime.run(group.tap.next("heartbeat"));
      return leases.map(({ queue }) => queue);
    };
    expect(await listed()).toEqual([0, 1]);
    vi.spyOn(ConsumerLease.prototype, "beat", "get").mockImplementationOnce(() => {
      throw new Error("not foreseen");
    });
    group.offerElsewhere();
    expect(await listed()).toEqual([1]);
    expect(group.broker.logged.map(({ text }) => text)).toContain('the worker of queue 0 of "moves" failed');
    expect(await listed()).toEqual([1]);
  });
});
