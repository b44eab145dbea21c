// queue.machine.ts: may this queue take messages right now?
import { emit, setup } from "xstate";

export type QueueEvent =
  | { readonly type: "queue.recovered" }
  | { readonly type: "queue.damaged" }
  | { readonly type: "commit.failed" }
  | { readonly type: "queue.filled" }
  | { readonly type: "queue.drained" }
  | { readonly type: "queue.close" };
export type QueueEmitted = { readonly type: "recovery.due" };

export const queueMachine = setup({
  types: { events: {} as QueueEvent, emitted: {} as QueueEmitted },
  actions: { askForRecovery: emit({ type: "recovery.due" }) },
}).createMachine({
  id: "queue",
  initial: "recovering",
  on: { "queue.close": ".closing" },
  states: {
    recovering: {
      on: { "queue.recovered": "active", "queue.damaged": "failed" },
    },
    active: {
      on: { "queue.filled": "full", "commit.failed": { target: "recovering", actions: "askForRecovery" } },
    },
    full: {
      on: { "queue.drained": "active", "commit.failed": { target: "recovering", actions: "askForRecovery" } },
    },
    failed: {}, // refuses everything: its data are damaged
    closing: {},
  },
});
