import { describe, expect, it } from "vitest";
import { median, ratioOf, spread } from "./statistics.ts";

describe("statistics", () => {
  it("takes the middle value, or the mean of the middle two, without changing what it was given", () => {
    const values = [10, 9, 100];
    expect(median(values)).toBe(10);
    expect(values).toEqual([10, 9, 100]);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });
  it("refuses to summarise nothing", () => {
    expect(() => median([])).toThrow(RangeError);
  });
  it("tells median, smallest and largest", () => {
    expect(spread([5, 1, 3])).toEqual({ median: 3, min: 1, max: 5 });
  });
  it("takes ratios within a round, not of medians", () => {
    // Medians are 20 and 10, but in no round was ours more than 1.5 times theirs except the last.
    expect(ratioOf([10, 20, 30], [10, 20, 10])).toEqual({ median: 1, min: 1, max: 3 });
  });
  it("leaves out rounds in which either has no value", () => {
    expect(ratioOf([10, undefined, 30], [5, 1, undefined])).toEqual({ median: 2, min: 2, max: 2 });
    expect(ratioOf([undefined], [1])).toBeUndefined();
  });
});
