// broker.machine.ts: does this broker take links and work, and when does it let everything go?
import { emit, type SnapshotFrom, setup } from "xstate";

export type BrokerEvent =
  | { readonly type: "broker.started" }
  | { readonly type: "broker.close"; readonly timeoutMs: number }
  /** It could not start, or its data belong to another process now. */
  | { readonly type: "broker.failed"; readonly timeoutMs: number }
  | { readonly type: "broker.stopped" };
/** Everything is to end, within this time. Once, whoever asks for it, and however often. */
export type BrokerEmitted = { readonly type: "end.due"; readonly timeoutMs: number };

export const brokerMachine = setup({
  types: { events: {} as BrokerEvent, emitted: {} as BrokerEmitted, tags: {} as "admitting" },
  actions: { askForEnd: emit((_, timeoutMs: number) => ({ type: "end.due" as const, timeoutMs })) },
}).createMachine({
  id: "broker",
  initial: "starting",
  on: {
    "broker.close": { target: ".draining", actions: { type: "askForEnd", params: ({ event }) => event.timeoutMs } },
    "broker.failed": { target: ".failed", actions: { type: "askForEnd", params: ({ event }) => event.timeoutMs } },
  },
  states: {
    starting: { tags: "admitting", on: { "broker.started": "serving" } },
    serving: { tags: "admitting" },
    draining: { on: { "broker.close": {}, "broker.failed": "failed", "broker.stopped": "stopped" } },
    failed: { on: { "broker.close": {}, "broker.failed": {}, "broker.stopped": "stopped" } },
    stopped: { on: { "broker.close": {}, "broker.failed": {} } },
  },
});
export type BrokerState = SnapshotFrom<typeof brokerMachine>["value"];
