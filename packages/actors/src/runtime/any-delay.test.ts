import { expect, it, vi } from "vitest";
import { DURATION_MS_MAX } from "../message/duration.ts";
import { timersOfAnyDelay } from "./any-delay.ts";
import { type SimulatedRuntime, simulatedRuntime } from "./simulated-runtime.ts";
import { systemRuntime } from "./system-runtime.ts";

const DAY_MS = 86_400_000;
/** As platforms do it: too long is at once. */
function platform(runtime: SimulatedRuntime) {
  const delays: number[] = [];
  const timers = timersOfAnyDelay({
    now: runtime.now,
    clearTimeout: runtime.clearTimeout,
    setTimeout(fn, ms) {
      delays.push(ms);
      return runtime.setTimeout(fn, ms > DURATION_MS_MAX ? 1 : ms);
    },
  });
  return { ...timers, delays };
}

it("fires after any delay, once and not sooner", async () => {
  const runtime = simulatedRuntime({ seed: 1 });
  const { setTimeout, delays } = platform(runtime);
  const fired: [delay: number, at: number][] = [];
  for (const ms of [0, 5, DURATION_MS_MAX, DURATION_MS_MAX + 1, 2 ** 33, 365 * DAY_MS])
    setTimeout(() => fired.push([ms, runtime.now()]), ms);
  setTimeout(() => fired.push([Number.POSITIVE_INFINITY, runtime.now()]), Number.POSITIVE_INFINITY);
  await runtime.advance(3_650 * DAY_MS);
  expect(fired).toEqual([0, 5, DURATION_MS_MAX, DURATION_MS_MAX + 1, 2 ** 33, 365 * DAY_MS].map((ms) => [ms, ms]));
  expect(Math.max(...delays)).toBe(DURATION_MS_MAX);
  expect(runtime.timers).toBe(0);
});
it("can be cleared in every leg", async () => {
  const runtime = simulatedRuntime({ seed: 1 });
  const { setTimeout, clearTimeout } = platform(runtime);
  const fired = vi.fn();
  const ids = [5, 2 ** 33, 2 ** 33, Number.POSITIVE_INFINITY].map((ms) => setTimeout(fired, ms));
  clearTimeout(ids[0]);
  clearTimeout(ids[1]);
  clearTimeout(ids[3]);
  await runtime.advance(2 * DURATION_MS_MAX);
  clearTimeout(ids[2]);
  await runtime.advance(2 ** 40);
  expect(fired).not.toHaveBeenCalled();
  expect(runtime.timers).toBe(0);
});
it("is what the real runtime has: no delay reaches the platform that it would cut to 1 ms", () => {
  const delays: (number | undefined)[] = [];
  vi.stubGlobal("setTimeout", (_fn: () => void, ms?: number) => delays.push(ms));
  const cleared = vi.fn();
  vi.stubGlobal("clearTimeout", cleared);
  const { setTimeout, clearTimeout } = systemRuntime();
  for (const ms of [7, 2 ** 31 - 1, 2 ** 31, 2 ** 53, Number.POSITIVE_INFINITY]) clearTimeout(setTimeout(() => {}, ms));
  expect(delays).toEqual([7, DURATION_MS_MAX, DURATION_MS_MAX, DURATION_MS_MAX]);
  expect(cleared.mock.calls.flat()).toEqual([1, 2, 3, 4, null]);
});
it("is what the simulated runtime does by itself", async () => {
  const runtime = simulatedRuntime({ seed: 1 });
  const fired: number[] = [];
  for (const ms of [2 ** 31, 2 ** 40, Number.POSITIVE_INFINITY])
    runtime.setTimeout(() => fired.push(runtime.now()), ms);
  await runtime.advance(2 ** 41);
  expect(fired).toEqual([2 ** 31, 2 ** 40]);
});
