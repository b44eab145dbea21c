import { describe, expect, it } from "vitest";
import type { Measured, Row } from "../frame/row.ts";
import { changesOf } from "./change.ts";
import { type AgainstReport, againstText, exitCodeOf } from "./report.ts";
import { SIDES } from "./sided.ts";
import type { Verdict } from "./verdict.ts";

const row = (name: string): Row => ({
  name,
  scenario: "test",
  ours: true,
  durable: "no",
  system: "none",
  variant: "",
  load: {},
});
type Sided = Readonly<Record<(typeof SIDES)[number], readonly (Measured | undefined)[]>>;
const resultsOf = (of: Readonly<Record<string, Sided>>) => ({
  of: new Map(
    Object.entries(of).flatMap(([name, sided]) => SIDES.map((side) => [`${name} (${side})`, sided[side]] as const)),
  ),
  failures: [],
});
const rate = (messagesPerSecond: number, micros = 2): Measured => ({
  messagesPerSecond,
  cpuMicros: { server: micros, producer: micros },
});
const steady = (p50Ms: number, p99Ms: number): Measured => ({ ...rate(500), latency: { p50Ms, p99Ms, maxMs: 99 } });
const took = (ms: number): Measured => ({
  cpuMicros: {},
  figures: { "answers after, ms": ms, "handled again, msgs": 0 },
});

const alone = (p50Ms: number): Measured => ({ cpuMicros: {}, latency: { p50Ms, p99Ms: p50Ms, maxMs: 9 } });

const rows = [row("rate"), row("steady"), row("alone"), row("cost")];
const changes = changesOf(
  rows,
  resultsOf({
    // The machine is half as fast in the second round: the ratios within rounds do not see it.
    rate: {
      before: [rate(1_000), rate(500)],
      after: [rate(900, 3), rate(450, 3)],
      "before again": [rate(1_000), rate(500)],
    },
    steady: { before: [steady(1, 4)], after: [steady(1, 2)], "before again": [steady(1.2, 4)] },
    alone: { before: [alone(1)], after: [alone(1)], "before again": [alone(1)] },
    cost: { before: [took(100), undefined], after: [took(101), took(9)], "before again": [took(100), took(9)] },
  }),
  0.05,
);
const report: AgainstReport = {
  commit: "0123456789abcdef0123456789abcdef01234567",
  today: "fedcba9876543210fedcba9876543210fedcba98 with changes",
  withinPercent: 5,
  rounds: 2,
  load: { messages: 10, warmUpPercent: 50, bytes: 200, keys: 64, queues: 8, window: 1_024 },
  node: "v20",
  cores: 2,
  changes,
  beside: {
    before: [],
    after: [
      {
        ours: "steady",
        theirs: "peer",
        figure: "p99Ms",
        atMost: 1,
        ratio: { median: 0.5, min: 0.5, max: 0.5 },
        met: true,
      },
    ],
  },
  skipped: [],
  failures: [],
};

describe("before and after", () => {
  it("judges a row by its rate, or by its times where the rate is given, or by the figures it has", () => {
    expect(changes.map(({ row: name, figure, verdict }) => [name, figure, verdict])).toEqual([
      ["rate", "messagesPerSecond", "lost"],
      ["rate", "CPU µs/msg", "told"],
      ["steady", "p50Ms", "too noisy"],
      ["steady", "p99Ms", "gained"],
      ["steady", "CPU µs/msg", "told"],
      ["alone", "p50Ms", "within"],
      ["alone", "p99Ms", "within"],
      ["cost", "answers after, ms", "within"],
      ["cost", "handled again, msgs", "told"],
    ]);
  });
  it("takes ratios within a round, and leaves out a round that lacks a side", () => {
    expect(changes[0]).toMatchObject({ ratio: { median: 0.9, min: 0.9, max: 0.9 }, noise: 0, before: { median: 750 } });
    expect(changes[1]?.ratio?.median).toBe(1.5);
    expect(changes.at(-2)).toMatchObject({
      ratio: { median: 1.01 },
      perRound: { before: [100, null], after: [101, 9] },
    });
  });
  it("says what was lost, what cannot be told, how it stands beside peers, and that so few rounds are no proof", () => {
    const text = againstText(report);
    expect(text).toContain("0123456789 (before) and fedcba9876 with changes (after)");
    expect(text).toMatch(/rate .*msgs\/s .*750 .*675 .*0\.90 × .*LOST/);
    expect(text).toMatch(/p50, ms .*20\.0 % .*too noisy to tell/);
    expect(text).toMatch(/after, beside peers:.*steady \/ peer .*p99, ms .*0\.50 × .*at most 1: met/s);
    expect(text).not.toContain("before, beside peers");
    expect(text).toContain("1 too noisy to tell: no pass");
    expect(text).toContain("2 rounds: a look, no proof");
    expect(againstText({ ...report, rounds: 9 })).not.toContain("no proof");
  });
  it("ends with 1 when a row lost or failed, with 2 when nothing was lost but of one row it cannot be told", () => {
    const one = (verdict: Verdict) => ({ changes: [{ ...changes[0]!, verdict }], failures: [] });
    expect(
      (["within", "gained", "told", "lost", "too noisy", "no ratio"] as const).map((v) => exitCodeOf(one(v))),
    ).toEqual([0, 0, 0, 1, 2, 2]);
    expect(exitCodeOf({ ...one("within"), failures: [{ row: "rate (after)", round: 1, error: "lost one" }] })).toBe(1);
    expect(exitCodeOf({ changes: [], failures: [] })).toBe(2);
  });
});
