import { describe, expect, it } from "vitest";
import { replayRate } from "./settings.ts";

describe("replayRate", () => {
  it("takes what was asked for", () => expect(replayRate({ rate: 123, faults: true }, 50_000)).toBe(123));
  it.each([1, 400, 4_000, 24_000, 65_533])(
    "leaves faults time to strike and heal, and stays under a minute (%i events)",
    (events) => {
      const seconds = events / replayRate({ rate: null, faults: true }, events);
      expect(seconds).toBeLessThan(40);
      if (events > 400) expect(seconds).toBeGreaterThan(15);
    },
  );
  it("is quicker where nothing strikes", () => {
    expect(replayRate({ rate: null, faults: false }, 24_000)).toBeGreaterThan(
      replayRate({ rate: null, faults: true }, 24_000),
    );
  });
});
