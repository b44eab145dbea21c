import { describe, expect, it } from "vitest";
import { HistoryScript, placed } from "../history-script.fixture.ts";

describe("P11 refuses clearly", () => {
  it("finds refusals without a code, without an outcome, or that contradict themselves", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    const m0 = placed("m0", "a", 0);
    shop.refused(m0, { outcome: "unknown" });
    shop.refused(m0, { code: "something went wrong", outcome: "unknown" });
    shop.refused(m0, { code: "QUEUE_FULL" });
    shop.refused(m0, { code: "OUTCOME_UNKNOWN", outcome: "notAppended" });
    const { violations, checks } = await script.check();
    expect(violations.map(({ promise }) => promise)).toEqual(["P11", "P11", "P11", "P11"]);
    expect(violations[0]?.text).toBe(
      'the send of message "m0" to orders by shop#1 was refused without a code that a program can tell apart (found undefined)',
    );
    expect(checks.P11).toBe(4);
  });

  it("finds a settle refused without a code", async () => {
    const script = new HistoryScript();
    script
      .consumer("consumer-1#1")
      .granted(1, 1)
      .settleRefused(placed("m0", "a", 0), "");
    expect(await script.broken()).toEqual({ P11: expect.stringContaining("under epoch 1 by consumer-1#1") });
  });

  it("accepts a code with an outcome", async () => {
    const script = new HistoryScript();
    const shop = script.producer("shop#1");
    shop.refused(placed("m0", "a", 0), { code: "QUEUE_FULL", outcome: "notAppended" });
    shop.refused(placed("m1", "a", 0), { code: "OUTCOME_UNKNOWN", outcome: "unknown" });
    expect(await script.broken()).toEqual({});
  });
});
