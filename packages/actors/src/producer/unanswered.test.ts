import { expect, it } from "vitest";
import { NO_SLOT } from "../message/route.ts";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { PendingSend } from "./pending-send.ts";
import { Unanswered } from "./unanswered.ts";

it("goes on looking for late sends after one could not be failed", async () => {
  const runtime = simulatedRuntime({ seed: 1 });
  const late: number[] = [];
  const failures: string[] = [];
  const unanswered = new Unanswered(
    runtime,
    (sends) => {
      late.push(...sends.map(({ call }) => call));
      if (late.length === 1) throw new Error("not foreseen");
    },
    (error) => failures.push(String(error)),
  );
  for (const call of [1, 2]) unanswered.push(new PendingSend(call, null, null, NO_SLOT, call * 5_000));
  await runtime.advance(5_000);
  expect([late, failures]).toEqual([[1], ["Error: not foreseen"]]);
  await runtime.advance(1_000);
  expect(late).toEqual([1, 1]); // a second later, not at once
  unanswered.clear();
});
