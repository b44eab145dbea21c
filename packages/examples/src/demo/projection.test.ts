import { describe, expect, it } from "vitest";
import { Projection } from "./projection.ts";

describe("Projection", () => {
  it("refuses the write of a past holder and keeps the row as it is", () => {
    const projection = new Projection();
    expect(projection.apply({ key: "a", ordinal: 0, fence: 5 })).toBe("applied");
    expect(projection.apply({ key: "a", ordinal: 0, fence: 6 })).toBe("repeated");
    expect(projection.apply({ key: "a", ordinal: 1, fence: 5 })).toBe("refused");
    expect(projection.apply({ key: "a", ordinal: 1, fence: 6 })).toBe("applied");
    expect(projection.counts).toEqual({ applied: 2, repeated: 1, gaps: 0, refused: 1 });
  });
  it("sees a gap, and counts keys that saw all their events", () => {
    const projection = new Projection();
    projection.apply({ key: "a", ordinal: 0, fence: 1 });
    expect(projection.apply({ key: "b", ordinal: 1, fence: 1 })).toBe("gap");
    expect(projection.counts.gaps).toBe(1);
    expect(projection.complete(new Map([["a", 1], ["b", 3], ["c", 1]]))).toBe(1); // biome-ignore format: short
  });
});
