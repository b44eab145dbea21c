import { expect, it } from "vitest";
import { epoch, sequence } from "../message/brands.ts";
import type { Frame } from "../protocol/frames.ts";
import { binaryCodec } from "../protocol/index.ts";
import { type SimulatedRuntime, simulatedRuntime } from "../runtime/simulated-runtime.ts";
import type { Drain } from "./drain.ts";
import { Intake, type IntakeParts } from "./intake.ts";
import { Rates } from "./rates.ts";
import { SHARE_SLICES, Turns } from "./turns.ts";

const none = () => {};
function intakeOn(runtime: SimulatedRuntime, turns: Turns, more: Pick<IntakeParts, "reader" | "handle">): Intake {
  const rates = new Rates(runtime, { framesPerSecondMax: 1_000, questionsPerSecondMax: 1_000 });
  const rest = { rest: none, failed: none, limited: none, ended: none, unread: { congested: false } as Drain };
  return new Intake({
    link: { pause: none, resume: none },
    runtime,
    turns,
    principal: "mallory",
    rates,
    ...rest,
    ...more,
  });
}

it("a frame is decoded in its turn and not before, which may take longer than to handle it", async () => {
  const runtime = simulatedRuntime({ seed: 1 });
  const turns = new Turns(runtime, 1);
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
  const handle = () => void handled++;
  const intakes = Array.from({ length: SHARE_SLICES + 3 }, () => intakeOn(runtime, turns, { reader, handle }));
  for (const intake of intakes) intake.take(new Uint8Array(1), runtime.now());
  expect([decoded, handled]).toEqual([SHARE_SLICES, SHARE_SLICES]);
  await runtime.advance(10);
  expect([decoded, handled]).toEqual([intakes.length, intakes.length]);
});

it("reads the clock once for a packet, and in a long one every few frames, every 4 KiB and after each that is not common", () => {
  const simulated = simulatedRuntime({ seed: 1 });
  let reads = 0;
  const now = (): number => {
    reads++;
    return 0;
  };
  const runtime = { ...simulated, now };
  const intake = intakeOn(runtime, new Turns(runtime), {
    reader: (packet) => binaryCodec.reader(packet),
    handle: none,
  });
  const readsFor = (...frames: readonly Frame[]): number => {
    reads = 0;
    intake.take(binaryCodec.encode(frames), 0);
    return reads;
  };
  const credit: Frame = { type: "credit", member: 1, queue: 0, epoch: epoch(1), messages: 1, bytes: 1 };
  const batch = (bytes: number): Frame => {
    const at = { lane: 1, epoch: epoch(1), sequence: sequence(0), count: 1, durability: "memory" } as const;
    return { type: "batch.append", ...at, messages: new Uint8Array(bytes) };
  };
  const beat: Frame = { type: "heartbeat", beat: 1, grantsSeen: 0, leases: [] };
  const times = (count: number, frame: Frame): Frame[] => Array.from({ length: count }, () => frame);
  expect(readsFor(credit)).toBe(1);
  expect(readsFor(batch(100_000))).toBe(1);
  expect(readsFor(...times(8, credit))).toBe(1);
  expect(readsFor(...times(33, credit))).toBe(1 + 4);
  expect(readsFor(...times(5, batch(5_000)))).toBe(1 + 4);
  expect(readsFor(...times(3, beat))).toBe(1 + 2);
});
