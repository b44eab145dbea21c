import { expect, it } from "vitest";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { Share, SLICE_MS, Turns } from "./turns.ts";

/** A clock that a turn moves by what it takes. */
function workshop() {
  const runtime = simulatedRuntime({ seed: 1 });
  let spentMs = 0;
  const busy = { ...runtime, now: () => runtime.now() + spentMs };
  const turns = new Turns(busy);
  const log: string[] = [];
  /** Waits for `slices` turns, each of so many ms. */
  const work = (name: string, slices: number, ms: number, share = new Share()): void => {
    if (slices === 0) return;
    turns.wait(() => {
      log.push(name);
      spentMs += ms;
      work(name, slices - 1, ms, share);
    }, share);
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

it("goes round by principals: one with many links has no more than one with a single link", async () => {
  const { runtime, turns, log, work } = workshop();
  const [many, single] = [turns.join("many"), turns.join("single")];
  expect(turns.join("many")).toBe(many);
  for (const name of ["1", "2", "3"]) work(name, 2, SLICE_MS, many);
  work("s", 2, SLICE_MS, single);
  await runtime.advance(100);
  expect(log.join("")).toBe("1s2s3123");
});

it("forgets a principal with its last link, and tells none apart where none is known", () => {
  const { turns } = workshop();
  const [first] = [turns.join("a"), turns.join("a")];
  turns.leave("a", first);
  expect(turns.join("a")).toBe(first);
  turns.leave("a", first);
  turns.leave("a", first);
  expect(turns.join("a")).not.toBe(first);
  expect(turns.join(null)).not.toBe(turns.join(null));
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

it("tells turns of the loop apart, in which more than a little was done", async () => {
  const { runtime, turns } = workshop();
  const first = turns.number;
  turns.used(64, 0);
  turns.used(64, 0);
  expect(turns.number).toBe(first);
  await runtime.settle();
  expect(turns.number).toBe(first + 1);
  turns.used(1, 0.5);
  await runtime.settle();
  expect(turns.number).toBe(first + 2);
  turns.used(63, 0.4);
  await runtime.settle();
  expect(turns.number).toBe(first + 2); // that little counts on in the next turn
});
