import { expect, it } from "vitest";
import { simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { Pace } from "./pace.ts";

function setUp() {
  const runtime = simulatedRuntime({ seed: 1 });
  const sent: (readonly [request: number, atMs: number])[] = [];
  const pace = new Pace(runtime, ({ request }) => sent.push([request, runtime.now()]));
  const ask = (from: number, count: number): void => {
    for (let request = from; request < from + count; request++) pace.push({ type: "topic.find", request, topic: "t" });
  };
  return { runtime, sent, pace, ask };
}
const limited = { type: "limited", limit: "questionsPerSecondMax", max: 100, retryInMs: 1_000 } as const;

it("lets questions go at once as long as nobody minds", () => {
  const { runtime, sent, ask } = setUp();
  ask(1, 500);
  expect(sent).toHaveLength(500);
  expect(runtime.timers).toBe(0);
});

it("once told, holds them back for as long as said, then lets them go in order, no faster than said", async () => {
  const { runtime, sent, pace, ask } = setUp();
  pace.slowDown(limited);
  ask(1, 300);
  await runtime.advance(999);
  expect(sent).toEqual([]);
  await runtime.advance(1_001);
  expect(sent.length).toBeGreaterThan(80);
  expect(sent.length).toBeLessThanOrEqual(120);
  await runtime.advance(3_000);
  expect(sent.map(([request]) => request)).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
  const perSecond = sent.filter(([, atMs]) => atMs >= 2_000 && atMs < 3_000).length;
  expect(perSecond).toBeLessThanOrEqual(110);
});

it("waits anew when told again, and is as before once nothing waits", async () => {
  const { runtime, sent, pace, ask } = setUp();
  pace.slowDown(limited);
  ask(1, 10);
  await runtime.advance(900);
  pace.slowDown(limited);
  await runtime.advance(950);
  expect(sent).toEqual([]);
  await runtime.advance(1_000);
  expect(sent).toHaveLength(10);
  expect(runtime.timers).toBe(0);
  ask(11, 500);
  expect(sent).toHaveLength(510);
});

it("sends nothing more once its link has ended", async () => {
  const { runtime, sent, pace, ask } = setUp();
  pace.slowDown(limited);
  ask(1, 10);
  pace.stop();
  await runtime.advance(10_000);
  expect(sent).toEqual([]);
  expect(runtime.timers).toBe(0);
});
