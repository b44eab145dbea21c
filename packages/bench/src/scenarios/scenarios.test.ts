import { describe, expect, it } from "vitest";
import { bars, comparisons } from "./comparisons.ts";
import { rowsOf } from "./scenarios.ts";

const extent = { messages: 100, seconds: 1, most: 1_000_000, backlogBytes: 1_000_000 };

describe("scenarios", () => {
  it("has every row that something is held against, under a name of its own", () => {
    const names = rowsOf("all", extent).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const held = [...comparisons.flatMap(({ ours, theirs }) => [ours, theirs]), ...bars.map(({ row }) => row)];
    expect(held.filter((name) => !names.includes(name))).toEqual([]);
  });
  it("leaves out sizes above the most that is asked for", () => {
    const sizes = rowsOf("size", { ...extent, most: 1_000 }).flatMap(({ point }) =>
      point?.line === "messages standing" || point?.line === "queues" ? [point.size] : [],
    );
    expect(sizes).toEqual([10, 100, 1_000, 1_000]);
  });
  it("refuses a name that is none of them", () => {
    expect(() => rowsOf("size,teleport", extent)).toThrow(/resources, all, found "teleport"/);
  });
});
