// lease.machine.ts: who may consume this queue for this group right now, and under which epoch?
//
// The lease of one group on one queue. Its epoch and its holder stand here and nowhere else: the ledger stores them
// with each commit, and whoever judges a frame reads them here.
//
//            lease.grant           lease.revoke
//     vacant ───────────▶ leased ───────────────▶ revoking     renewed only until the revoke's deadline
//       ▲                   │                        │
//       ├───────────────────┴────────────────────────┘
//       │   lease.release, lease.end, or lease.check past the deadline
//       │
//     quarantined ──▶ leased     after a restart: for the recorded holder only, until the recorded TTL has gone
//
// Within `leased`: flowing ◀─▶ suspended (by span or congestion) ──▶ halted (until the lease ends).
import { assign, emit, type SnapshotFrom, setup } from "xstate";
import { type Epoch, epoch, NO_EPOCH } from "../message/brands.ts";
import { type Holder, isSameHolder, type LeaseRecord } from "./holder.ts";

export type LeaseInput = Readonly<{
  /**
   * The last epoch that was used (`NO_EPOCH` when there is no record), and a lease that was live when the broker last
   * stopped.
   */
  recorded: LeaseRecord;
  /** The first epoch of a subscription without a record: larger than that of any record that was deleted (rule 15). */
  firstEpoch: Epoch;
  /** Monotonic ms. */
  at: number;
}>;
type LeaseContext = Readonly<{
  epoch: Epoch;
  firstEpoch: Epoch;
  holder: Holder | null;
  /** When the lease (or the quarantine) ends, monotonic ms. */
  deadline: number;
  /** Until when renewals are answered; past a revoke's deadline they are not (rule 24). */
  renewUntil: number;
}>;
/** `revoked`: whoever held it may not consume any more. */
export type LeaseEndReason = "expired" | "fenced" | "released" | "revoked";
export type FlowEvent = { readonly type: "flow.suspend" } | { readonly type: "flow.resume" };
export type LeaseEvent =
  | { readonly type: "lease.grant"; readonly holder: Holder; readonly at: number }
  | { readonly type: "lease.renew"; readonly at: number }
  /**
   * The clock was read: a lease (or quarantine) past its deadline is over. Sent by a timer, and before whatever a
   * holder asks is judged.
   */
  | { readonly type: "lease.check"; readonly at: number }
  | { readonly type: "lease.raise"; readonly at: number }
  | { readonly type: "lease.release" }
  | { readonly type: "lease.end"; readonly reason: LeaseEndReason }
  | { readonly type: "lease.revoke"; readonly withinMs: number; readonly at: number }
  | { readonly type: "flow.halt" }
  | FlowEvent;
export type LeaseDecision =
  | { readonly type: "lease.granted"; readonly epoch: Epoch; readonly holder: Holder }
  | { readonly type: "lease.ended"; readonly epoch: Epoch; readonly holder: Holder; readonly reason: LeaseEndReason }
  | { readonly type: "queue.vacant" };

const lease = setup({
  types: {
    input: {} as LeaseInput,
    context: {} as LeaseContext,
    events: {} as LeaseEvent,
    emitted: {} as LeaseDecision,
    tags: {} as "held" | "suspended",
  },
  guards: {
    isPast: ({ context }, at: number) => at >= context.deadline,
    isRecordedHolder: ({ context }, holder: Holder) => context.holder !== null && isSameHolder(context.holder, holder),
    mayRenew: ({ context }, at: number) => at < context.renewUntil,
  },
  actions: {
    begin: assign(({ context }, { holder, at }: { holder: Holder; at: number }) => ({
      epoch: context.epoch === NO_EPOCH ? context.firstEpoch : epoch(context.epoch + 1),
      holder,
      deadline: at + holder.ttlMs,
      renewUntil: Number.POSITIVE_INFINITY,
    })),
    // a raise renews, unless a revoke has put an end to renewals
    raise: assign(({ context }, at: number) => ({
      epoch: epoch(context.epoch + 1),
      deadline: at < context.renewUntil ? at + (context.holder?.ttlMs ?? 0) : context.deadline,
    })),
    renew: assign(({ context }, at: number) => ({ deadline: at + (context.holder?.ttlMs ?? 0) })),
    limitRenewals: assign((_, { at, withinMs }: { at: number; withinMs: number }) => ({ renewUntil: at + withinMs })),
    forget: assign({ holder: null, renewUntil: Number.POSITIVE_INFINITY }),
    announceGranted: emit(({ context }) => ({
      type: "lease.granted" as const,
      epoch: context.epoch,
      holder: context.holder as Holder,
    })),
    announceEnded: emit(({ context }, reason: LeaseEndReason) => ({
      type: "lease.ended" as const,
      epoch: context.epoch,
      holder: context.holder as Holder,
      reason,
    })),
    announceVacant: emit({ type: "queue.vacant" }),
  },
});

// what is the same in several states
const OVERDUE = {
  guard: { type: "isPast", params: ({ event }: { event: { at: number } }) => event.at },
  target: "vacant",
  actions: [{ type: "announceEnded", params: "expired" }, "forget"],
} as const;
const ENDED = {
  target: "vacant",
  actions: [
    { type: "announceEnded", params: ({ event }: { event: { reason: LeaseEndReason } }) => event.reason },
    "forget",
  ],
} as const;
const RELEASED = { target: "vacant", actions: [{ type: "announceEnded", params: "released" }, "forget"] } as const;
const RAISED = {
  actions: { type: "raise", params: ({ event }: { event: { at: number } }) => event.at },
} as const;

export const leaseMachine = lease.createMachine({
  id: "lease",
  initial: "deciding",
  context: ({ input }) => ({
    epoch: input.recorded.epoch,
    firstEpoch: input.firstEpoch,
    holder: input.recorded.holder,
    deadline: input.at + (input.recorded.holder?.ttlMs ?? 0),
    renewUntil: Number.POSITIVE_INFINITY,
  }),
  states: {
    deciding: {
      always: [{ guard: ({ context }) => context.holder !== null, target: "quarantined" }, { target: "vacant" }],
    },
    // rule 16: an older lease may be live at a holder that has not heard of the restart;
    // only that holder may come in before it has run out
    quarantined: {
      on: {
        "lease.check": OVERDUE,
        "lease.grant": {
          guard: { type: "isRecordedHolder", params: ({ event }) => event.holder },
          target: "leased",
          actions: [{ type: "begin", params: ({ event }) => event }, "announceGranted"],
        },
        "lease.end": ENDED,
      },
    },
    vacant: {
      entry: "announceVacant",
      on: {
        "lease.grant": {
          target: "leased",
          actions: [{ type: "begin", params: ({ event }) => event }, "announceGranted"],
        },
      },
    },
    leased: {
      tags: "held",
      initial: "flowing",
      on: {
        "lease.check": OVERDUE,
        "lease.renew": { actions: { type: "renew", params: ({ event }) => event.at } },
        "lease.raise": RAISED,
        "lease.release": RELEASED,
        "lease.end": ENDED,
        "lease.revoke": { target: "revoking", actions: { type: "limitRenewals", params: ({ event }) => event } },
      },
      states: {
        flowing: { on: { "flow.suspend": "suspended", "flow.halt": "halted" } },
        suspended: { tags: "suspended", on: { "flow.resume": "flowing", "flow.halt": "halted" } },
        halted: {},
      },
    },
    revoking: {
      tags: "held",
      on: {
        "lease.check": OVERDUE,
        "lease.renew": {
          guard: { type: "mayRenew", params: ({ event }) => event.at },
          actions: { type: "renew", params: ({ event }) => event.at },
        },
        "lease.raise": RAISED,
        "lease.release": RELEASED,
        "lease.end": ENDED,
      },
    },
  },
});
type LeaseSnapshot = SnapshotFrom<typeof leaseMachine>;
export const isHeld = (snapshot: LeaseSnapshot): boolean => snapshot.hasTag("held");
export const isSuspended = (snapshot: LeaseSnapshot): boolean => snapshot.hasTag("suspended");
/** The outermost state's name. */
export const leaseState = ({ value }: LeaseSnapshot): "quarantined" | "vacant" | "leased" | "revoking" =>
  typeof value === "string" ? (value as "vacant") : "leased";
