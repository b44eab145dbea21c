import { expect, it } from "vitest";
import type { Frame } from "../protocol/frames.ts";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import type { Drain } from "./drain.ts";
import { Intake } from "./intake.ts";
import { Rates } from "./rates.ts";
import { SHARE_SLICES, Turns } from "./turns.ts";

it("a frame is decoded in its turn and not before, which may take longer than to handle it", async () => {
  const runtime = simulatedRuntime({ seed: 1 });
  const turns = new Turns(runtime, 1);
  const rates = { framesPerSecondMax: 1_000, questionsPerSecondMax: 1_000 };
  const frame: Frame = { type: "heartbeat", beat: 1, grantsSeen: 0, leases: [] };
  let [decoded, handled] = [0, 0];
  const reader = () => {
    let done = false;
    return {
      next: () => {
        if (done) return null;
        done = true;
        decoded++;
        return frame;
      },
      get done() {
        return done;
      },
    };
  };
  const none = () => {};
  const owner = { reader, handle: () => void handled++, rest: none, failed: none, limited: none, ended: none };
  const intakes = Array.from(
    { length: SHARE_SLICES + 3 },
    () =>
      new Intake(owner, {
        link: { pause: none, resume: none },
        runtime,
        turns,
        principal: "mallory",
        rates: new Rates(runtime, rates),
        outbox: { congested: false } as Drain,
      }),
  );
  for (const intake of intakes) intake.take(new Uint8Array(1), runtime.now());
  expect([decoded, handled]).toEqual([SHARE_SLICES, SHARE_SLICES]);
  await runtime.advance(10);
  expect([decoded, handled]).toEqual([intakes.length, intakes.length]);
});
