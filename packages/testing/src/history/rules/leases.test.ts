import { describe, expect, it } from "vitest";
import { HistoryScript, placed, threeSent } from "../history-script.fixture.ts";

describe("P4 exclusive", () => {
  it("finds one epoch granted to two processes", async () => {
    const script = new HistoryScript();
    script.consumer("consumer-1#1").granted(5, 1);
    script.consumer("consumer-2#1").granted(5, 2);
    expect((await script.broken()).P4).toBe(
      "epoch 5 of orders/0 for group billing was granted to two processes, consumer-1#1 and consumer-2#1",
    );
  });

  it("finds one revision that is two changes", async () => {
    const script = new HistoryScript();
    const [m0] = threeSent(script);
    script.consumer("consumer-1#1").granted(5, 1).does(m0, 2);
    script.consumer("consumer-2#1").granted(6, 2);
    expect((await script.broken()).P4).toContain("revision 2 of orders/0 for group billing is two changes");
  });

  it("finds a handler that starts under an epoch its process was not granted", async () => {
    const script = new HistoryScript();
    const [m0] = threeSent(script);
    script.consumer("consumer-1#1").granted(5, 1);
    const intruder = script
      .consumer("consumer-2#1")
      .lease({ topic: "orders", queue: 0, group: "billing", consumer: "consumer-2", epoch: 5 });
    intruder.handling(m0);
    expect(await script.broken()).toEqual({ P4: expect.stringContaining("which was granted to consumer-1#1") });
  });

  it("finds a handler that starts after its process gave the lease back or found it lost", async () => {
    for (const end of ["released", "lost"] as const) {
      const script = new HistoryScript();
      const [m0] = threeSent(script);
      const lease = script.consumer("consumer-1#1").granted(5, 1);
      if (end === "released") lease.released(2);
      else lease.lost();
      lease.handling(m0);
      expect((await script.broken()).P4).toContain(
        end === "released" ? "which it had released" : "which it had found lost",
      );
    }
  });

  it("finds a settling confirmed under an epoch nobody was granted", async () => {
    const script = new HistoryScript();
    const [m0] = threeSent(script);
    const lease = script.consumer("consumer-1#1").granted(5, 1);
    lease.handling(m0);
    lease.handled(m0);
    const other = script
      .consumer("consumer-2#1")
      .lease({ topic: "orders", queue: 0, group: "billing", consumer: "consumer-2", epoch: 9 });
    other.settled(m0, 2);
    expect(await script.broken()).toEqual({ P4: expect.stringContaining("granted to nobody") });
  });

  it("accepts a handover: release, then the next epoch at another process", async () => {
    const script = new HistoryScript();
    const [m0, m1, m2] = threeSent(script);
    const first = script.consumer("consumer-1#1").granted(5, 1);
    first.does(m0, 2);
    first.released(3);
    const second = script.consumer("consumer-2#1").granted(6, 4);
    second.does(m1, 5);
    second.does(m2, 6);
    second.released(7);
    script.state(3);
    script.end("consumer-1#1", "consumer-2#1");
    const verdict = await script.check();
    expect(verdict.violations).toEqual([]);
    expect(verdict.checks.P4).toBeGreaterThan(0);
    expect(verdict.checks.P7).toBeGreaterThan(0);
  });

  it("accepts several lines of one commit: a range of settles that a release carries", async () => {
    const script = new HistoryScript();
    const [m0, m1] = threeSent(script);
    const lease = script.consumer("consumer-1#1").granted(5, 1);
    for (const message of [m0, m1]) {
      lease.handling(message);
      lease.handled(message);
    }
    lease.settled(m0, 2);
    lease.settled(m1, 2);
    lease.released(2);
    expect(await script.broken()).toEqual({});
  });

  it("accepts a lease resumed under its epoch after a reconnect", async () => {
    const script = new HistoryScript();
    const [m0, m1, m2] = threeSent(script);
    const consumer = script.consumer("consumer-1#1");
    consumer.granted(5, 1).does(m0, 2);
    const resumed = consumer.granted(5, 4);
    resumed.does(m1, 5);
    resumed.does(m2, 6);
    script.consumer("consumer-2#1").granted(6, 7);
    expect(await script.broken()).toEqual({});
  });

  it("does not ask unordered topics for leases", async () => {
    const script = new HistoryScript();
    const [m0, m1] = [placed("m0", null, 0), placed("m1", null, 1)];
    const first = script.consumer("consumer-1#1").granted(0, 1);
    const second = script.consumer("consumer-2#1").granted(0, 1);
    first.handling(m0);
    second.does(m1, 2);
    second.does(m0, 3);
    expect(await script.broken()).toEqual({});
  });
});

describe("P7 fenced", () => {
  it("finds a settle of a past holder that was accepted", async () => {
    const script = new HistoryScript();
    const [m0, , m2] = threeSent(script);
    const zombie = script.consumer("consumer-1#1").granted(5, 1);
    zombie.handling(m0);
    const heir = script.consumer("consumer-2#1").granted(6, 2);
    heir.does(m2, 3);
    zombie.handled(m0);
    zombie.settled(m0, 4);
    expect(await script.broken()).toEqual({
      P7: 'message "m0" (key "a", orders/0 offset 0) was settled for group billing by consumer-1#1 under epoch 5 in revision 4, after epoch 6 had been granted to consumer-2#1 in revision 2',
    });
  });

  it("finds an epoch that goes back, also across a broker restart", async () => {
    const script = new HistoryScript();
    script.consumer("consumer-1#1").granted(5, 1, { logEpoch: 1 });
    script.fault("kill", "broker#1");
    script.consumer("consumer-2#1").granted(4, 2, { logEpoch: 2 });
    expect(await script.broken()).toEqual({
      P7: expect.stringContaining("from epoch 5 (consumer-1#1, revision 1) to epoch 4"),
    });
  });

  it("finds a settle after the release of its own lease, and one before its grant", async () => {
    const script = new HistoryScript();
    const [m0, m1] = threeSent(script);
    const lease = script.consumer("consumer-1#1").granted(5, 3);
    lease.handling(m0);
    lease.handled(m0);
    lease.settled(m0, 2);
    lease.handling(m1);
    lease.handled(m1);
    lease.released(4);
    lease.settled(m1, 5);
    const { violations } = await script.check();
    expect(violations.map(({ promise, text }) => [promise, text.split(", ").at(-1)])).toEqual([
      ["P7", "before that epoch was granted in revision 3"],
      ["P7", "after that lease had been released in revision 4"],
    ]);
  });

  it("finds a settle under a lease that a seek had ended", async () => {
    const script = new HistoryScript();
    const [m0] = threeSent(script);
    const lease = script.consumer("consumer-1#1").granted(5, 1);
    lease.handling(m0);
    script.sought(0, 2, 2);
    lease.handled(m0);
    lease.settled(m0, 3);
    expect(await script.broken()).toEqual({ P7: expect.stringContaining("admin#1 had sought elsewhere") });
  });

  it("accepts a process that was stopped past its lease, wakes, and is refused", async () => {
    const script = new HistoryScript();
    const [m0, m1, m2] = threeSent(script);
    const zombie = script.consumer("consumer-1#1").granted(5, 1);
    zombie.handling(m0);
    script.fault("pause", "consumer-1#1");
    const heir = script.consumer("consumer-2#1").granted(6, 2);
    heir.does(m0, 3, 2);
    heir.does(m1, 4);
    heir.does(m2, 5);
    script.fault("resume", "consumer-1#1");
    zombie.aborted(m0);
    zombie.lost();
    zombie.handled(m0);
    zombie.settleRefused(m0);
    script.state(3);
    script.end("consumer-1#1", "consumer-2#1");
    const verdict = await script.check();
    expect(verdict.violations).toEqual([]);
    expect(verdict.checks.P11).toBe(1);
  });

  it("accepts a settle confirmed before the next grant though its line comes after", async () => {
    const script = new HistoryScript();
    const [m0, m1] = threeSent(script);
    const late = script.consumer("consumer-1#1").granted(5, 1);
    late.handling(m0);
    late.handled(m0);
    script.consumer("consumer-2#1").granted(6, 3).does(m1, 4);
    late.lost();
    late.settled(m0, 2);
    expect(await script.broken()).toEqual({});
  });

  it("accepts revisions that begin anew where the broker keeps nothing through a crash", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    const [m0, m1] = [placed("m0", "a", 0), placed("m1", "a", 0, { logEpoch: 2 })];
    shop.send(m0, 0, "memory");
    script.consumer("consumer-1#1").granted(1_000, 1).does(m0, 2);
    script.fault("kill", "broker#1");
    shop.tailLost(0, 1);
    shop.send(m1, 1, "memory");
    script.consumer("consumer-2#1").granted(2_000, 1).does(m1, 2);
    script.state(1, { logEpoch: 2 });
    expect(await script.broken()).toEqual({});
  });
});
