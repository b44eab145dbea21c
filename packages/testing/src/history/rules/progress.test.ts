import { describe, expect, it } from "vitest";
import { HistoryScript, threeSent } from "../history-script.fixture.ts";

describe("P8 progress", () => {
  it("finds a backlog at the end", async () => {
    const script = new HistoryScript();
    const [m0] = threeSent(script);
    script.consumer("consumer-1#1").granted(1, 1).does(m0, 2);
    script.state(3, { cursor: 1 });
    expect(await script.broken()).toEqual({
      P8: "orders/0 for group billing still has a backlog of 2 at the end: its cursor stands at 1 of 3",
    });
  });

  it("finds a group that drained later than its bound after the last heal", async () => {
    for (const healWithinMs of [5_000, 30_000]) {
      const script = new HistoryScript();
      script.write("driver#1", "start", { role: "driver", settings: { healWithinMs } });
      script.write("driver#1", "fault", { fault: "heal", at: 1_000_000 });
      script.state(0, { at: 1_020_000 });
      expect(Object.keys(await script.broken())).toEqual(healWithinMs === 5_000 ? ["P8"] : []);
    }
  });

  it("does not count as backlog what is settled out of order, parked or dead-lettered", async () => {
    const script = new HistoryScript();
    const [m0, m1, m2] = threeSent(script);
    const lease = script.consumer("consumer-1#1", { concurrency: 2 }).granted(1, 1);
    lease.does(m2, 2);
    lease.fails(m0);
    lease.parked(m0, 3);
    lease.parked(m1, 3);
    script.state(3, { cursor: 0, settledRanges: [[2, 3]], deadLettered: [0], parked: [1] });
    const verdict = await script.check();
    expect(verdict.violations).toEqual([]);
    expect(verdict.checks.P8).toBe(1);
  });

  it("does not hold a halted queue to it, but one that only waits", async () => {
    for (const isExhausted of [true, false]) {
      const script = new HistoryScript();
      const [m0] = threeSent(script);
      const lease = script.consumer("consumer-1#1", { exhausted: "halt" }).granted(1, 1);
      if (isExhausted) lease.fails(m0);
      script.state(3, { cursor: 0 });
      expect(Object.keys(await script.broken())).toEqual(isExhausted ? [] : ["P8"]);
    }
  });
});
