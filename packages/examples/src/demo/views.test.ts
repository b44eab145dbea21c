import { stripVTControlCharacters } from "node:util";
import type { Epoch, Offset, QueueView } from "@seriatim/actors";
import { afterEach, describe, expect, it, vi } from "vitest";
import { screen } from "./live-view.ts";
import { PlainView } from "./plain-view.ts";
import { type DemoReport, PROMISE_NAMES, type PromiseName } from "./report.ts";
import { reportText } from "./report-text.ts";
import type { Frame } from "./view.ts";

const queue = (index: number, backlog: number): QueueView => ({
  queue: index,
  state: "leased",
  halted: false,
  lease: { epoch: 1_700_000_000 as Epoch, holder: `consumer-${(index % 3) + 1}`, expiresInMs: 2_000 },
  cursor: 10 as Offset,
  end: (10 + backlog) as Offset,
  backlog,
  lagMs: backlog * 10,
});
const frame = (queues: number): Frame => ({
  phase: "running",
  elapsedMs: 12_345,
  events: 1_000,
  sent: 600,
  dealtWith: 500,
  handled: 510,
  failed: 4,
  perSecond: 800,
  brokerAnswers: true,
  queues: Array.from({ length: queues }, (_, index) => queue(index, index)),
});

describe("screen", () => {
  it("has the progress, a row per queue and the faults", () => {
    const text = screen(frame(8), ["consumer-2#1 killed"], 40);
    for (const part of ["50 %", "800 msgs/s", "consumer-3", "leased", "consumer-2#1 killed"])
      expect(text).toContain(part);
    expect(text.split("\n").filter((line) => line.includes("leased")).length).toBe(8);
  });
  it("is no wider than a terminal of 80 columns: lines that wrap push the progress off the screen", () => {
    const widest = screen(frame(8), [], 23)
      .split("\n")
      .map((line) => stripVTControlCharacters(line).length);
    expect(Math.max(...widest)).toBeLessThanOrEqual(80);
  });
  it("leaves out the quiet queues where rows are few, and says so", () => {
    const text = screen(frame(64), ["a fault"], 23);
    expect(text.split("\n").length).toBeLessThanOrEqual(23);
    expect(text).toMatch(/and \d+ more queues/);
    expect(text).toContain(" 63 ");
  });
});

it("the report is no wider than that either", () => {
  const each = <T>(value: T) =>
    Object.fromEntries(PROMISE_NAMES.map((name) => [name, value])) as Record<PromiseName, T>;
  const text = reportText(
    {
      ...{ input: { events: 100_000, keys: 8_000 }, sent: 100_000, settled: 99_000, retried: 900, handledAgain: 80 },
      ...{ parked: 900, deadLettered: 100, refusedStale: 99, refusedStaleBy: { broker: 33, holder: 33, fence: 33 } },
      ...{ violations: each(0), checks: each(1_234_567), durationMs: 30_000, messagesPerSecond: 3_300, faults: [] },
      ...{ latencyMs: { p50: 3.92, p99: 2_033.66, max: 3_225.54 }, clean: true, accounted: true, backlog: 0 },
      ...{ haltedQueues: [], refusedSends: 0, signalsFired: 0, seed: 4, source: "", options: {} },
      projection: { gaps: 0, completeKeys: 7_900 } as DemoReport["projection"],
    },
    [],
  );
  const widest = text.split("\n").map((line) => stripVTControlCharacters(line).length);
  expect(Math.max(...widest)).toBeLessThanOrEqual(80);
});

describe("PlainView", () => {
  afterEach(() => vi.useRealTimers());

  it("writes one line a second at most, nothing when nothing changed, and each fault at once", () => {
    vi.useFakeTimers();
    const lines: string[] = [];
    const view = new PlainView((line) => lines.push(line));
    for (let tick = 0; tick < 25; tick++) {
      view.show({ ...frame(8), dealtWith: 500 + Math.min(tick, 12) });
      if (tick === 3) view.say("broker#1 killed", "fault");
      vi.advanceTimersByTime(100);
    }
    expect(lines.length).toBe(4);
    expect(lines[1]).toContain("broker#1 killed");
  });
});
