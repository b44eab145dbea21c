// queue.machine.ts: may this queue take messages right now, and when is it read anew after a failure?
//
//                  queue.recovered          queue.filled
//     recovering ─────────────────▶ active ──────────────▶ full: no room for the batch that came
//      │  ▲  │                       │  ▲    queue.drained   │
//      │  │  │                       │  └────────────────────┤
//      │  └──│────── commit.failed ──┴───────────────────────┘
//      │     └ recovery.failed: once more, after a pause
//      └ recovery.failed, and final ──▶ failed: its data are damaged, it refuses everything
import { emit, type SnapshotFrom, setup } from "xstate";

/**
 * A store that fails again and again is not asked without a pause: producers that wait for nothing send again at once.
 */
const RECOVER_EACH_MS = 500;

export type QueueEvent =
  | { readonly type: "queue.recovered" }
  /** `isFinal`: trying again cannot help, its data are damaged. */
  | { readonly type: "recovery.failed"; readonly isFinal: boolean }
  | { readonly type: "commit.failed"; readonly sinceRecoveryMs: number }
  | { readonly type: "queue.filled" }
  | { readonly type: "queue.drained" }
  | { readonly type: "queue.close" };
/** The log is to be read from the store, so long from now. */
export type QueueDecision = { readonly type: "recovery.due"; readonly inMs: number };

const COMMIT_FAILED = {
  target: "recovering",
  actions: {
    type: "askForRecovery",
    params: ({ event }: { event: { sinceRecoveryMs: number } }) => RECOVER_EACH_MS - event.sinceRecoveryMs,
  },
} as const;

export const queueMachine = setup({
  types: { events: {} as QueueEvent, emitted: {} as QueueDecision, tags: {} as "open" },
  guards: { isFinal: (_, isFinal: boolean) => isFinal },
  actions: { askForRecovery: emit((_, inMs: number) => ({ type: "recovery.due" as const, inMs })) },
}).createMachine({
  id: "queue",
  initial: "recovering",
  on: { "queue.close": ".closing" },
  states: {
    recovering: {
      on: {
        "queue.recovered": "active",
        "recovery.failed": [
          { guard: { type: "isFinal", params: ({ event }) => event.isFinal }, target: "failed" },
          { actions: { type: "askForRecovery", params: RECOVER_EACH_MS } },
        ],
      },
    },
    active: {
      tags: "open",
      on: {
        "queue.filled": "full",
        "commit.failed": COMMIT_FAILED,
      },
    },
    full: {
      tags: "open",
      on: {
        "queue.drained": "active",
        "commit.failed": COMMIT_FAILED,
      },
    },
    failed: {},
    closing: {},
  },
});
type QueueSnapshot = SnapshotFrom<typeof queueMachine>;
/** Its log may be changed: it is neither being read, nor damaged, nor closing. */
export const isOpen = (snapshot: QueueSnapshot): boolean => snapshot.hasTag("open");
export const isFull = (snapshot: QueueSnapshot): boolean => snapshot.value === "full";
