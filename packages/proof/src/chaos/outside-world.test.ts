import { describe, expect, it } from "vitest";
import { OutsideWorld } from "./outside-world.ts";

const write = (ordinal: number, fence: number) => ({ group: "billing", key: "a", ordinal, fence }) as const;

describe("OutsideWorld", () => {
  it("applies a key's events once, in order", () => {
    const world = new OutsideWorld();
    expect([write(0, 1), write(1, 1), write(1, 2), write(2, 2)].map((each) => world.apply(each))).toEqual([
      "applied",
      "applied",
      "repeated",
      "applied",
    ]);
    expect(world.gaps).toEqual([]);
  });
  it("refuses a past holder once a newer one has written, and tells groups apart", () => {
    const world = new OutsideWorld();
    world.apply(write(0, 5));
    expect(world.apply(write(1, 4))).toBe("refused");
    expect(world.apply({ ...write(0, 4), group: "shipping" })).toBe("applied");
    expect(world.refused).toBe(1);
  });
  it("notes what was left out", () => {
    const world = new OutsideWorld();
    world.apply(write(0, 1));
    world.apply(write(2, 1));
    expect(world.gaps).toEqual(["billing: number 2 of key a took effect, number 1 had not"]);
  });
});
