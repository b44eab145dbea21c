import { describe, expect, it } from "vitest";
import { allot, type Needs } from "./allot.ts";
import { PARTS } from "./parts.ts";

const part = (name: string, share: number, minutesMin: number, isFixed = false): Needs => ({
  name,
  share,
  minutesMin,
  isFixed,
});
const parts = [part("seeds", 30, 2), part("files", 5, 3, true), part("chaos", 10, 4)];

describe("minutes of the deep tests", () => {
  it("go to each part's least first, then to those that can use more, by their shares", () => {
    expect([...allot(parts, 13)]).toEqual([
      ["seeds", 5],
      ["files", 3],
      ["chaos", 5],
    ]);
  });
  it("pass over a part whose least does not fit, not those behind it", () => {
    expect([...allot([part("seeds", 1, 2), part("soak", 1, 6), part("fuzz", 1, 1)], 5)]).toEqual([
      ["seeds", 3],
      ["fuzz", 2],
    ]);
    expect(allot(parts, 1).size).toBe(0);
  });
  it("are all given, and none twice, whatever N is", () => {
    for (let minutes = 1; minutes <= 120; minutes += 0.5) {
      const given = allot(PARTS, minutes);
      const sum = [...given.values()].reduce((total, each) => total + each, 0);
      expect(sum).toBeLessThanOrEqual(minutes + 1e-9);
      for (const { name, minutesMin } of PARTS)
        if (given.has(name)) expect(given.get(name)).toBeGreaterThanOrEqual(minutesMin);
    }
  });
  it("have room for every part at 60", () => {
    expect(allot(PARTS, 60).size).toBe(PARTS.length);
    expect(PARTS.reduce((sum, { share }) => sum + share, 0)).toBe(60);
  });
});
