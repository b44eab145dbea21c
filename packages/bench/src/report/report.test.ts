import { describe, expect, it } from "vitest";
import type { Measured, Row } from "../frame/row.ts";
import { chartsOf } from "./charts.ts";
import { figuresOf, type Report } from "./figures.ts";
import { tablesOf } from "./tables.ts";

const row = (name: string, more: Partial<Row> = {}): Row => ({
  name,
  scenario: "throughput",
  ours: true,
  durable: "no",
  system: "none",
  variant: "",
  load: {},
  ...more,
});
const rows = [
  row("wire"),
  row("strict: wire"),
  row("process", { way: "embedded" }),
  row("steady", { scenario: "latency" }),
  row("wide", { scenario: "size", point: { line: "queues", size: 10 } }),
  row("start", { scenario: "start-up" }),
  row("broken"),
];
const rate = (messagesPerSecond: number, process = "server"): Measured => ({
  messagesPerSecond,
  cpuMicros: { [process]: 2 },
});
const results = {
  of: new Map([
    ["wire", [rate(4_000), undefined, rate(6_000)]],
    ["strict: wire", [rate(100)]],
    ["process", [rate(9_000, "process")]],
    ["steady", [{ ...rate(500), latency: { p50Ms: 0.5, p99Ms: 2, maxMs: 9 } }]],
    ["wide", [rate(1_000)]],
    ["start", [{ cpuMicros: {}, figures: { "broker answers after, ms": 1_234 } }]],
    ["broken", [undefined]],
  ]),
  failures: [{ row: "broken", round: 1, error: "lost one" }],
};
const report: Report = {
  load: { messages: 10, warmUpPercent: 20, bytes: 200, keys: 64, queues: 8, window: 1_024 },
  rounds: 3,
  node: "v20",
  cores: 2,
  rows: figuresOf(rows, results, () => 10),
  ratios: [
    {
      ours: "wire",
      theirs: "peer",
      figure: "messagesPerSecond",
      atLeast: 2,
      ratio: { median: 1.5, min: 1, max: 3 },
      met: false,
    },
  ],
  bars: [
    {
      row: "start",
      figure: "broker answers after, ms",
      atMost: 1_000,
      value: { median: 1_234, min: 1_234, max: 1_234 },
      met: false,
    },
  ],
  skipped: [{ row: "absent", debianPackage: "absent-server" }],
  failures: results.failures,
};

describe("a report", () => {
  it("summarises the rounds that did not fail, and leaves out rows that always did", () => {
    expect(report.rows.map(({ name }) => name)).toEqual(["wire", "strict: wire", "process", "steady", "wide", "start"]);
    expect(report.rows[0]).toMatchObject({ rounds: 2, messagesPerSecond: { median: 5_000, min: 4_000, max: 6_000 } });
    expect(report.rows[0]?.perRound).toEqual([rate(4_000), null, rate(6_000)]);
    expect(report.rows[3]?.latency?.p99Ms.median).toBe(2);
  });
  it("says in text what was missed, skipped and failed", () => {
    const text = tablesOf(report);
    expect(text).toContain("4,000 to 6,000");
    expect(text).toContain("at least 2: MISSED");
    expect(text).toMatch(/start .*broker answers after, ms .*1,234 .*at most 1,000: MISSED/s);
    expect(text).toContain("not installed: absent-server (Debian package); rows skipped: absent");
    expect(text).toContain("FAILED: broken, round 1: lost one");
  });
  it("draws each kind of figure it has, and no other", () => {
    const charts = new Map(chartsOf(report).map(({ file, svg }) => [file, svg]));
    expect([...charts.keys()]).toEqual([
      "over-the-wire.svg",
      "strict.svg",
      "in-one-process.svg",
      "latency.svg",
      "cost-against-size.svg",
    ]);
    expect(charts.get("over-the-wire.svg")).toMatch(/^<svg.*wire.*5,000/s);
    expect(chartsOf({ ...report, rows: [] })).toEqual([]);
  });
});
