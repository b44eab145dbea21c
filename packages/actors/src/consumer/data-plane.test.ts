import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { epoch } from "../message/brands.ts";
import { DoNotRetry, MessagingError, RetryLater } from "../message/errors.ts";
import { EventBus } from "../runtime/event-bus.ts";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { Credit } from "./credit.ts";
import { DeliveryBuffer } from "./delivery-buffer.ts";
import type { Entry } from "./entry.ts";
import { HistoryRecorder } from "./history-recorder.ts";
import { QueueInHand } from "./in-hand.ts";
import { instant, LeaseClock } from "./lease-clock.ts";
import { OffsetRanges } from "./offset-ranges.ts";
import { failureInfo, RetrySchedule } from "./retry-schedule.ts";
import { SettleLog } from "./settle-log.ts";

const entry = (offset: number, key: string | null = "k", bytes = 10): Entry => ({
  offset,
  key,
  bytes: new Uint8Array(bytes),
  at: 0,
  length: bytes,
  appendedAtMs: 0,
  redriven: null,
  attempts: 0,
  losses: 0,
  next: null,
  line: null,
});

describe("offset ranges", () => {
  it("hold exactly what was added, in order, neither touching nor overlapping", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(60)), (offsets) => {
        const ranges = new OffsetRanges();
        for (const offset of offsets) ranges.add(offset);
        const joined = ranges.joined();
        const told = joined.flatMap(([from, to]) => Array.from({ length: to - from }, (_, index) => from + index));
        expect(told).toEqual([...new Set(offsets)].sort((a, b) => a - b));
        for (const [index, [from]] of joined.entries())
          if (index > 0) expect(from).toBeGreaterThan(joined[index - 1]![1]);
      }),
    );
  });
});

describe("a settle log", () => {
  const at = epoch(7);
  const place = { topic: "t", queue: 0, group: "g" };
  const events = new EventBus(simulatedRuntime({ seed: 1 }), () => {});
  const emptyLog = () => new SettleLog(new HistoryRecorder({ events, history: null }, place, "c"));
  const step = fc.oneof(
    fc.record({ do: fc.constant("handled" as const), offset: fc.nat(30) }),
    fc.record({ do: fc.constant("failed" as const), offset: fc.nat(30) }),
    fc.record({ do: fc.constant("seal" as const) }),
    fc.record({ do: fc.constant("answer" as const) }),
  );
  it("tells each handled message to be settled until it is confirmed, and nothing else", () => {
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const log = emptyLog();
        const handled = new Set<number>();
        const confirmed = new Set<number>();
        const onTheWay: number[] = [];
        for (const next of steps) {
          if (next.do === "handled" && !handled.has(next.offset)) {
            handled.add(next.offset);
            log.handled(entry(next.offset), (outcome) => void (outcome === "acked" && confirmed.add(next.offset)));
          } else if (next.do === "failed" && !handled.has(next.offset))
            log.failed({ ...entry(next.offset), attempts: 1 });
          else if (next.do === "seal") {
            const { number, settlement } = log.seal(at);
            onTheWay.push(number ?? -1);
            for (const [offset] of settlement.tried)
              expect(settlement.ranges.some(([from, to]) => offset >= from && offset < to)).toBe(false);
          } else if (next.do === "answer" && onTheWay.length > 0)
            expect(log.settled(at, onTheWay.shift()!, 1)).toBe(true);
        }
        const { ranges, tried } = log.unconfirmed(at);
        const told = ranges.flatMap(([from, to]) => Array.from({ length: to - from }, (_, index) => from + index));
        expect(told).toEqual([...handled].filter((offset) => !confirmed.has(offset)).sort((a, b) => a - b));
        for (const [offset] of tried) expect(told).not.toContain(offset);
        log.settledAll(2);
        expect(log.empty).toBe(true);
        expect(confirmed).toEqual(handled);
      }),
    );
  });
  it("numbers settles anew under each grant, and knows them by epoch", () => {
    const log = emptyLog();
    const confirmed: number[] = [];
    log.handled(entry(0), () => confirmed.push(0));
    expect(log.seal(at).number).toBe(0);
    log.restart();
    log.handled(entry(1), () => confirmed.push(1));
    expect(log.seal(epoch(8)).number).toBe(0);
    expect([log.settled(epoch(8), 0, 1), log.settled(epoch(8), 0, 1), log.settled(at, 0, 1)]).toEqual([
      true,
      false,
      true,
    ]);
    expect(confirmed).toEqual([1, 0]);
  });
  it("tells who waits that what was refused, or is dropped, is lost", () => {
    const log = emptyLog();
    const lost: unknown[] = [];
    for (const offset of [0, 1, 2]) {
      log.handled(entry(offset), (outcome, error) => lost.push([outcome, offset, error]));
      if (offset < 2) log.seal(at);
    }
    const stale = new MessagingError("STALE_EPOCH", "x");
    expect([log.refused(at, 0, stale), log.refused(at, 0, stale)]).toEqual([true, false]);
    log.drop("over");
    expect(lost).toEqual([
      ["lost", 0, stale],
      ["lost", 1, "over"],
      ["lost", 2, "over"],
    ]);
    expect(log.empty).toBe(true);
  });
});

describe("credit", () => {
  it("never lets more be in hand than the window, never starves the broker, and only grows", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.record({ leaves: fc.boolean(), bytes: fc.integer({ min: 1, max: 30 }) })),
        (window, steps) => {
          const bytesMax = 100;
          const credit = new Credit(window, bytesMax);
          credit.restart(0, 0);
          const inHand: number[] = [];
          let told = { messages: 0, bytes: 0 };
          let sent = { messages: 0, bytes: 0 };
          const take = () => {
            const next = credit.take();
            if (next === null) return;
            expect(next.messages).toBeGreaterThanOrEqual(told.messages);
            expect(next.bytes).toBeGreaterThanOrEqual(told.bytes);
            told = next;
          };
          take();
          for (const { leaves, bytes } of steps) {
            if (leaves) {
              const left = inHand.shift();
              if (left !== undefined) credit.left(left);
            } else if (sent.messages < told.messages && (sent.bytes + bytes <= told.bytes || inHand.length === 0)) {
              sent = { messages: sent.messages + 1, bytes: sent.bytes + bytes };
              inHand.push(bytes);
            }
            take();
            expect(inHand.length).toBeLessThanOrEqual(window);
            if (inHand.length === 0) expect(told.messages).toBeGreaterThan(sent.messages);
          }
        },
      ),
    );
  });
  it("counts from 0 with each grant: what is still in hand takes its share", () => {
    const credit = new Credit(10, 100);
    credit.restart(4, 40);
    expect(credit.take()).toEqual({ messages: 6, bytes: 60 });
    for (let at = 0; at < 4; at++) credit.left(10);
    expect(credit.take()).toBeNull();
    credit.left(10);
    expect(credit.take()).toEqual({ messages: 11, bytes: 110 });
  });
  it("gives nothing while one huge message fills more than the window", () => {
    const credit = new Credit(10, 100);
    credit.restart(1, 500);
    expect(credit.take()).toEqual({ messages: 9, bytes: 0 });
    credit.left(500);
    expect(credit.take()).toEqual({ messages: 10, bytes: 100 });
  });
});

describe("a delivery buffer", () => {
  it("hands out each key's messages in order, the next only when the last has left, and loses none", () => {
    const arrival = fc.record({ key: fc.constantFrom("a", "b", "c", null), take: fc.nat(3), leave: fc.nat(3) });
    fc.assert(
      fc.property(
        fc.constantFrom("queue" as const, "key" as const, "none" as const),
        fc.array(arrival),
        (order, arrivals) => {
          const buffer = new DeliveryBuffer(order);
          const running: Entry[] = [];
          const done: Entry[] = [];
          const take = () => {
            const head = buffer.take()?.head;
            if (head == null) return false;
            if (order === "queue") expect(running).toEqual([]);
            if (order === "key" && head.key !== null) expect(running.map(({ key }) => key)).not.toContain(head.key);
            running.push(head);
            return true;
          };
          const leave = () => {
            const entry = running.shift();
            if (entry === undefined) return;
            buffer.leave(entry);
            done.push(entry);
          };
          for (const [offset, { key, take: takes, leave: leaves }] of arrivals.entries()) {
            buffer.add(entry(offset, key));
            for (let at = 0; at < takes; at++) take();
            expect(buffer.held().ranges.reduce((sum, [from, to]) => sum + to - from, 0)).toBe(buffer.messages);
            for (let at = 0; at < leaves; at++) leave();
          }
          while (take() || running.length > 0) leave();
          expect(done.length).toBe(arrivals.length);
          expect([buffer.messages, buffer.bytes, buffer.ready]).toEqual([0, 0, false]);
          for (const key of order === "key" ? ["a", "b", "c"] : []) {
            const offsets = done.filter((each) => each.key === key).map(({ offset }) => offset);
            expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
          }
          if (order === "queue") expect(done.map(({ offset }) => offset)).toEqual(arrivals.map((_, offset) => offset));
        },
      ),
    );
  });
  it("drops what stands behind a head with its key, and nothing else", () => {
    const buffer = new DeliveryBuffer("queue");
    for (const [offset, key] of ["a", "b", "a", "c", "a"].entries()) buffer.add(entry(offset, key));
    const head = buffer.take()!.head!;
    expect(buffer.dropBehind(head).map(({ offset }) => offset)).toEqual([2, 4]);
    buffer.add(entry(5, "d"));
    expect(buffer.held().ranges).toEqual([
      [0, 2],
      [3, 4],
      [5, 6],
    ]);
    expect(buffer.messages).toBe(4);
  });
  it("lets a head run again when its time has come, and not before", () => {
    const buffer = new DeliveryBuffer("key");
    for (const [offset, key] of ["a", "a", "b"].entries()) buffer.add(entry(offset, key));
    buffer.backOff(buffer.take()!, 100);
    expect(buffer.take()?.head?.offset).toBe(2);
    expect(buffer.due(99)).toBe(100);
    expect(buffer.take()).toBeNull();
    expect(buffer.due(100)).toBe(Number.POSITIVE_INFINITY);
    expect(buffer.take()?.head?.offset).toBe(0);
  });
});

describe("the table of what is in hand", () => {
  it("gives a key to one handler at a time, and tells who waits", () => {
    const table = new QueueInHand();
    let told = 0;
    expect([
      table.take("a", false),
      table.take("a", false),
      table.take("b", false),
      table.take(null, false),
      table.take(null, false),
    ]).toEqual([true, false, true, true, true]);
    expect(table.take("c", true)).toBe(false);
    table.whenFree(() => told++);
    table.free("a");
    table.free("b");
    expect(told).toBe(1);
    expect(table.take("a", false)).toBe(true);
  });
});

describe("a lease's clock", () => {
  it.each(["monotonic", "wall"])(
    "ends at nine tenths of the TTL on the %s clock when that shows more, for good",
    async (which) => {
      const runtime = simulatedRuntime({ seed: 1 });
      const clock = new LeaseClock(runtime);
      expect(clock.over).toBe(true);
      clock.grant(instant(runtime), 10_000);
      const pass = async (ms: number) => {
        if (which === "monotonic") {
          await runtime.advance(ms);
          runtime.jumpWallClock(-ms);
        } else runtime.jumpWallClock(ms);
      };
      await pass(8_999);
      expect(clock.over).toBe(false);
      await pass(1);
      expect(clock.over).toBe(true);
      clock.renew(instant(runtime), 10_000);
      expect(clock.over).toBe(true);
    },
  );
  it("counts a step back of the wall clock as nothing, and never ends where there is no lease", async () => {
    const runtime = simulatedRuntime({ seed: 1 });
    const clock = new LeaseClock(runtime);
    clock.grant(instant(runtime), 10_000);
    runtime.jumpWallClock(-3_600_000);
    await runtime.advance(8_000);
    expect([clock.over, clock.remainingMs, clock.late]).toEqual([false, 1_000, true]);
    clock.grant(instant(runtime), Number.POSITIVE_INFINITY);
    await runtime.advance(1e9);
    expect([clock.over, clock.late]).toEqual([false, false]);
  });
});

describe("a retry schedule", () => {
  const settings = { attempts: 5, initialMs: 100, factor: 3, maxMs: 1_000, jitter: 0.5 };
  it("grows by its factor up to its longest wait, less a random share", () => {
    const none = new RetrySchedule(settings, () => 0);
    expect([1, 2, 3, 4, 5].map((attempts) => none.waitMs(attempts, new Error("x")))).toEqual([
      100,
      300,
      900,
      1_000,
      null,
    ]);
    expect(new RetrySchedule(settings, () => 0.999999).waitMs(1, new Error("x"))).toBeCloseTo(50, 1);
    expect(new RetrySchedule({ ...settings, attempts: Number.POSITIVE_INFINITY }, () => 0).waitMs(5_000, null)).toBe(
      1_000,
    );
  });
  it("heeds what an error says of itself", () => {
    const schedule = new RetrySchedule(settings, () => 0);
    expect(schedule.waitMs(1, new RetryLater("x", { afterMs: 7_000 }))).toBe(7_000);
    expect(schedule.waitMs(1, new RetryLater("x", { afterMs: 1 }))).toBe(100);
    expect(schedule.waitMs(1, new DoNotRetry("x"))).toBeNull();
    expect(schedule.waitMs(1, { retryable: false })).toBeNull();
    expect(schedule.waitMs(1, new MessagingError("KEY_INVALID", "x"))).toBeNull();
    expect(schedule.waitMs(1, new MessagingError("CLOSED", "the client is going"))).toBe(100);
    expect(schedule.waitMs(1, undefined)).toBe(100);
  });
  it("reads anything that was thrown", () => {
    const hostile = {
      get message(): string {
        throw new Error("no");
      },
      toString() {
        throw new Error("no");
      },
    };
    const thrown = [
      new TypeError("bad"),
      "text",
      null,
      Symbol("s"),
      Object.create(null),
      hostile,
      new MessagingError("QUEUE_FULL", "full"),
    ];
    expect(thrown.map((each) => failureInfo(each))).toEqual([
      { name: "TypeError", message: "bad", code: null },
      { name: "Error", message: "text", code: null },
      { name: "Error", message: "null", code: null },
      { name: "Error", message: "Symbol(s)", code: null },
      { name: "Error", message: "something that has no text", code: null },
      { name: "Error", message: "something that has no text", code: null },
      { name: "MessagingError", message: "full", code: "QUEUE_FULL" },
    ]);
  });
});
