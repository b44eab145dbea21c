import { describe, expect, it } from "vitest";
import { drawnSeed, drawnSeeds } from "./drawn.ts";

const first = (hash: string, count: number): number[] => {
  const seeds = drawnSeeds(hash);
  return Array.from({ length: count }, () => seeds.next().value);
};

describe("seeds drawn from a commit's hash", () => {
  it("are the same for the same hash, and others for another", () => {
    expect(first("d38981e", 50)).toEqual(first("d38981e", 50));
    const others = new Set(first("d38981f", 50));
    expect(first("d38981e", 50).filter((seed) => others.has(seed))).toEqual([]);
  });
  it("begin the same, however many are taken", () => {
    expect(first("d38981e", 1_000).slice(0, 40)).toEqual(first("d38981e", 40));
  });
  it("are what `npm run sim` takes, and none comes twice", () => {
    const seeds = first("d38981e", 2_000);
    expect(new Set(seeds).size).toBe(2_000);
    for (const seed of seeds) expect(seed).toSatisfy((value: number) => Number.isInteger(value) && value > 0);
  });
  it("differ by what they are for", () => {
    expect(drawnSeed("d38981e", "chaos")).toBe(drawnSeed("d38981e", "chaos"));
    expect(drawnSeed("d38981e", "chaos")).not.toBe(drawnSeed("d38981e", "fuzz"));
  });
});
