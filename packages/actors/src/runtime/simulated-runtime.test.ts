import { expect, it } from "vitest";
import { createActor, createMachine } from "xstate";
import { xoshiro128 } from "./random.ts";
import { simulatedRuntime } from "./simulated-runtime.ts";

it("runs timers in the order of their due time, then of when they were set", async () => {
  const runtime = simulatedRuntime({ seed: 1 });
  const ran: string[] = [];
  runtime.setTimeout(() => ran.push(`c@${runtime.now()}`), 20);
  runtime.setTimeout(() => ran.push(`a@${runtime.now()}`), 10);
  runtime.setTimeout(() => ran.push(`b@${runtime.now()}`), 10);
  await runtime.advance(15);
  expect(ran).toEqual(["a@10", "b@10"]);
  expect(runtime.now()).toBe(15);
  await runtime.advance(5);
  expect(ran).toEqual(["a@10", "b@10", "c@20"]);
});

it("runs everything a timer set off before the next timer", async () => {
  const runtime = simulatedRuntime({ seed: 1 });
  const ran: string[] = [];
  const later = async () => {
    for (let n = 0; n < 200; n++) await null;
    ran.push("after 200 awaits");
    runtime.setTimeout(() => ran.push("set on the way"), 1);
  };
  runtime.setTimeout(() => void later(), 10);
  runtime.setTimeout(() => ran.push("second timer"), 12);
  await runtime.advance(100);
  expect(ran).toEqual(["after 200 awaits", "set on the way", "second timer"]);
});

it("keeps a cancelled timer from running, also when it is due at the same moment", async () => {
  const runtime = simulatedRuntime({ seed: 1 });
  const ran: number[] = [];
  let second: unknown;
  runtime.setTimeout(() => runtime.clearTimeout(second), 5);
  second = runtime.setTimeout(() => ran.push(2), 5);
  await runtime.advance(10);
  expect(ran).toEqual([]);
  expect(runtime.timers).toBe(0);
});

it("moves both clocks together, and the wall clock alone when told to", async () => {
  const runtime = simulatedRuntime({ seed: 1, wallNow: 1_000_000 });
  await runtime.advance(50);
  expect([runtime.now(), runtime.wallNow()]).toEqual([50, 1_000_050]);
  runtime.jumpWallClock(-3_600_000);
  expect([runtime.now(), runtime.wallNow()]).toEqual([50, -2_599_950]);
});

it("gives the same numbers and ids for the same seed, and others for another", () => {
  const draw = (seed: number) => {
    const runtime = simulatedRuntime({ seed });
    return [runtime.random(), runtime.random(), runtime.id()];
  };
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
  expect(draw(7)[2]).toMatch(/^[0-9a-z]{20}$/);
});

it("draws the published sequence of xoshiro128**", () => {
  const next = xoshiro128([1, 2, 3, 4]);
  expect([next(), next(), next(), next(), next(), next()]).toEqual([
    11520, 0, 5927040, 70819200, 2031721883, 1637235492,
  ]);
});

it("runs until a promise has ended, and says when nothing can end it", async () => {
  const runtime = simulatedRuntime({ seed: 1 });
  const sleep = (ms: number) => new Promise<void>((resolve) => void runtime.setTimeout(resolve, ms));
  await runtime.run(sleep(50_000));
  expect(runtime.now()).toBe(50_000);
  await expect(runtime.run(Promise.reject(new Error("no")))).rejects.toThrow("no");
  await expect(runtime.run(new Promise(() => {}))).rejects.toThrow("no timer is left");
  runtime.setTimeout(() => {}, 1_000);
  await expect(runtime.run(new Promise(() => {}), 500)).rejects.toThrow("past 500 ms");
});

it("drives the delays of a machine", async () => {
  const runtime = simulatedRuntime({ seed: 1 });
  const light = createMachine({ initial: "red", states: { red: { after: { 1000: "green" } }, green: {} } });
  const actor = createActor(light, { clock: runtime }).start();
  await runtime.advance(999);
  expect(actor.getSnapshot().value).toBe("red");
  await runtime.advance(1);
  expect(actor.getSnapshot().value).toBe("green");
});

it("keeps the order of 20,000 timers", async () => {
  const runtime = simulatedRuntime({ seed: 3 });
  let last = -1;
  let sorted = true;
  for (let n = 0; n < 20_000; n++) {
    const due = Math.floor(runtime.random() * 1_000);
    runtime.setTimeout(() => {
      sorted &&= due >= last;
      last = due;
    }, due);
  }
  await runtime.advance(1_000);
  expect([sorted, runtime.timers]).toEqual([true, 0]);
});
