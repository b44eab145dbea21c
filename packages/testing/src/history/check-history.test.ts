import { describe, expect, it } from "vitest";
import { checkHistory } from "./check-history.ts";
import { HistoryScript, type Placed, placed, threeSent } from "./history-script.fixture.ts";
import { PROMISES } from "./verdict.ts";

/** One producer, two consumers with a handover and a retry, a workflow step, and the store's own account at the end. */
function cleanRun(): HistoryScript {
  const script = new HistoryScript();
  const [m0, m1, m2] = threeSent(script);
  const first = script.consumer("consumer-1#1", { concurrency: 1, exhausted: "park", attempts: 3 }).granted(7, 1);
  first.fails(m0);
  first.does(m0, 2, 2);
  const step = { topic: "orders", group: "billing", queue: 0, key: "a", offset: 0, id: "m0", epoch: 7 };
  script.write("consumer-1#1", "transition", { ...step, version: 1, from: null, to: "open" });
  first.released(3);
  const second = script.consumer("consumer-2#1", { concurrency: 1, exhausted: "park", attempts: 3 }).granted(8, 4);
  second.does(m1, 5);
  second.does(m2, 6);
  second.released(7);
  const kiosk = script.producer("kiosk#1");
  kiosk.sending(placed("big", "a", 0), 0);
  kiosk.refused(placed("big", "a", 0), { code: "MESSAGE_TOO_LARGE", outcome: "notAppended" });
  script.end("shop#1", "kiosk#1", "consumer-1#1", "consumer-2#1");
  script.state(3, { settled: 3, backlog: 0, snapshots: { a: { version: 1, state: "open" } } });
  return script;
}

describe("checkHistory", () => {
  it("finds nothing in a clean history, and says how much it checked", async () => {
    const verdict = await cleanRun().check();
    expect(verdict.violations).toEqual([]);
    expect(verdict.clean).toBe(true);
    for (const promise of PROMISES) expect(verdict.checks[promise], promise).toBeGreaterThan(0);
    for (const promise of PROMISES) expect(verdict.violationCounts[promise], promise).toBe(0);
  });

  it("shows by 0 checks what a history says nothing about", async () => {
    const verdict = await checkHistory([]);
    expect(verdict.clean).toBe(true);
    expect(Object.values(verdict.checks)).toEqual(PROMISES.map(() => 0));
  });

  it("does not mind how the lines of different processes mix", async () => {
    const { events } = cleanRun();
    const verdict = await checkHistory(
      events.toSorted((a, b) => (a.process < b.process ? 1 : a.process > b.process ? -1 : 0)),
    );
    expect(verdict.violations).toEqual([]);
    expect(verdict.checks).toEqual((await checkHistory(events)).checks);
  });

  it("takes a prefix of any process as what a killed one leaves", async () => {
    const { events } = cleanRun();
    const own = events.filter((event) => event.process === "consumer-2#1");
    const others = events.filter((event) => event.process !== "consumer-2#1" && event.type !== "state");
    for (let length = 0; length <= own.length; length++) {
      const verdict = await checkHistory([...others, ...own.slice(0, length)]);
      expect(verdict.violations, `${length} lines`).toEqual([]);
    }
  });

  it("rejects a history with a line missing", async () => {
    const { events } = cleanRun();
    await expect(checkHistory(events.filter((event) => event.type !== "failed"))).rejects.toMatchObject({
      code: "HISTORY_LINE_MISSING",
      message: "history of consumer-1#1: expected line n = 3, found n = 4 (handling)",
    });
  });

  it("gives each violation a sentence and the lines that prove it", async () => {
    const script = new HistoryScript();
    const [m0, m1] = threeSent(script);
    const lease = script.consumer("consumer-1#1").granted(1, 1);
    lease.fails(m0);
    lease.does(m1, 2);
    const { violations } = await script.check();
    expect(violations).toHaveLength(1);
    expect(violations[0]?.text).toBe(
      'consumer-1#1 handled message "m1" (key "a", orders/0 offset 1) for group billing before message "m0" (key "a", orders/0 offset 0) was handled or set aside: it had only failed (attempt 1)',
    );
    expect(violations[0]?.events.map(({ type }) => type)).toEqual(["handling", "failed", "handling"]);
  });

  it("keeps 100 violations of each promise and counts them all", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    for (let index = 0; index < 150; index++) shop.refused(placed(`m${index}`, "a", index), {});
    const verdict = await script.check();
    expect(verdict.violationCounts.P11).toBe(300);
    expect(verdict.violations).toHaveLength(100);
    expect(verdict.clean).toBe(false);
  });

  it("checks 300,000 events", async () => {
    const script = new HistoryScript();
    const messages = writeLongRun(script, 60_000);
    expect(script.events.length).toBeGreaterThan(300_000);
    const verdict = await script.check();
    expect(verdict.violations).toEqual([]);
    expect(verdict.checks.P3).toBeGreaterThan(messages.length);
    expect(verdict.checks.P6).toBeGreaterThan(messages.length - 1);
  });
});

/** Eight queues, a thousand keys, four consumers that hand each queue over every 500 messages. */
function writeLongRun(script: HistoryScript, count: number): Placed[] {
  const shop = script.producer("shop#1");
  const consumers = [1, 2, 3, 4].map((number) => script.consumer(`consumer-${number}#1`, { concurrency: 4 }));
  const queues = Array.from({ length: 8 }, (_, queue) => ({ queue, end: 0, revision: 0, epoch: 0 }));
  const ordinals = new Map<string, number>();
  const messages: Placed[] = [];
  let leases = queues.map((queue, index) =>
    consumers[index % 4]!.granted(++queue.epoch, ++queue.revision, { queue: queue.queue }),
  );
  for (let index = 0; index < count; index++) {
    const key = `k${(index * 7919) % 1000}`;
    const queue = queues[((index * 7919) % 1000) % 8]!;
    const ordinal = ordinals.get(key) ?? 0;
    ordinals.set(key, ordinal + 1);
    const message = placed(`m${index}`, key, queue.end++, { queue: queue.queue });
    messages.push(message);
    shop.send(message, ordinal);
    leases[queue.queue]!.does(message, ++queue.revision);
    if (index % 4_000 !== 3_999) continue;
    leases = queues.map((each) => {
      leases[each.queue]!.released(++each.revision);
      return consumers[(each.queue + index) % 4]!.granted(++each.epoch, ++each.revision, { queue: each.queue });
    });
  }
  for (const { queue, end } of queues) script.state(end, { queue });
  return messages;
}
