import { expect, it } from "vitest";
import { Recurring } from "./recurring.ts";
import { simulatedRuntime } from "./simulated-runtime.ts";

it("comes round after what it threw or rejected with, which is told", async () => {
  const runtime = simulatedRuntime({ seed: 1 });
  const turns: number[] = [];
  const failures: string[] = [];
  const work = new Recurring(
    runtime,
    100,
    () => {
      turns.push(runtime.now());
      if (turns.length === 1) throw new Error("thrown");
      return turns.length === 2 ? Promise.reject(new Error("rejected")) : undefined;
    },
    (error) => failures.push(String(error)),
  );
  await runtime.advance(450);
  expect(turns).toEqual([100, 200, 300, 400]);
  expect(failures).toEqual(["Error: thrown", "Error: rejected"]);
  work.stop();
  expect(runtime.timers).toBe(0);
});
it("waits for a turn to end before it counts to the next, and takes none after a stop within one", async () => {
  const runtime = simulatedRuntime({ seed: 1 });
  const turns: number[] = [];
  const work = new Recurring(
    runtime,
    100,
    async () => {
      turns.push(runtime.now());
      await new Promise<void>((resolve) => void runtime.setTimeout(resolve, 250));
      if (turns.length === 2) work.stop();
    },
    () => {},
  );
  await runtime.advance(2_000);
  expect(turns).toEqual([100, 450]);
  expect(runtime.timers).toBe(0);
});
