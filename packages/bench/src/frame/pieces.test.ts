import { describe, expect, it } from "vitest";
import { judgePieces, Pieces } from "./pieces.ts";

const taken = (...messages: readonly (readonly [key: number, n: number])[]) => {
  const pieces = new Pieces();
  for (const [key, n] of messages) pieces.take({ key, n });
  return pieces.list;
};
const expected = { messages: 6, keys: 2 };

describe("Pieces", () => {
  it("keeps one piece for messages that follow each other, whatever keys lie between", () => {
    expect(taken([0, 0], [1, 0], [0, 1], [0, 3])).toMatchObject([
      { key: 0, from: 0, to: 2 },
      { key: 1, from: 0, to: 1 },
      { key: 0, from: 3, to: 4 },
    ]);
  });
});
describe("judgePieces", () => {
  const piece = (key: number, from: number, to: number, atMs: number) => ({ key, from, to, atMs });
  it("finds nothing wrong when a key moves from one consumer to another", () => {
    expect(judgePieces([piece(0, 2, 3, 9), piece(0, 0, 2, 1), piece(1, 0, 3, 1)], expected).verdict()).toEqual([]);
  });
  it("names what both have handled, and what neither has", () => {
    expect(judgePieces([piece(0, 0, 2, 1), piece(0, 1, 3, 9), piece(1, 0, 3, 1)], expected).verdict()).toContain(
      "key 0: expected 2, found 1 again",
    );
    expect(judgePieces([piece(0, 0, 1, 1), piece(0, 2, 3, 9), piece(1, 0, 3, 1)], expected).verdict()).toContain(
      "key 0: expected 1, found 2",
    );
  });
  it("after a kill, counts what was handled again, and still names a gap", () => {
    const after = judgePieces([piece(0, 0, 2, 1), piece(0, 1, 3, 9), piece(1, 0, 3, 1)], {
      ...expected,
      repeats: true,
    });
    expect([after.verdict(), after.again]).toEqual([[], 1]);
    const gap = judgePieces([piece(0, 0, 3, 1), piece(0, 0, 1, 5), piece(0, 2, 3, 9), piece(1, 0, 3, 1)], {
      ...expected,
      repeats: true,
    });
    expect(gap.verdict()).toContain("key 0: expected 1, found 2");
  });
});
