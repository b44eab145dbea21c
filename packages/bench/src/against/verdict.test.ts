import { describe, expect, it } from "vitest";
import { judge, medianBetween, noiseOf } from "./verdict.ts";

const calm = [0.99, 1, 1.01, 0.98, 1.02, 1, 1, 0.99, 1.01];
const wild = [0.7, 1, 1.3, 0.8, 1.2, 1, 1, 0.75, 1.25];
const all = (ratio: number): readonly number[] => calm.map(() => ratio);

describe("medianBetween", () => {
  it("is where a sign test puts the median with 95 %: the second and the last but one of nine, the third of twelve", () => {
    expect(medianBetween([9, 1, 8, 2, 7, 3, 6, 4, 5])).toEqual({ min: 2, max: 8 });
    expect(medianBetween([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])).toEqual({ min: 3, max: 10 });
  });
  it("narrows with more rounds, and is the whole range of few", () => {
    const values = (count: number) => Array.from({ length: count }, (_, nth) => nth / (count - 1));
    const { min, max } = medianBetween(values(101));
    expect([min, max]).toEqual([0.4, 0.6]);
    expect(medianBetween(values(6))).toEqual({ min: 0, max: 1 });
    expect(medianBetween(values(1_000)).min).toBe(468 / 999); // the 469th, as tables of the sign test have it
    expect(medianBetween([3])).toEqual({ min: 3, max: 3 });
    expect(() => medianBetween([])).toThrow(RangeError);
  });
});

describe("noiseOf", () => {
  it("is the larger distance from 1, so that the same code that comes out faster is noise as well", () => {
    expect(noiseOf(calm)).toBeCloseTo(0.01);
    expect(noiseOf(all(1.2))).toBeCloseTo(0.2);
    expect(noiseOf(all(0.7))).toBeCloseTo(0.3);
  });
});

describe("judge", () => {
  it("judges the median, not the mean: one wild round changes nothing", () => {
    const { verdict, ratio } = judge([...all(0.97).slice(1), 0.1], calm, "more", 0.05);
    expect([verdict, ratio?.median]).toEqual(["within", 0.97]);
  });
  it("is lost past the limit, for rates below it and for times above it", () => {
    expect(judge(all(0.94), calm, "more", 0.05).verdict).toBe("lost");
    expect(judge(all(0.96), calm, "more", 0.05).verdict).toBe("within");
    expect(judge(all(1.06), calm, "less", 0.05).verdict).toBe("lost");
    expect(judge(all(1.04), calm, "less", 0.05).verdict).toBe("within");
    expect(judge(all(0.94), calm, "more", 0.1).verdict).toBe("within");
  });
  it("tells what was gained", () => {
    expect(judge(all(1.06), calm, "more", 0.05).verdict).toBe("gained");
    expect(judge(all(0.5), calm, "less", 0.05).verdict).toBe("gained");
  });
  it("does not pass a row whose noise is above the limit, even when its median is 1", () => {
    expect(judge(all(1), wild, "more", 0.05)).toMatchObject({ verdict: "too noisy", noise: expect.closeTo(0.25) });
    expect(judge(all(0.9), wild, "more", 0.05).verdict).toBe("too noisy");
  });
  it("still tells a loss, or that nothing is lost, that is larger than the noise", () => {
    expect(judge(all(0.6), wild, "more", 0.05).verdict).toBe("lost");
    expect(judge(all(1.4), wild, "less", 0.05).verdict).toBe("lost");
    expect(judge(all(1.25), wild, "more", 0.05).verdict).toBe("within");
    expect(judge(all(2), wild, "more", 0.05).verdict).toBe("gained");
  });
  it("has no verdict without a round that has all sides", () => {
    expect(judge([], calm, "more", 0.05)).toEqual({ verdict: "no ratio" });
    expect(judge(calm, [], "more", 0.05)).toEqual({ verdict: "no ratio" });
  });
});
