import { describe, expect, it } from "vitest";
import { Arrivals } from "./arrivals.ts";

const judge = (arrived: readonly (readonly [key: number, n: number])[]): readonly string[] => {
  const arrivals = new Arrivals({ messages: 4, keys: 2 });
  for (const [key, n] of arrived) arrivals.take({ key, n });
  return arrivals.verdict();
};
describe("Arrivals", () => {
  it("finds nothing wrong when each key's messages arrive once and in order", () => {
    expect(
      judge([
        [1, 0],
        [0, 0],
        [0, 1],
        [1, 1],
      ]),
    ).toEqual([]);
  });
  it("names a message that is out of order", () => {
    expect(
      judge([
        [0, 1],
        [0, 0],
        [1, 0],
        [1, 1],
      ]),
    ).toContain("key 0: expected 0, found 1");
  });
  it("names a message that arrives again, also after the last", () => {
    const wrong = judge([
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
      [1, 1],
    ]);
    expect(wrong).toContain("key 1: expected 2, found 1 again");
    expect(wrong).toContain("expected 4 messages, found 5");
  });
  it("names a message that is lost", () => {
    expect(
      judge([
        [0, 0],
        [0, 1],
        [1, 0],
      ]),
    ).toEqual(["expected 4 messages, found 3", "key 1: expected 2 messages, found up to 1"]);
  });
  it("names a loss that a repetition hides in the count", () => {
    expect(
      judge([
        [0, 0],
        [0, 0],
        [1, 0],
        [1, 1],
      ]),
    ).toContain("key 0: expected 2 messages, found up to 1");
  });
  it("after a kill, lets messages come again in order, and names a gap behind them", () => {
    const arrivals = new Arrivals({ messages: 4, keys: 1, repeats: true });
    for (const n of [0, 1, 2, 1, 2, 3]) arrivals.take({ key: 0, n });
    expect([arrivals.verdict(), arrivals.again, arrivals.complete]).toEqual([[], 2, true]);
    const gap = new Arrivals({ messages: 4, keys: 1, repeats: true });
    for (const n of [0, 1, 2, 0, 2, 3]) gap.take({ key: 0, n });
    expect(gap.verdict()).toEqual(["key 0: expected 1, found 2"]);
  });
});
