import { expect, it } from "vitest";
import { simulatedRuntime } from "../testing/simulated-runtime.ts";
import { SLICE_MS, Turns } from "./turns.ts";

/** A clock that a turn moves by what it takes. */
function workshop() {
  const runtime = simulatedRuntime({ seed: 1 });
  let spentMs = 0;
  const busy = { ...runtime, now: () => runtime.now() + spentMs };
  const turns = new Turns(busy);
  const log: string[] = [];
  /** Waits for `slices` turns, each of so many ms. */
  const work = (name: string, slices: number, ms: number): void => {
    if (slices === 0) return;
    turns.wait(() => {
      log.push(name);
      spentMs += ms;
      work(name, slices - 1, ms);
    });
  };
  return { runtime, turns, log, work };
}

it("goes round: each has a slice, and whoever has more to do is behind the others", async () => {
  const { runtime, log, work } = workshop();
  work("a", 3, SLICE_MS);
  work("b", 2, SLICE_MS);
  work("c", 1, SLICE_MS);
  await runtime.advance(100);
  expect(log.join("")).toBe("abcaba");
});

it("gives the loop a turn of its own after each slice, and runs short ones together", async () => {
  const { runtime, log, work } = workshop();
  work("a", 3, SLICE_MS);
  for (const name of ["x", "y", "z"]) work(name, 1, 0.1);
  let turn = 0;
  const turnOf: number[] = [];
  const look = (): void => {
    turnOf.push(log.length);
    if (++turn < 6) runtime.setTimeout(look, 0);
  };
  runtime.setTimeout(look, 0);
  await runtime.advance(10);
  // a; x, y, z and a again, which is over its slice; a
  expect(log.join("")).toBe("axyzaa");
  expect(turnOf.slice(0, 4)).toEqual([1, 5, 6, 6]);
});

it("tells turns of the loop apart", async () => {
  const { runtime, turns } = workshop();
  const first = turns.number;
  expect(turns.number).toBe(first);
  await runtime.settle();
  expect(turns.number).toBe(first + 1);
  await runtime.settle();
  await runtime.settle();
  expect(turns.number).toBe(first + 2); // nobody asked in between
});
