import { describe, expect, it } from "vitest";
import { historyStats } from "./history-stats.ts";

const lines = (...events: object[]): string[] => events.map((event) => JSON.stringify(event));
const handling = { process: "consumer-1#1", queue: 0, epoch: 3, offset: 0, id: "a#0", attempt: 1 };

describe("historyStats", () => {
  it("counts a message once, and its further handlings as handled again", async () => {
    const stats = await historyStats(
      lines(
        { process: "producer-1#1", type: "sending", id: "a#0", at: 1_000 },
        { process: "producer-1#1", type: "sent", id: "a#0", at: 1_004 },
        { ...handling, type: "handling", at: 1_005 },
        { ...handling, type: "failed", at: 1_006 },
        { ...handling, type: "handling", attempt: 2, at: 1_010 },
        { ...handling, type: "handled", attempt: 2, at: 1_020 },
        { ...handling, process: "consumer-2#1", epoch: 4, type: "handling", at: 1_030 },
        { ...handling, process: "consumer-2#1", epoch: 4, type: "handled", at: 1_040 },
      ),
    );
    expect(stats).toMatchObject({
      sent: 1,
      handled: 2,
      retried: 1,
      handledAgain: 1,
      firstSendingAt: 1_000,
      lastStepAt: 1_040,
    });
    expect(stats.latencyMs.max).toBeCloseTo(20, 0);
  });
  it("tells apart who refused what came too late", async () => {
    const stats = await historyStats([
      ...lines(
        { ...handling, type: "aborted", at: 1 },
        { ...handling, offset: 1, type: "aborted", at: 2 },
        { ...handling, offset: 1, type: "settled", at: 3 }, // its signal fired too late to matter
        { ...handling, offset: 2, type: "settleRefused", code: "STALE_EPOCH", at: 4 },
      ),
      '{"process":"consumer-1#1","type":"hand', // torn by a kill
    ]);
    expect(stats.stale).toEqual({ broker: 1, holder: 1 });
    expect(stats.aborted).toBe(2);
  });
});
