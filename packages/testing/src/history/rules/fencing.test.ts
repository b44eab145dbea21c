import { describe, expect, it } from "vitest";
import { HistoryScript, placed } from "../history-script.fixture.ts";

describe("P11 harms nobody else", () => {
  const fenced = (script: HistoryScript) =>
    script
      .producer("shop#1", {}, { principal: "shop" })
      .refused(placed("m0", "a", 0), { code: "PRODUCER_FENCED", outcome: "notAppended" });

  it("finds a producer that was fenced by nobody of its principal", async () => {
    const script = new HistoryScript();
    fenced(script);
    script.producer("thief#1", {}, { principal: "thief" });
    expect(await script.broken()).toEqual({
      P11: expect.stringContaining('its principal "shop" has no other process'),
    });
  });
  it("accepts one that was fenced by a later process of its principal, and does not judge one that says nothing of whose it is", async () => {
    const script = new HistoryScript();
    fenced(script);
    script.producer("shop#2", {}, { principal: "shop" });
    script.producer("other#1").refused(placed("m1", "b", 0), { code: "PRODUCER_FENCED", outcome: "notAppended" });
    expect(await script.broken()).toEqual({});
  });
});
