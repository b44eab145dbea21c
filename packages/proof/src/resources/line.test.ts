import { expect, it } from "vitest";
import { lineThrough } from "./line.ts";

it("goes through points that lie on a line", () => {
  const { slope, intercept } = lineThrough([1, 2, 5].map((x) => ({ x, y: 3 * x + 7 })));
  expect(slope).toBeCloseTo(3);
  expect(intercept).toBeCloseTo(7);
});
it("comes nearest by least squares", () => {
  const { slope, intercept } = lineThrough([
    { x: 0, y: 0 },
    { x: 1, y: 3 },
    { x: 2, y: 0 },
    { x: 3, y: 3 },
  ]);
  expect(slope).toBeCloseTo(0.6);
  expect(intercept).toBeCloseTo(0.6);
});
it("is flat where there is one point, or one place", () => {
  expect(lineThrough([{ x: 4, y: 9 }])).toEqual({ slope: 0, intercept: 9 });
  expect(lineThrough([])).toEqual({ slope: 0, intercept: 0 });
});
