// subscription.machine.ts: who may consume this queue for this group right now, and under which epoch?
import { assign, emit, type SnapshotFrom, setup } from "xstate";
import { mayHave } from "../log/owner.ts";
import { type Epoch, epoch, NO_EPOCH } from "../message/brands.ts";
import type { MemberPort } from "./member-port.ts";

/** `principal`: whose instance and member these are; absent where nobody is told apart. */
export type Holder = Readonly<{ instance: string; member: string; ttlMs: number; principal?: string }>;
/** Who asks for a lease. */
export const holderOf = ({ instance, name, principal }: Pick<MemberPort, "instance" | "name" | "principal">) => ({
  instance,
  member: name,
  ...(principal === null ? {} : { principal }),
});
/** Whether both are one member of one client of one principal (rule 5). */
export const isSameHolder = (a: Omit<Holder, "ttlMs">, b: Omit<Holder, "ttlMs">): boolean =>
  a.instance === b.instance && a.member === b.member && mayHave(a.principal ?? null, b.principal ?? null);
export type SubscriptionInput = Readonly<{
  /** The last epoch that was used; `NO_EPOCH` when there is no record. */
  epoch: Epoch;
  /** The first epoch of a subscription without a record: larger than that of any record that was deleted (rule 15). */
  firstEpoch: Epoch;
  /** A lease that was live when the broker last stopped, if it was not released. */
  recorded: Holder | null;
  /** Monotonic ms. */
  at: number;
}>;
type SubscriptionContext = Readonly<{
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
export type SubscriptionEvent =
  | { readonly type: "lease.grant"; readonly holder: Holder; readonly at: number }
  | { readonly type: "lease.renew"; readonly at: number }
  /** The clock was read: a lease (or quarantine) past its deadline is over. Sent by a timer, and before whatever a holder asks is judged. */
  | { readonly type: "lease.check"; readonly at: number }
  | { readonly type: "lease.raise"; readonly at: number }
  | { readonly type: "lease.release" }
  | { readonly type: "lease.end"; readonly reason: LeaseEndReason }
  | { readonly type: "lease.revoke"; readonly withinMs: number; readonly at: number }
  | { readonly type: "flow.suspend" }
  | { readonly type: "flow.resume" }
  | { readonly type: "flow.halt" };
export type SubscriptionEmitted =
  | { readonly type: "lease.granted"; readonly epoch: Epoch }
  | { readonly type: "lease.raised"; readonly epoch: Epoch }
  | { readonly type: "lease.ended"; readonly epoch: Epoch; readonly holder: Holder; readonly reason: LeaseEndReason }
  | { readonly type: "queue.vacant" };

const subscription = setup({
  types: {
    input: {} as SubscriptionInput,
    context: {} as SubscriptionContext,
    events: {} as SubscriptionEvent,
    emitted: {} as SubscriptionEmitted,
    tags: {} as "held",
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
    tellGranted: emit(({ context }) => ({ type: "lease.granted" as const, epoch: context.epoch })),
    tellRaised: emit(({ context }) => ({ type: "lease.raised" as const, epoch: context.epoch })),
    tellEnded: emit(({ context }, reason: LeaseEndReason) => ({
      type: "lease.ended" as const,
      epoch: context.epoch,
      holder: context.holder as Holder,
      reason,
    })),
    tellVacant: emit({ type: "queue.vacant" }),
  },
});

export const subscriptionMachine = subscription.createMachine({
  id: "subscription",
  initial: "deciding",
  context: ({ input }) => ({
    epoch: input.epoch,
    firstEpoch: input.firstEpoch,
    holder: input.recorded,
    deadline: input.recorded === null ? input.at : input.at + input.recorded.ttlMs,
    renewUntil: Number.POSITIVE_INFINITY,
  }),
  states: {
    deciding: {
      always: [{ guard: ({ context }) => context.holder !== null, target: "quarantined" }, { target: "vacant" }],
    },
    // rule 16: an older lease may be live at a holder that has not heard of the restart; only that holder may come in before it has run out
    quarantined: {
      on: {
        "lease.check": {
          guard: { type: "isPast", params: ({ event }) => event.at },
          target: "vacant",
          actions: [{ type: "tellEnded", params: "expired" }, "forget"],
        },
        "lease.grant": {
          guard: { type: "isRecordedHolder", params: ({ event }) => event.holder },
          target: "leased",
          actions: [{ type: "begin", params: ({ event }) => event }, "tellGranted"],
        },
        "lease.end": {
          target: "vacant",
          actions: [{ type: "tellEnded", params: ({ event }) => event.reason }, "forget"],
        },
      },
    },
    vacant: {
      entry: "tellVacant",
      on: {
        "lease.grant": { target: "leased", actions: [{ type: "begin", params: ({ event }) => event }, "tellGranted"] },
      },
    },
    leased: {
      tags: "held",
      initial: "flowing",
      on: {
        "lease.check": {
          guard: { type: "isPast", params: ({ event }) => event.at },
          target: "vacant",
          actions: [{ type: "tellEnded", params: "expired" }, "forget"],
        },
        "lease.renew": { actions: { type: "renew", params: ({ event }) => event.at } },
        "lease.raise": { actions: [{ type: "raise", params: ({ event }) => event.at }, "tellRaised"] },
        "lease.release": { target: "vacant", actions: [{ type: "tellEnded", params: "released" }, "forget"] },
        "lease.end": {
          target: "vacant",
          actions: [{ type: "tellEnded", params: ({ event }) => event.reason }, "forget"],
        },
        "lease.revoke": { target: "revoking", actions: { type: "limitRenewals", params: ({ event }) => event } },
      },
      states: {
        flowing: { on: { "flow.suspend": "suspended", "flow.halt": "halted" } },
        suspended: { on: { "flow.resume": "flowing", "flow.halt": "halted" } },
        halted: {},
      },
    },
    revoking: {
      tags: "held",
      on: {
        "lease.check": {
          guard: { type: "isPast", params: ({ event }) => event.at },
          target: "vacant",
          actions: [{ type: "tellEnded", params: "expired" }, "forget"],
        },
        "lease.renew": {
          guard: { type: "mayRenew", params: ({ event }) => event.at },
          actions: { type: "renew", params: ({ event }) => event.at },
        },
        "lease.raise": { actions: [{ type: "raise", params: ({ event }) => event.at }, "tellRaised"] },
        "lease.release": { target: "vacant", actions: [{ type: "tellEnded", params: "released" }, "forget"] },
        "lease.end": {
          target: "vacant",
          actions: [{ type: "tellEnded", params: ({ event }) => event.reason }, "forget"],
        },
      },
    },
  },
});
export const isHeld = (snapshot: SnapshotFrom<typeof subscriptionMachine>): boolean => snapshot.hasTag("held");
