import { describe, expect, it } from "vitest";
import { HistoryScript, placed, threeSent } from "../history-script.fixture.ts";

describe("P6 no skipping", () => {
  it("finds a message handled after its predecessor had only failed", async () => {
    const script = new HistoryScript();
    const [m0, m1] = threeSent(script);
    const lease = script.consumer("consumer-1#1").granted(1, 1);
    lease.fails(m0);
    lease.does(m1, 2);
    lease.does(m0, 3, 2);
    const { violations, violationCounts } = await script.check();
    expect(violations[0]).toMatchObject({
      promise: "P6",
      text: expect.stringContaining("it had only failed (attempt 1)"),
    });
    expect(violationCounts).toMatchObject({ P6: 2, P5: 0 }); // skipped, then taken back under one epoch
  });

  it("finds a predecessor that another process handles only later, or nobody at all", async () => {
    for (const isHandledLater of [true, false]) {
      const script = new HistoryScript();
      const [m0, m1] = threeSent(script);
      script.consumer("consumer-1#1").granted(1, 1).does(m1, 2);
      const second = script.consumer("consumer-2#1").granted(2, 3);
      if (isHandledLater) second.does(m0, 4);
      expect(await script.broken()).toEqual({
        P6: expect.stringContaining(
          isHandledLater ? "it was handled only later" : "no process of the group ever handled it",
        ),
      });
    }
  });

  it("finds a message of a parked key handled before anyone redrove it", async () => {
    const script = new HistoryScript();
    const [m0, m1] = threeSent(script);
    const first = script.consumer("consumer-1#1").granted(1, 1);
    first.fails(m0);
    first.parked(m0, 2);
    first.parked(m1, 2);
    first.released(3);
    script.consumer("consumer-2#1").granted(2, 4).does(m0, 5);
    expect(await script.broken()).toEqual({ P6: expect.stringContaining("its key was parked in revision 2") });
  });

  it("finds a redrive that came only after its message had been settled", async () => {
    const script = new HistoryScript();
    const [m0] = threeSent(script);
    const lease = script.consumer("consumer-1#1").granted(1, 1);
    lease.fails(m0);
    lease.parked(m0, 2);
    lease.does(m0, 3, 2);
    script.admin("redriven", m0, 4);
    expect(await script.broken()).toEqual({ P6: expect.any(String) });
  });

  it("finds a redriven key that does not begin with its head", async () => {
    const script = new HistoryScript();
    const [m0, m1] = threeSent(script);
    const lease = script.consumer("consumer-1#1").granted(1, 1);
    lease.fails(m0);
    lease.parked(m0, 2);
    lease.parked(m1, 2);
    script.admin("redriven", m0, 3);
    script.admin("redriven", m1, 3);
    lease.does(m1, 4);
    lease.does(m0, 5, 2);
    expect(await script.broken()).toEqual({ P6: expect.stringContaining("its key waits behind it") });
  });

  it("does not count what an abandoned handler says in the end", async () => {
    const script = new HistoryScript();
    const [m0, m1] = threeSent(script);
    const consumer = script.consumer("consumer-1#1");
    const old = consumer.granted(1, 1);
    old.handling(m0);
    old.abandoned(m0);
    const raised = consumer.granted(2, 2);
    old.handled(m0);
    raised.does(m1, 3);
    expect(await script.broken()).toEqual({ P6: expect.any(String) });
  });

  it("accepts parking, then redriving in order", async () => {
    const script = new HistoryScript();
    const [m0, m1, m2] = threeSent(script);
    const shop = script.producer("kiosk#1");
    const m3 = placed("m3", "a", 3);
    const lease = script.consumer("consumer-1#1", { concurrency: 2, attempts: 2 }).granted(1, 1);
    lease.fails(m0);
    lease.fails(m0, 2);
    lease.deadLettered(m0, 2);
    lease.parked(m1, 2);
    lease.does(m2, 3);
    shop.send(m3, 0);
    script.admin("redriven", m0, 5);
    script.admin("redriven", m1, 5);
    lease.fails(m0, 3);
    lease.does(m0, 6, 4);
    lease.does(m1, 7);
    lease.does(m3, 8);
    script.state(4);
    const verdict = await script.check();
    expect(verdict.violations).toEqual([]);
    expect(verdict.checks.P6).toBeGreaterThan(5);
  });

  it("accepts the followers of a head that someone discarded, also when a later process handles them", async () => {
    const script = new HistoryScript();
    const [m0, m1, m2] = threeSent(script);
    const first = script.consumer("consumer-1#1").granted(1, 1);
    first.fails(m0);
    first.parked(m0, 2);
    first.parked(m1, 2);
    first.does(m2, 3);
    first.released(4);
    script.admin("discarded", m0, 5);
    script.consumer("consumer-2#1").granted(2, 6).does(m1, 7);
    script.state(3, { discarded: [0] });
    expect(await script.broken()).toEqual({});
  });

  it("accepts that a parked key just waits", async () => {
    const script = new HistoryScript();
    const [m0, m1, m2] = threeSent(script);
    const lease = script.consumer("consumer-1#1").granted(1, 1);
    lease.fails(m0);
    lease.parked(m0, 2);
    lease.parked(m1, 2);
    lease.does(m2, 3);
    script.state(3, { deadLettered: [0], parked: [1] });
    expect(await script.broken()).toEqual({});
  });

  it("lets successors run behind a dead letter with exhausted: dead-letter, and only then", async () => {
    for (const exhausted of ["dead-letter", "park"] as const) {
      const script = new HistoryScript();
      const [m0, m1, m2] = threeSent(script);
      const lease = script.consumer("consumer-1#1", { exhausted }).granted(1, 1);
      lease.fails(m0);
      lease.deadLettered(m0, 2);
      lease.does(m1, 3);
      lease.does(m2, 4);
      script.state(3, { deadLettered: [0] });
      expect(Object.keys(await script.broken())).toEqual(exhausted === "park" ? ["P6"] : []);
    }
  });

  it("accepts a dead letter whose consumer was killed before it could write so", async () => {
    const script = new HistoryScript();
    const [m0, m1] = threeSent(script);
    script.consumer("consumer-1#1", { exhausted: "dead-letter" }).granted(1, 1).fails(m0);
    script.fault("kill", "consumer-1#1");
    script.consumer("consumer-2#1", { exhausted: "dead-letter" }).granted(2, 3).does(m1, 4);
    expect(await script.broken()).toEqual({});
  });

  it("accepts that both are handled again by the next holder, because their settles were lost", async () => {
    const script = new HistoryScript();
    const [m0, m1, m2] = threeSent(script);
    const first = script.consumer("consumer-1#1").granted(1, 1);
    for (const message of [m0, m1]) {
      first.handling(message);
      first.handled(message);
    }
    script.fault("kill", "consumer-1#1");
    const second = script.consumer("consumer-2#1").granted(2, 2);
    second.does(m0, 3, 2);
    second.does(m1, 4, 2);
    second.does(m2, 5);
    script.state(3);
    expect(await script.broken()).toEqual({});
  });

  it("accepts that the next holder begins behind what was settled without a line about it", async () => {
    const script = new HistoryScript();
    const [m0, m1] = threeSent(script);
    const first = script.consumer("consumer-1#1").granted(1, 1);
    first.handling(m0);
    first.handled(m0);
    first.lost();
    first.settleRefused(m0);
    script.consumer("consumer-2#1").granted(2, 3).does(m1, 4);
    expect(await script.broken()).toEqual({});
  });

  it("passes over messages that a crash may have taken", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    shop.send(placed("m0", "a", 0), 0, "memory");
    script.fault("kill", "broker#1");
    shop.tailLost(0, 1);
    const m1 = placed("m1", "a", 1, { logEpoch: 2 });
    shop.send(placed("other", "b", 0, { logEpoch: 2 }), 0, "memory");
    shop.send(m1, 1, "memory");
    script.consumer("consumer-1#1").granted(1, 1).does(m1, 2);
    expect(await script.broken()).toEqual({});
  });

  it("passes over a place that a message came to only after the handling, the power having failed, but not over what followed", async () => {
    const history = (order: readonly ("m1" | "m2")[]): HistoryScript => {
      const script = new HistoryScript();
      const shop = script.producer("shop#1");
      const [m1, m2] = [placed("m1", "a", 0), placed("m2", "a", 2)]; // another key's message between them
      shop.sending(m1, 0, { durability: "synced" });
      shop.sending(m2, 1, { durability: "synced" });
      const consumer = script.consumer("consumer-1#1");
      const before = consumer.granted(1, 1);
      before.does(m1, 2);
      before.does(m2, 3);
      script.fault("powerLoss", "broker#1");
      // appended again: the second came back to the place it had, the first did not
      const late = { logEpoch: 2 };
      const again = { m1: placed("m1", "a", 1, late), m2: placed("m2", "a", 2, late) };
      const after = consumer.granted(2, 2, late);
      for (const [index, id] of order.entries()) after.does(again[id], 4 + index);
      shop.sent(again.m1, { durability: "synced", duplicate: false });
      shop.sent(again.m2, { durability: "synced", duplicate: false });
      script.state(3, { logEpoch: 2, skipped: 1 });
      return script;
    };
    expect(await history(["m1", "m2"]).broken()).toEqual({});
    expect((await history(["m2", "m1"]).broken()).P6).toContain("m2");
  });

  it("passes over a place that was given to another message before the handling", async () => {
    const script = new HistoryScript();
    const [shop, kiosk] = [script.producer("shop#1"), script.producer("kiosk#1")];
    shop.send(placed("m0", "a", 1), 0, "memory");
    const m1 = placed("m1", "a", 2);
    kiosk.send(m1, 0, "memory");
    script.fault("kill", "broker#1");
    // sent again, in another order: the one came back to where it stood, the other did not
    const late = { logEpoch: 2 };
    shop.sent(placed("m0", "a", 0, late), { durability: "memory" });
    kiosk.send(placed("other", "b", 1, late), 1, "memory");
    kiosk.sent(placed("m1", "a", 2, late), { durability: "memory" });
    const first = script.consumer("consumer-1#1").granted(1, 1);
    first.does(placed("m0", "a", 0, late), 2);
    first.does(placed("m1", "a", 2, late), 3);
    expect(await script.broken()).toEqual({});
  });

  it("accepts that a group began behind them, or was sent past them", async () => {
    const late = new HistoryScript();
    const [, m1] = threeSent(late);
    late.consumer("consumer-1#1", { startAt: "latest" }).granted(1, 1).does(m1, 2);
    expect(await late.broken()).toEqual({});

    const sought = new HistoryScript();
    const [, next] = threeSent(sought);
    sought.sought(0, 1, 1);
    sought.consumer("consumer-1#1").granted(1, 2).does(next, 3);
    expect(await sought.broken()).toEqual({});
  });
});
