import { expect, it } from "vitest";
import { macrotask } from "./macrotask.ts";
import { TurnEnd } from "./turn-end.ts";

it("runs what is left once the turn has ended, in order, with what that adds", async () => {
  const seen: string[] = [];
  const turnEnd = new TurnEnd();
  turnEnd.add(() => {
    seen.push("a");
    turnEnd.add(() => seen.push("c"));
  });
  turnEnd.add(() => seen.push("b"));
  for (let n = 0; n < 10; n++) await Promise.resolve();
  expect([seen, turnEnd.isOver]).toEqual([[], false]);
  await macrotask();
  expect([seen, turnEnd.isOver]).toEqual([["a", "b", "c"], true]);
});

it("goes on behind one that throws", () => {
  const turns: (() => void)[] = [];
  const seen: string[] = [];
  const turnEnd = new TurnEnd((fn) => turns.push(fn));
  turnEnd.add(() => {
    throw new Error("bad");
  });
  turnEnd.add(() => seen.push("next"));
  expect(turns.length).toBe(1);
  expect(() => turns.shift()?.()).toThrow("bad");
  expect([seen, turnEnd.isOver]).toEqual([[], false]);
  turns.shift()?.();
  expect([seen, turnEnd.isOver, turns]).toEqual([["next"], true, []]);
});
