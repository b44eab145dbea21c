import { describe, expect, it } from "vitest";
import { PARTS } from "./parts.ts";
import type { PartResult, Verdict } from "./run-part.ts";
import { partsText, summaryText, verdictText } from "./summary.ts";

const result = (name: string, verdict: Verdict): PartResult => ({
  name,
  minutesGiven: 12.34,
  minutesUsed: 10.2,
  did: "1,000 of 1,000 seeds, which is a lot",
  verdict,
  again: [],
});
const widest = (text: string): number => Math.max(...text.split("\n").map((line) => line.length));

describe("what the deep tests print", () => {
  it("fits 80 columns", () => {
    expect(widest(partsText(PARTS))).toBeLessThanOrEqual(80);
    expect(widest(summaryText([result("determinism", "passed, not all")]))).toBeLessThanOrEqual(80);
  });
  it("does not count what was cut or not reached as passed", () => {
    const results = [
      result("simulation", "passed, not all"),
      result("store", "passed"),
      result("chaos", "cut"),
      result("soak", "not reached"),
      result("fuzz", "FAILED"),
    ];
    expect(verdictText(results)).toBe(
      [
        "FAILED: fuzz.",
        "1 of 5 parts passed whole.",
        "Passed as far as they came: simulation.",
        "NOT PROVED, for want of time: chaos, soak.",
      ].join("\n"),
    );
  });
});
