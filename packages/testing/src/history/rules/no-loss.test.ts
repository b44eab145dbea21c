import { describe, expect, it } from "vitest";
import { HistoryScript, placed, threeSent } from "../history-script.fixture.ts";

describe("P3 no loss", () => {
  it("finds an acknowledged message past the end of its queue", async () => {
    const script = new HistoryScript();
    const [m0, m1] = threeSent(script);
    const lease = script.consumer("consumer-1#1").granted(1, 1);
    lease.does(m0, 2);
    lease.does(m1, 3);
    script.state(2);
    expect(await script.broken()).toEqual({
      P3: expect.stringMatching(/"m2" .* was acknowledged as flushed to shop#1 and is lost/),
    });
  });

  it("finds an offset that counts as settled and was handled by nobody", async () => {
    const script = new HistoryScript();
    const [m0, m1] = threeSent(script);
    const lease = script.consumer("consumer-1#1").granted(1, 1);
    lease.does(m0, 2);
    lease.does(m1, 3);
    script.state(3);
    expect(await script.broken()).toEqual({
      P3: expect.stringMatching(/^offset 2, message "m2" .* counts as settled/),
    });
  });

  it("finds a settled message that the last state has as backlog", async () => {
    const script = new HistoryScript();
    const [m0, m1, m2] = threeSent(script);
    const lease = script.consumer("consumer-1#1").granted(1, 1);
    lease.does(m0, 2);
    lease.does(m1, 3);
    lease.does(m2, 4);
    script.state(3, { cursor: 2 });
    const broken = await script.broken();
    expect(broken.P3).toContain(
      '"m2" (key "b", orders/0 offset 2) was settled by consumer-1#1 for group billing (revision 4)',
    );
  });

  it("finds an acknowledged message whose place a restarted broker gave to another", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    shop.send(placed("m0", "a", 0), 0);
    script.fault("kill", "broker#1");
    const kiosk = script.producer("kiosk#1");
    kiosk.send(placed("n0", "b", 0, { logEpoch: 2 }), 0);
    script
      .consumer("consumer-1#1")
      .granted(1, 1)
      .does(placed("n0", "b", 0, { logEpoch: 2 }), 2);
    script.state(1, { logEpoch: 2 });
    expect(await script.broken()).toEqual({ P3: expect.stringContaining("its place was given to another message") });
  });

  it("finds a lost memory message that its producer, still sending there, did not name", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    const [m0, m1] = [placed("m0", "a", 0), placed("m1", "a", 1)];
    shop.send(m0, 0, "memory");
    shop.send(m1, 1, "memory");
    script.fault("kill", "broker#1");
    const m2 = placed("m2", "a", 0, { logEpoch: 2 });
    shop.send(m2, 2, "memory");
    script.consumer("consumer-1#1").granted(1, 1).does(m2, 2);
    script.state(1, { logEpoch: 2 });
    expect((await script.check()).violationCounts.P3).toBe(2);
  });

  it("accepts what tailLost names after a crash of a broker with memory durability", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    shop.send(placed("m0", "a", 0), 0, "memory");
    shop.send(placed("m1", "a", 1), 1, "memory");
    script.fault("kill", "broker#1");
    shop.tailLost(0, 2);
    const m2 = placed("m2", "a", 0, { logEpoch: 2 });
    shop.send(m2, 2, "memory");
    script.consumer("consumer-1#1").granted(1, 1).does(m2, 2);
    script.state(1, { logEpoch: 2 });
    const verdict = await script.check();
    expect(verdict.violations).toEqual([]);
    expect(verdict.checks.P3).toBeGreaterThan(0);
  });

  it("counts a message that was sent again from where it stood last: what was named before does not excuse it", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    shop.send(placed("m0", "a", 0), 0, "memory");
    shop.send(placed("m1", "a", 1), 1, "memory");
    script.fault("powerLoss", "broker#1");
    shop.tailLost(0, 1);
    const again = placed("m1", "a", 0, { logEpoch: 2 });
    shop.sent(again, { durability: "memory" });
    const billing = script.consumer("consumer-1#1");
    billing.granted(1, 1).does(again, 2);
    script.state(1, { logEpoch: 2 });
    expect(await script.broken()).toEqual({});
    script.fault("powerLoss", "broker#2");
    const m2 = placed("m2", "a", 0, { logEpoch: 3 });
    shop.send(m2, 2, "memory");
    billing.granted(2, 3).does(m2, 4);
    script.state(1, { logEpoch: 3 });
    expect(await script.broken()).toEqual({ P3: expect.stringContaining('"m1"') });
  });

  it("does not take what stands behind a place that went to one message, to another, and to the first again for lost", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    const kiosk = script.producer("kiosk#1");
    const m0 = placed("m0", "a", 0);
    shop.send(m0, 0);
    script.fault("powerLoss", "broker#1");
    kiosk.send(placed("n0", "b", 0, { logEpoch: 2 }), 0, "memory");
    script.fault("powerLoss", "broker#2");
    kiosk.tailLost(0, 1);
    const [again, m1] = [placed("m0", "a", 0, { logEpoch: 3 }), placed("m1", "a", 1, { logEpoch: 3 })];
    shop.sent(again);
    shop.send(m1, 1);
    const lease = script.consumer("consumer-1#1").granted(1, 1);
    lease.does(again, 2);
    lease.does(m1, 3);
    script.fault("kill", "broker#3");
    script.state(2, { logEpoch: 4 });
    expect(await script.broken()).toEqual({});
  });

  it("asks a producer that was fenced before it met the new log for no more than it held, where the power failed", async () => {
    const fenced = async (fault: string, meetsNewLog: boolean): Promise<unknown> => {
      const script = new HistoryScript();
      const shop = script.producer("shop#1");
      for (const offset of [0, 1]) shop.send(placed(`m${offset}`, "a", offset), offset, "memory");
      script.fault(fault, "broker#1");
      const m2 = placed("m2", "b", 0, { logEpoch: 2 });
      if (meetsNewLog) shop.send(m2, 0, "memory");
      shop.tailLost(1, 2);
      shop.refused(placed("m3", "a", 0), { code: "PRODUCER_FENCED", outcome: "notAppended" });
      script.state(0, { logEpoch: 2 });
      return (await script.broken()).P3;
    };
    expect(await fenced("powerLoss", false)).toBeUndefined();
    expect(await fenced("powerLoss", true)).toContain("is lost");
    expect(await fenced("kill", false)).toContain("is lost");
  });

  it("goes by sequence numbers where the lines have them", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    for (const offset of [0, 1]) {
      const message = placed(`m${offset}`, "a", offset);
      shop.sending(message, offset, { durability: "memory" });
      shop.sent(message, { durability: "memory", sequence: offset });
    }
    script.fault("kill", "broker#1");
    shop.tailLost(1, 2);
    script.state(0, { logEpoch: 2 });
    expect(await script.broken()).toEqual({ P3: expect.stringContaining('"m0"') });
  });

  it("accepts that a producer which wrote nothing more names nothing", async () => {
    const script = new HistoryScript();
    script.producer("shop#1").send(placed("m0", "a", 0), 0, "memory");
    script.end("shop#1");
    script.fault("kill", "broker#1");
    script.state(0, { logEpoch: 2 });
    expect(await script.broken()).toEqual({});
  });

  it("lets only a power loss take what was flushed, and nothing take what was synced", async () => {
    for (const [durability, clean] of [
      ["flushed", true],
      ["synced", false],
    ] as const) {
      const script = new HistoryScript();
      script.producer("shop#1").send(placed("m0", "a", 0), 0, durability);
      script.fault("powerLoss", "broker#1");
      script.state(0, { logEpoch: 2 });
      expect((await script.check()).clean, durability).toBe(clean);
    }
  });

  it("does not miss a settled line: its consumer was killed before it could write one", async () => {
    const script = new HistoryScript();
    const [m0, m1, m2] = threeSent(script);
    const first = script.consumer("consumer-1#1").granted(1, 1);
    first.does(m0, 2);
    first.handling(m1);
    first.handled(m1);
    script.fault("kill", "consumer-1#1");
    script.consumer("consumer-1#2").granted(2, 4).does(m2, 5);
    script.state(3);
    expect(await script.broken()).toEqual({});
  });

  it("accepts settled messages elsewhere after a seek", async () => {
    const script = new HistoryScript();
    const [m0, m1, m2] = threeSent(script);
    const first = script.consumer("consumer-1#1").granted(1, 1);
    first.does(m0, 2);
    first.does(m1, 3);
    first.does(m2, 4);
    script.sought(3, 0, 5);
    first.lost();
    const second = script.consumer("consumer-2#1").granted(3, 6);
    second.fails(m0);
    second.parked(m0, 7);
    second.parked(m1, 7);
    second.does(m2, 8);
    script.state(3, { deadLettered: [0], parked: [1] });
    expect(await script.broken()).toEqual({});
  });

  it("accepts offsets that were filtered or skipped, named or only counted", async () => {
    for (const fields of [
      { filtered: 1, skipped: 1 },
      { filtered: [0], skipped: [[1, 2]] },
    ] as const) {
      const script = new HistoryScript();
      const m2 = threeSent(script)[2];
      script.consumer("consumer-1#1").granted(1, 1).does(m2, 2);
      script.state(3, fields);
      expect(await script.broken()).toEqual({});
    }
  });

  it("accepts what retention removed after it was handled, and finds what it removed before", async () => {
    const script = new HistoryScript();
    const [m0, m1, m2] = threeSent(script);
    const lease = script.consumer("consumer-1#1").granted(1, 1);
    lease.does(m0, 2);
    lease.does(m1, 3);
    script.state(3, { start: 2, expired: [2] });
    expect(await script.broken()).toEqual({});
    script.state(3, { start: 3 });
    expect((await script.broken()).P3).toContain(`"${m2.id}"`);
  });

  it("says nothing of groups without a state", async () => {
    const script = new HistoryScript();
    threeSent(script);
    expect((await script.check()).checks.P3).toBe(0);
  });
});
