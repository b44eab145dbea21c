import { describe, expect, it } from "vitest";
import { HistoryScript, threeSent } from "../history-script.fixture.ts";

describe("P5 serial", () => {
  it("finds two handlings of one key side by side", async () => {
    const script = new HistoryScript();
    const [m0, m1] = threeSent(script);
    const lease = script.consumer("consumer-1#1", { concurrency: 8 }).granted(1, 1);
    lease.handling(m0);
    lease.handling(m1);
    lease.handled(m0);
    lease.handled(m1);
    expect((await script.broken()).P5).toContain("messages of one key run one after another");
  });

  it("finds a next attempt that starts while the aborted one still runs", async () => {
    const script = new HistoryScript();
    const [m0] = threeSent(script);
    const lease = script.consumer("consumer-1#1").granted(1, 1);
    lease.handling(m0);
    lease.aborted(m0);
    lease.handling(m0, 2);
    lease.failed(m0);
    lease.handled(m0, 2);
    expect(await script.broken()).toEqual({ P5: expect.stringContaining("attempt 2") });
  });

  it("finds an abandoned handler beside its successor under the same epoch", async () => {
    const script = new HistoryScript();
    const [m0] = threeSent(script);
    const lease = script.consumer("consumer-1#1").granted(1, 1);
    lease.handling(m0);
    lease.aborted(m0);
    lease.abandoned(m0);
    lease.handling(m0, 2);
    expect(await script.broken()).toEqual({ P5: expect.stringContaining("was abandoned but runs") });
  });

  it("finds a key that starts under a new lease of the same process while its old handler runs", async () => {
    const script = new HistoryScript();
    const [m0] = threeSent(script);
    const consumer = script.consumer("consumer-1#1");
    const old = consumer.granted(1, 1);
    old.handling(m0);
    old.lost();
    consumer.granted(2, 2).handling(m0, 2);
    expect(await script.broken()).toEqual({ P5: expect.any(String) });
  });

  it("finds a lease given back with a handler running", async () => {
    const script = new HistoryScript();
    const [m0] = threeSent(script);
    const lease = script.consumer("consumer-1#1").granted(1, 1);
    lease.handling(m0);
    lease.released(2);
    lease.handled(m0);
    expect(await script.broken()).toEqual({
      P5: expect.stringContaining("released orders/0 for group billing (epoch 1) while it was still handling"),
    });
  });

  it("finds a settle of an abandoned handler under its old epoch", async () => {
    const script = new HistoryScript();
    const [m0] = threeSent(script);
    const lease = script.consumer("consumer-1#1").granted(1, 1);
    lease.handling(m0);
    lease.abandoned(m0);
    lease.handled(m0);
    lease.settled(m0, 2);
    expect(await script.broken()).toEqual({ P5: expect.stringContaining("had abandoned its handler") });
  });

  it("finds two keys of a queue side by side with concurrency 1, and accepts them with more", async () => {
    for (const concurrency of [1, 2]) {
      const script = new HistoryScript();
      const [m0, , m2] = threeSent(script);
      const lease = script.consumer("consumer-1#1", { concurrency }).granted(1, 1);
      lease.handling(m0);
      lease.handling(m2);
      lease.handled(m2);
      lease.handled(m0);
      expect(await script.broken()).toEqual(concurrency === 1 ? { P5: expect.stringContaining("concurrency 1") } : {});
    }
  });

  it("reads settings that differ by group", async () => {
    const script = new HistoryScript();
    const [m0, , m2] = threeSent(script);
    script.write("consumer-1#1", "start", {
      settings: [
        { group: "audit", concurrency: 8 },
        { group: "billing", concurrency: 1 },
      ],
    });
    for (const group of ["audit", "billing"]) {
      const line = { topic: "orders", queue: 0, group, consumer: "consumer-1", epoch: 1 };
      script.write("consumer-1#1", "granted", { ...line, revision: 1 });
      script.write("consumer-1#1", "handling", { ...m0, ...line, attempt: 1 });
      script.write("consumer-1#1", "handling", { ...m2, ...line, attempt: 1 });
    }
    const { violations } = await script.check();
    expect(violations.map(({ promise, text }) => `${promise} ${text}`)).toEqual([
      expect.stringMatching(/^P5 .*group billing/),
    ]);
  });

  it("accepts a hung handler that was abandoned, beside its successor under a raised lease", async () => {
    const script = new HistoryScript();
    const [m0, m1, m2] = threeSent(script);
    const consumer = script.consumer("consumer-1#1");
    const old = consumer.granted(1, 1);
    old.handling(m0);
    old.aborted(m0);
    old.abandoned(m0);
    const raised = consumer.granted(2, 2);
    raised.handling(m0, 2);
    old.handled(m0);
    raised.handled(m0, 2);
    raised.settled(m0, 3);
    raised.does(m1, 4);
    raised.does(m2, 5);
    raised.released(6);
    script.state(3);
    const verdict = await script.check();
    expect(verdict.violations).toEqual([]);
    expect(verdict.checks.P5).toBeGreaterThan(3);
  });

  it("accepts a message in hand that carries over into a raised lease", async () => {
    const script = new HistoryScript();
    const [m0, m1, m2] = threeSent(script);
    const consumer = script.consumer("consumer-1#1", { concurrency: 4 });
    const old = consumer.granted(1, 1);
    old.handling(m0);
    old.handling(m2);
    old.abandoned(m2);
    const raised = consumer.granted(2, 2);
    raised.handled(m0);
    raised.settled(m0, 3);
    raised.does(m1, 4);
    raised.does(m2, 5, 2);
    raised.released(6);
    expect(await script.broken()).toEqual({});
  });

  it("accepts overlapping handlings in two processes when the earlier lease was lost or its process killed", async () => {
    const script = new HistoryScript();
    const [m0, m1, m2] = threeSent(script);
    const cut = script.consumer("consumer-1#1").granted(1, 1);
    cut.handling(m0);
    const killed = script.consumer("consumer-2#1").granted(2, 2);
    killed.handling(m0, 2);
    script.fault("kill", "consumer-2#1");
    const heir = script.consumer("consumer-2#2").granted(3, 3);
    heir.handling(m0, 3);
    cut.lost();
    cut.aborted(m0);
    heir.handled(m0, 3);
    heir.settled(m0, 4);
    cut.failed(m0);
    heir.does(m1, 5);
    heir.does(m2, 6);
    script.state(3);
    expect(await script.broken()).toEqual({});
  });

  it("accepts a lease given back while a handler of a lost one still runs", async () => {
    const script = new HistoryScript();
    const [m0, , m2] = threeSent(script);
    const consumer = script.consumer("consumer-1#1");
    const old = consumer.granted(1, 1);
    old.handling(m0);
    old.lost();
    const next = consumer.granted(2, 2);
    next.does(m2, 3);
    next.released(4);
    old.failed(m0);
    expect(await script.broken()).toEqual({});
  });
});
