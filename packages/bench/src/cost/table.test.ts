import { describe, expect, it } from "vitest";
import { hold } from "../frame/compare.ts";
import { figuresOf, type Report } from "../report/figures.ts";
import { tablesOf } from "../report/tables.ts";
import { cost, costBars } from "../scenarios/cost.ts";
import { figureNames, NAMES } from "./figures.ts";
import { costPage } from "./table.ts";

const rows = cost({ messages: 100_000, seconds: 1, most: 1, backlogBytes: 1 }).filter(({ name }) =>
  ["cost: heartbeat", "cost: ask explain"].includes(name),
);
const measured = (cpuTimes: number, longest: number) => {
  const [stranger, worker] = [figureNames("stranger"), figureNames("worker")];
  return {
    cpuMicros: {},
    figures: {
      [NAMES.appendedCpu]: 20,
      [stranger.bytes]: 4,
      [stranger.cpu]: 20 * cpuTimes,
      [stranger.cpuTimes]: cpuTimes,
      [stranger.longest]: 3,
      [stranger.answered("FORBIDDEN")]: 900,
      [stranger.answered("heartbeat.answered")]: 4,
      [worker.bytes]: 4,
      [worker.longest]: longest,
    },
  };
};
const results = {
  of: new Map([
    ["cost: heartbeat", [measured(9, 5), measured(11, 7), measured(10, 6)]],
    ["cost: ask explain", [measured(70, 250)]],
  ]),
  failures: [],
};
const report: Report = {
  load: { messages: 1, warmUpPercent: 1, bytes: 200, keys: 1, queues: 1, window: 1 },
  rounds: 3,
  node: "v20",
  cores: 2,
  rows: figuresOf(rows, results, () => 1),
  ratios: [],
  bars: hold(costBars, results),
  skipped: [],
  failures: [],
};

describe("the table of costs", () => {
  it("has a line for each frame and client, with what most of it was answered with and the longest wait of all rounds", () => {
    const lines = costPage(report, "a machine with other work").split("\n");
    expect(lines[0]).toContain("a machine with other work");
    expect(lines).toContainEqual(expect.stringMatching(/^\| `heartbeat` \| 4 \| FORBIDDEN \| 200 \| 10 \|.*\/ 3 \|$/));
    expect(lines).toContainEqual(expect.stringMatching(/^\| `heartbeat` \| 4 \| nothing \|.*\/ 7 \|$/));
  });
  it("tells in the terminal which bars were missed, and no others", () => {
    const text = tablesOf(report);
    expect(text).toMatch(/cost: ask explain .*without a right: CPU of a byte, × an appended one .*at most 50: MISSED/);
    expect(text).toMatch(/cost: ask explain .*with every right: heartbeat longest, ms .*at most 100: MISSED/);
    expect(text).not.toMatch(/: met/);
  });
  it("is refused without rows of the scenario", () => {
    expect(() => costPage({ ...report, rows: [] }, "")).toThrow(/no figures of the scenario cost/);
  });
});
