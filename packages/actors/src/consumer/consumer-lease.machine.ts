// consumer-lease.machine.ts: does this consumer hold the lease of one queue, and what may be done under it now?
import { assign, emit, type SnapshotFrom, setup } from "xstate";

export type LeaseLostReason = "expired" | "fenced" | "revoked";
/** What the broker is asked about an epoch that is held. While that is open, nothing else goes under the epoch. */
export type LeaseQuestion = "resume" | "raise" | "release";
export type LeaseInput = Readonly<{
  /** Unordered: the queue is shared, there is no lease. What is in hand ends with the link. */
  isShared: boolean;
}>;
type LeaseContext = LeaseInput &
  Readonly<{
    /** How long a drain waits for the attempts in hand, ms; `null` before there is one. */
    withinMs: number | null;
    /** The consumer closes: nobody waits for a link to give the lease back on. */
    isClosing: boolean;
  }>;
export type LeaseEvent =
  /** `isLate`: so little of it is left that a heartbeat must renew it before anything starts (rule 17). */
  | { readonly type: "lease.granted"; readonly isLate: boolean }
  /** The offer was gone, or the grant came too late: nothing is held. */
  | { readonly type: "lease.refused" }
  | { readonly type: "lease.renewed" }
  | { readonly type: "lease.revoke"; readonly withinMs: number; readonly isClosing: boolean }
  | { readonly type: "lease.released" }
  | { readonly type: "lease.lost"; readonly reason: LeaseLostReason }
  /** The broker offers the queue anew: nobody holds its lease, as it sees it. */
  | { readonly type: "lease.offered" }
  /** An abandoned handler runs on: the epoch must rise above its own. */
  | { readonly type: "raise.due" }
  /** The broker cannot answer now: ask again. */
  | { readonly type: "question.due" }
  | { readonly type: "link.lost" }
  /** The consumer is a member again, on another link. */
  | { readonly type: "link.joined" }
  /** The queue stands still for the group: nothing starts until this lease is over. */
  | { readonly type: "queue.halted" }
  /** Draining: nothing is in hand any more. `isToldAll`: the broker has confirmed all that was handled. */
  | { readonly type: "attempts.ended"; readonly isToldAll: boolean };
export type LeaseEmitted =
  | { readonly type: "question.asked"; readonly question: LeaseQuestion }
  /** Finish the attempts in hand, no retries; give the lease back with the last settles. */
  | { readonly type: "drain.begun"; readonly withinMs: number }
  /** None of what is in hand counts any more. */
  | { readonly type: "lease.dropped"; readonly reason: LeaseLostReason }
  /** Released or lost: there is nothing more to do here. */
  | { readonly type: "lease.ended" };

const lease = setup({
  types: {
    input: {} as LeaseInput,
    context: {} as LeaseContext,
    events: {} as LeaseEvent,
    emitted: {} as LeaseEmitted,
  },
  guards: {
    isLate: (_, isLate: boolean) => isLate,
    isShared: ({ context }) => context.isShared,
    isRevoked: ({ context }) => context.withinMs !== null,
    isRevokedShare: ({ context }) => context.withinMs !== null && context.isShared,
    isClosing: ({ context }, isToldAll: boolean) => context.isClosing && isToldAll,
  },
  actions: {
    recordRevoke: assign(({ context }, revoke: { withinMs: number; isClosing: boolean }) => ({
      withinMs: Math.min(revoke.withinMs, context.withinMs ?? revoke.withinMs),
      isClosing: context.isClosing || revoke.isClosing,
    })),
    ask: emit((_, question: LeaseQuestion) => ({ type: "question.asked" as const, question })),
    beginDrain: emit(({ context }) => ({ type: "drain.begun" as const, withinMs: context.withinMs ?? 0 })),
    drop: emit((_, reason: LeaseLostReason) => ({ type: "lease.dropped" as const, reason })),
    end: emit({ type: "lease.ended" }),
  },
});

type Of<T extends LeaseEvent["type"]> = { readonly event: Extract<LeaseEvent, { readonly type: T }> };
const isLate = { type: "isLate", params: ({ event }: Of<"lease.granted">) => event.isLate } as const;
const whenGranted = [{ guard: isLate, target: "late" }, { target: "current" }] as const;
const recordRevoke = { type: "recordRevoke", params: ({ event }: Of<"lease.revoke">) => event } as const;
const asExpired = { target: "#lost", actions: { type: "drop", params: "expired" } } as const;
/** While it is the holder's word that counts: an offer says that the broker sees no holder. */
const whenUsable = {
  "raise.due": "raising",
  "lease.offered": [{ guard: "isRevoked" }, asExpired],
  "attempts.ended": [
    { guard: "isRevokedShare", target: "#released" },
    { guard: "isRevoked", target: "releasing" },
  ],
} as const;

/**
 * ```
 *   acquiring ──refused, link lost──▶ released
 *       │ granted                        ▲
 *       ▼                                │ released
 *   held: both of                        │
 *     work   serving ──halted──▶ halted  │
 *               └───────┬──────────┘     │
 *                     revoke             │
 *                       ▼                │
 *                    draining            │
 *     epoch  late ──renewed──▶ current   │
 *               raise due: raising ──granted──▶ current
 *               attempts ended: releasing
 *               link lost: unlinked ──joined──▶ resuming ──granted──▶ current
 *       │ expired, fenced, revoked
 *       ▼
 *     lost
 * ```
 * Handlers start while it serves and is current. Settles, credit and what is set aside go while it is current or late.
 */
export const consumerLeaseMachine = lease.createMachine({
  id: "consumerLease",
  initial: "acquiring",
  context: ({ input }) => ({ ...input, withinMs: null, isClosing: false }),
  on: { "lease.lost": { target: "#lost", actions: { type: "drop", params: ({ event }) => event.reason } } },
  states: {
    acquiring: {
      on: {
        "lease.granted": [{ guard: isLate, target: "held.epoch.late" }, { target: "held" }],
        "lease.refused": "released",
        "lease.revoke": { actions: recordRevoke }, // remembered until the lease is there
        "link.lost": "released",
      },
    },
    held: {
      type: "parallel",
      states: {
        work: {
          initial: "deciding",
          // one that comes while it drains is the same drain, sooner
          on: { "lease.revoke": { target: ".draining", actions: recordRevoke } },
          states: {
            deciding: { always: [{ guard: "isRevoked", target: "draining" }, { target: "serving" }] },
            serving: { on: { "queue.halted": "halted" } },
            halted: {},
            draining: { entry: "beginDrain" },
          },
        },
        epoch: {
          initial: "current",
          on: { "link.lost": [{ guard: "isShared", ...asExpired }, { target: ".unlinked" }] },
          states: {
            late: { on: { ...whenUsable, "lease.renewed": "current" } },
            current: { on: whenUsable },
            raising: {
              entry: { type: "ask", params: "raise" },
              on: { "lease.granted": whenGranted, "question.due": { target: "raising", reenter: true } },
            },
            releasing: {
              entry: { type: "ask", params: "release" },
              on: { "lease.released": "#released", "question.due": { target: "releasing", reenter: true } },
            },
            unlinked: {
              on: {
                "link.joined": "resuming",
                "attempts.ended": {
                  ...asExpired,
                  guard: { type: "isClosing", params: ({ event }) => event.isToldAll },
                },
              },
            },
            resuming: {
              entry: { type: "ask", params: "resume" },
              on: { "lease.granted": whenGranted, "question.due": { target: "resuming", reenter: true } },
            },
          },
        },
      },
    },
    released: { id: "released", type: "final", entry: "end" },
    lost: { id: "lost", type: "final", entry: "end" },
  },
});

/** What the worker is about. */
export type LeasePhase = "acquiring" | "serving" | "halted" | "draining" | "released" | "lost";
/** How the epoch stands with the broker; `null` while nothing is held. */
export type EpochState = "late" | "current" | "raising" | "releasing" | "unlinked" | "resuming" | null;
/** What the machine says, as everybody else reads it. */
export interface LeaseStatus {
  readonly phase: LeasePhase;
  readonly epoch: EpochState;
  /** Handlers may start. Without a link they may not: nothing could be settled, and all would be handled again. */
  readonly mayStart: boolean;
  /** Settles, credit and what is set aside may be sent. */
  readonly maySend: boolean;
  /** The broker's answer to a question says what becomes of the epoch. */
  readonly isAsking: boolean;
  readonly isOver: boolean;
}
export function statusOf({ value }: SnapshotFrom<typeof consumerLeaseMachine>): LeaseStatus {
  if (typeof value === "string") return status(value, null);
  return status(value.held.work as Exclude<typeof value.held.work, "deciding">, value.held.epoch);
}
const status = (phase: LeasePhase, epoch: EpochState): LeaseStatus => ({
  phase,
  epoch,
  mayStart: phase === "serving" && epoch === "current",
  maySend: epoch === "current" || epoch === "late",
  isAsking: phase === "acquiring" || epoch === "resuming" || epoch === "raising" || epoch === "releasing",
  isOver: phase === "released" || phase === "lost",
});
export const ACQUIRING = status("acquiring", null);
export const LOST = status("lost", null);
