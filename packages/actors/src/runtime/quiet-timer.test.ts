import { expect, it } from "vitest";
import { QuietTimer } from "./quiet-timer.ts";
import { simulatedRuntime } from "./simulated-runtime.ts";

it("tells once when nothing has gone on for a while, with one timer however often it is reset", async () => {
  const runtime = simulatedRuntime({ seed: 1 });
  const quiet: number[] = [];
  const timer = new QuietTimer(runtime, 100, () => quiet.push(runtime.now()));
  for (let n = 0; n < 50; n++) {
    timer.reset();
    await runtime.advance(10);
    expect(runtime.timers).toBe(1);
  }
  expect(quiet).toEqual([]);
  await runtime.advance(1_000);
  expect(quiet).toEqual([600]);
  expect(runtime.timers).toBe(0);
  timer.reset();
  timer.stop();
  expect(runtime.timers).toBe(0);
});
