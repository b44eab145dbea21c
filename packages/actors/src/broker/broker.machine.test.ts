import { expect, it } from "vitest";
import { createActor, type EventFrom } from "xstate";
import { brokerMachine } from "./broker.machine.ts";

/** Runs the machine; tells its state, whether it takes links, and each end that it has asked for. */
function after(...events: EventFrom<typeof brokerMachine>[]) {
  const actor = createActor(brokerMachine);
  const ends: number[] = [];
  actor.on("end.due", ({ timeoutMs }) => ends.push(timeoutMs));
  actor.start();
  for (const event of events) actor.send(event);
  const snapshot = actor.getSnapshot();
  return [snapshot.value, snapshot.hasTag("admitting"), ends];
}
const started = { type: "broker.started" } as const;
const stopped = { type: "broker.stopped" } as const;
const close = (timeoutMs: number) => ({ type: "broker.close", timeoutMs }) as const;
const failed = (timeoutMs: number) => ({ type: "broker.failed", timeoutMs }) as const;

it("takes links while it starts and serves, and never again", () => {
  expect(after()).toEqual(["starting", true, []]);
  expect(after(started)).toEqual(["serving", true, []]);
  expect(after(started, close(1))).toEqual(["draining", false, [1]]);
  expect(after(close(1), started)).toEqual(["draining", false, [1]]); // a start that comes too late
  expect(after(failed(1), started)).toEqual(["failed", false, [1]]);
});

it("asks for the end once, in the time of whoever asked first", () => {
  expect(after(started, close(1), close(2), failed(3))).toEqual(["failed", false, [1]]);
  expect(after(started, failed(1), close(2), failed(3), stopped)).toEqual(["stopped", false, [1]]);
  expect(after(started, close(1), stopped, close(2), failed(3))).toEqual(["stopped", false, [1]]);
});
