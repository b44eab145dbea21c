import { describe, expect, it } from "vitest";
import { compare, hold } from "./compare.ts";
import { backAndForth, type Results, runRounds } from "./rounds.ts";
import type { Measured, Row } from "./row.ts";

const row = (name: string): Row => ({
  name,
  scenario: "test",
  ours: name === "ours",
  durable: "no",
  system: "none",
  variant: "",
  load: {},
});
const rows = [row("ours"), row("theirs"), row("slow")];
const rate = (messagesPerSecond: number): Measured => ({ messagesPerSecond, cpuMicros: {} });
const ignore = (): void => {};

describe("runRounds", () => {
  it("interleaves the rows, and goes backwards every other round", async () => {
    const ran: string[] = [];
    const measure = async ({ name }: Row): Promise<Measured> => {
      ran.push(name);
      return rate(1);
    };
    await runRounds(backAndForth(rows), 2, measure, ignore);
    expect(ran).toEqual(["ours", "theirs", "slow", "slow", "theirs", "ours"]);
  });
  it("goes on after a row that fails, and tells which round it was", async () => {
    let runs = 0;
    const measure = async ({ name }: Row): Promise<Measured> => {
      if (name === "theirs" && ++runs === 1) throw new Error("lost one");
      return rate(7);
    };
    const { of, failures } = await runRounds(backAndForth(rows), 2, measure, ignore);
    expect(failures).toEqual([{ row: "theirs", round: 1, error: "lost one" }]);
    expect(of.get("theirs")).toEqual([undefined, rate(7)]);
    expect(of.get("slow")).toHaveLength(2);
  });
  it("shows what there is after each round", async () => {
    const shown: (number | undefined)[] = [];
    const soFar = async ({ of }: Results): Promise<void> => void shown.push(of.get("ours")?.length);
    await runRounds(backAndForth(rows), 2, async () => rate(1), ignore, soFar);
    expect(shown).toEqual([1, 2]);
  });
});

describe("compare", () => {
  const results = {
    of: new Map([
      ["ours", [rate(20), rate(60), undefined]],
      ["theirs", [rate(10), rate(20), rate(1)]],
    ]),
    failures: [],
  };
  const comparison = { ours: "ours", theirs: "theirs", figure: "messagesPerSecond" } as const;
  it("holds the median of the rounds' ratios against the bar", () => {
    const [met, missed] = compare(
      [
        { ...comparison, atLeast: 2.5 },
        { ...comparison, atMost: 2.4 },
      ],
      results,
    );
    expect(met).toMatchObject({ ratio: { median: 2.5, min: 2, max: 3 }, met: true });
    expect(missed).toMatchObject({ met: false });
  });
  it("tells a ratio without a bar, and nothing of rows that did not run", () => {
    const compared = compare([comparison, { ...comparison, theirs: "absent" }], results);
    expect(compared).toHaveLength(1);
    expect(compared[0]).not.toHaveProperty("met");
  });
  it("turns a rate into a cost, so that a flat one is at most so many times as large", () => {
    const [flat] = compare([{ ...comparison, figure: "microsPerMessage", atMost: 1.3 }], results);
    expect(flat?.ratio.median).toBeCloseTo((1 / 2 + 1 / 3) / 2);
  });
});

describe("hold", () => {
  it("holds the median of a row's own figure against its bar, and leaves out rows that did not run", () => {
    const measured = (ms: number): Measured => ({ cpuMicros: {}, figures: { "answers after, ms": ms } });
    const results = { of: new Map([["start", [measured(10), undefined, measured(30)]]]), failures: [] };
    const bar = { row: "start", figure: "answers after, ms" };
    expect(
      hold(
        [
          { ...bar, atMost: 20 },
          { ...bar, atMost: 19 },
          { ...bar, row: "absent", atMost: 1 },
        ],
        results,
      ),
    ).toMatchObject([
      { value: { median: 20, min: 10, max: 30 }, met: true },
      { value: { median: 20 }, met: false },
    ]);
  });
});
