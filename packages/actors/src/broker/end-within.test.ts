import { expect, it } from "vitest";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { type EndStep, endWithin } from "./end-within.ts";

const never = new Promise<never>(() => {});
function steps(log: string[], ends: Readonly<Record<string, () => Promise<unknown>>>): EndStep[] {
  return Object.entries(ends).map(([what, end]) => ({
    what: () => what,
    end: () => {
      log.push(what);
      return end();
    },
  }));
}

it("takes one step after another, and leaves no timer", async () => {
  const runtime = simulatedRuntime({ seed: 1 });
  const log: string[] = [];
  const slow = () => new Promise<void>((resolve) => void runtime.setTimeout(() => resolve(void log.push("done")), 40));
  const left = runtime.run(endWithin(runtime, 100, steps(log, { a: slow, b: slow, c: async () => {} })));
  expect(await left).toEqual([]);
  expect(log).toEqual(["a", "done", "b", "done", "c"]);
  expect(runtime.timers).toBe(0);
});
it("waits for nothing past its time, but begins what is left, and tells what has not ended", async () => {
  const runtime = simulatedRuntime({ seed: 1 });
  const log: string[] = [];
  const left = endWithin(
    runtime,
    100,
    steps(log, { a: async () => {}, b: () => never, c: async () => {}, d: () => never }),
  );
  await runtime.advance(99);
  expect(log).toEqual(["a", "b"]);
  expect(await runtime.run(left)).toEqual(["b", "d"]);
  expect(log).toEqual(["a", "b", "c", "d"]);
  expect(runtime.now()).toBe(100);
});
it("goes on past a step that fails, and rejects with the first failure", async () => {
  const runtime = simulatedRuntime({ seed: 1 });
  const log: string[] = [];
  const fail = (text: string) => async () => {
    throw new Error(text);
  };
  const left = endWithin(runtime, 100, steps(log, { a: fail("first"), b: async () => {}, c: fail("second") }));
  await expect(runtime.run(left)).rejects.toThrow("first");
  expect(log).toEqual(["a", "b", "c"]);
});
it("takes a step that throws at once for one that has failed", async () => {
  const runtime = simulatedRuntime({ seed: 1 });
  const log: string[] = [];
  const fail = () => {
    throw new Error("at once");
  };
  await expect(runtime.run(endWithin(runtime, 100, steps(log, { a: fail, b: async () => {} })))).rejects.toThrow(
    "at once",
  );
  expect(log).toEqual(["a", "b"]);
  expect(runtime.timers).toBe(0);
});
