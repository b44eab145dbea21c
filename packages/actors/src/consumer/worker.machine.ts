// worker.machine.ts: may this worker start handlers and settle right now, and what is it waiting for?
import { type ActorRefFrom, assign, type SnapshotFrom, setup } from "xstate";

/** What the worker does when its machine says so. In the machine's input rather than given with `provide`, which would build the machine anew for each worker. */
export interface WorkerEffects {
  requestLease(): void;
  finishUp(): void;
  abortAttempts(): void;
  releaseLease(): void;
  dropLease(reason: LeaseLostReason): void;
  letGo(): void;
}
export type WorkerInput = Readonly<{
  queue: number;
  effects: WorkerEffects;
  /** From a fired signal until the handler is abandoned. */
  graceMs: number;
}>;
type WorkerContext = WorkerInput &
  Readonly<{
    /** How long a drain waits for the attempts in hand; `null` before there is one. */
    withinMs: number | null;
    /** The queue stands still for the group: nothing starts until this lease is over. */
    halted: boolean;
    lost: LeaseLostReason | null;
  }>;
export type LeaseLostReason = "expired" | "fenced" | "revoked";
export type WorkerEvent =
  | { readonly type: "lease.granted" }
  /** The offer was gone, or the grant came too late: nothing is held. */
  | { readonly type: "lease.refused" }
  | { readonly type: "lease.revoke"; readonly withinMs: number }
  | { readonly type: "lease.released" }
  | { readonly type: "lease.lost"; readonly reason: LeaseLostReason }
  | { readonly type: "handler.started" }
  /** Nothing runs; some message waits for its next attempt. */
  | { readonly type: "retry.awaited" }
  /** Nothing runs; some message is being set aside. */
  | { readonly type: "aside.awaited" }
  | { readonly type: "buffer.emptied" }
  | { readonly type: "queue.halted" }
  /** While draining: nothing is in hand any more. */
  | { readonly type: "attempts.ended" };

/** How long the last words of a drain (raise, release) may take before the lease is given up without them. */
const LAST_WORDS_MS = 1_000;

const worker = setup({
  types: {
    input: {} as WorkerInput,
    context: {} as WorkerContext,
    events: {} as WorkerEvent,
    tags: {} as "leased" | "starting",
  },
  actions: {
    // what the worker does about it
    requestLease: ({ context }) => context.effects.requestLease(),
    finishUp: ({ context }) => context.effects.finishUp(),
    abortAttempts: ({ context }) => context.effects.abortAttempts(),
    releaseLease: ({ context }) => context.effects.releaseLease(),
    dropLease: ({ context }, reason: LeaseLostReason) => context.effects.dropLease(reason),
    letGo: ({ context }) => context.effects.letGo(),
    // what it remembers
    recordRevoke: assign(({ context }, withinMs: number) => ({
      withinMs: Math.min(withinMs, context.withinMs ?? withinMs),
    })),
    recordHalt: assign({ halted: true }),
    recordLost: assign((_, reason: LeaseLostReason) => ({ lost: reason })),
  },
  guards: { isRevoked: ({ context }) => context.withinMs !== null },
  delays: {
    drainDeadline: ({ context }) => context.withinMs ?? 0,
    giveUpDeadline: ({ context }) => (context.withinMs ?? 0) + context.graceMs + LAST_WORDS_MS,
  },
});

export const workerMachine = worker.createMachine({
  id: "worker",
  initial: "acquiring",
  context: ({ input }) => ({ ...input, withinMs: null, halted: false, lost: null }),
  on: {
    "lease.lost": { target: ".lost", actions: { type: "recordLost", params: ({ event }) => event.reason } },
    "lease.revoke": { target: ".draining", actions: { type: "recordRevoke", params: ({ event }) => event.withinMs } },
    "handler.started": ".handling",
    "retry.awaited": ".backingOff",
    "aside.awaited": ".settingAside",
    "buffer.emptied": ".waiting",
    "queue.halted": { target: ".settingAside", actions: "recordHalt" },
  },
  states: {
    acquiring: {
      entry: "requestLease",
      on: {
        "lease.granted": [{ guard: "isRevoked", target: "draining" }, { target: "waiting" }],
        "lease.refused": "released",
        // remembered until the lease is there
        "lease.revoke": { actions: { type: "recordRevoke", params: ({ event }) => event.withinMs } },
      },
    },
    waiting: { tags: ["leased", "starting"] },
    handling: { tags: ["leased", "starting"] },
    backingOff: { tags: ["leased", "starting"] },
    settingAside: { tags: ["leased", "starting"] },
    // finishes the attempts in hand (no retries), gives the lease back with the last settles
    draining: {
      tags: ["leased"],
      entry: "finishUp",
      after: {
        drainDeadline: { actions: "abortAttempts" },
        giveUpDeadline: { target: "lost", actions: { type: "recordLost", params: "revoked" } },
      },
      on: {
        "attempts.ended": { actions: "releaseLease" },
        "lease.released": "released",
        // the same drain, sooner
        "lease.revoke": {
          target: "draining",
          reenter: true,
          actions: { type: "recordRevoke", params: ({ event }) => event.withinMs },
        },
        "queue.halted": { actions: "recordHalt" },
        "handler.started": {},
        "retry.awaited": {},
        "aside.awaited": {},
        "buffer.emptied": {},
      },
    },
    released: { type: "final", entry: "letGo" },
    lost: {
      type: "final",
      entry: [{ type: "dropLease", params: ({ context }) => context.lost ?? "expired" }, "letGo"],
    },
  },
});
export type WorkerRef = ActorRefFrom<typeof workerMachine>;
type WorkerSnapshot = SnapshotFrom<typeof workerMachine>;
export const mayStart = (snapshot: WorkerSnapshot): boolean => snapshot.hasTag("starting") && !snapshot.context.halted;
export const isDraining = (snapshot: WorkerSnapshot): boolean => snapshot.value === "draining";
