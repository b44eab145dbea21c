// broker.machine.ts: does this broker take links and work?
import { setup } from "xstate";

export type BrokerEvent =
  | { readonly type: "broker.started" }
  | { readonly type: "broker.drain" }
  | { readonly type: "broker.stopped" }
  /** It could not start, or its data belong to another process now. */
  | { readonly type: "broker.failed" };

export const brokerMachine = setup({ types: { events: {} as BrokerEvent } }).createMachine({
  id: "broker",
  initial: "starting",
  states: {
    starting: { on: { "broker.started": "serving", "broker.drain": "draining", "broker.failed": "failed" } },
    serving: { on: { "broker.drain": "draining", "broker.failed": "failed" } },
    draining: { on: { "broker.stopped": "stopped", "broker.failed": "failed" } },
    failed: { on: { "broker.stopped": "stopped" } },
    stopped: {},
  },
});
export type BrokerState = "starting" | "serving" | "draining" | "stopped" | "failed";
