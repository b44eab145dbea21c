// group.machine.ts: have the members stood long enough for their queues to be dealt out anew?
import { assign, emit, setup } from "xstate";

/**
 * Rule 18: a change of members counts after it stood this long (a link that is back by then changes nothing); a
 * leave, or the first member, counts at once.
 */
const SETTLE_MS = 1_000;

export type GroupEvent =
  | { readonly type: "members.changed"; readonly atOnce: boolean }
  /** Every queue is where the plan wants it. */
  | { readonly type: "plan.done" };
export type GroupEmitted = { readonly type: "plan.due" };

export const groupMachine = setup({
  types: { context: {} as { readonly waitMs: number }, events: {} as GroupEvent, emitted: {} as GroupEmitted },
  delays: { settleDelay: ({ context }) => context.waitMs },
  actions: {
    noteWait: assign((_, atOnce: boolean) => ({ waitMs: atOnce ? 0 : SETTLE_MS })),
    askForPlan: emit({ type: "plan.due" }),
  },
}).createMachine({
  id: "group",
  initial: "stable",
  context: { waitMs: SETTLE_MS },
  on: {
    "members.changed": {
      target: ".rebalancing.settling",
      actions: { type: "noteWait", params: ({ event }) => event.atOnce },
    },
  },
  states: {
    stable: {},
    rebalancing: {
      initial: "settling",
      on: { "plan.done": "stable" },
      states: {
        settling: { after: { settleDelay: { target: "moving", actions: "askForPlan" } } },
        moving: {},
      },
    },
  },
});
