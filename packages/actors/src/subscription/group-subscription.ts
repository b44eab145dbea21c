import { offset } from "../message/brands.ts";
import type { AsidePut, Credit, LeaseAcquire, LeaseRaise, LeaseRelease, Settle } from "../protocol/frames.ts";
import type { QueueAccount, QueueView } from "../protocol/questions.ts";
import type { Lease } from "./lease.ts";
import type { Change, Ledger } from "./ledger.ts";
import type { MemberPort } from "./member-port.ts";
import type { SetAside, Strand } from "./set-aside.ts";
import type { SubscriptionScope } from "./subscription-scope.ts";
import type { SubscriptionState } from "./subscription-state.ts";

/**
 * One group on one queue, as the broker sees it. `Subscription` delivers an ordered topic's queue to the holder of its
 * lease, `SharedSubscription` an unordered one's to all members side by side: there nobody holds a lease, and whoever
 * asks for one is refused. The account of what was done is the same.
 */
export abstract class GroupSubscription {
  protected readonly ledger: Ledger;
  constructor(ledger: Ledger) {
    this.ledger = ledger;
  }

  /* ---------- what was done ---------- */

  get scope(): SubscriptionScope {
    return this.ledger.scope;
  }
  get path(): string {
    return this.ledger.path;
  }
  get state(): SubscriptionState {
    return this.ledger.state;
  }
  get aside(): SetAside {
    return this.ledger.aside;
  }
  /** Everything below it is done for this group, and the store knows. */
  get committedCursor(): number {
    return this.ledger.committedCursor;
  }
  account(): QueueAccount {
    return this.ledger.account();
  }
  view(lagMs: number): QueueView {
    const { state } = this;
    const { flushedEnd: end } = this.scope.log;
    return {
      queue: this.scope.place.queue,
      state: this.leaseState,
      halted: state.halt !== null,
      lease: this.lease?.view() ?? null,
      cursor: offset(state.cursor),
      end,
      backlog: state.counts(end).backlog,
      lagMs,
    };
  }
  /** See `Ledger.whenReached`. */
  whenReached(end: number, reached: () => void): () => void {
    return this.ledger.whenReached(end, reached);
  }

  /* ---------- members ---------- */

  abstract join(port: MemberPort): void;
  /** The member has gone for good: what it had is for others. */
  abstract left(port: MemberPort): void;
  /** The member may not stay, and may not have heard of it yet. */
  abstract expelled(port: MemberPort): void;
  /** Its link has ended; it may be back before its lease expires. */
  abstract linkEnded(port: MemberPort): void;

  /* ---------- the lease ---------- */

  /** Who may consume; null where there are no leases. */
  abstract readonly lease: Lease | null;
  /** As people are shown it. */
  protected abstract readonly leaseState: QueueView["state"];
  /** @throws `PROTOCOL_VIOLATION` where there are no leases, as do `raise` and `release` */
  abstract acquire(port: MemberPort, frame: LeaseAcquire): void;
  abstract raise(port: MemberPort, frame: LeaseRaise): void;
  abstract release(port: MemberPort, frame: LeaseRelease): void;

  /* ---------- messages ---------- */

  /** Under the present lease nothing from here on was delivered; 0 without one. */
  get deliveredEnd(): number {
    return this.lease?.flow?.deliveredEnd ?? 0;
  }
  abstract credit(port: MemberPort, frame: Credit): void;
  abstract settle(port: MemberPort, frame: Settle): void;
  abstract asidePut(port: MemberPort, frame: AsidePut): void;
  /** New messages are flushed: they may be delivered. */
  abstract flushed(): void;

  /* ---------- orders of people, retention ---------- */

  /** Runs a change in its turn. See `Ledger.change`. */
  change<T>(change: () => Promise<Change<T>>): Promise<T & { readonly revision: number }> {
    return this.ledger.change(change);
  }
  /** A strand is to run (again), from its head on. */
  abstract redrive(strand: Strand): void;
  /** Whether a message of a strand that runs again may be with somebody. */
  abstract hasSent(strand: Strand, offset: number): boolean;
  /** Retention is about to remove what this group has not settled; resolves when that is counted and committed. */
  expire(before: number): Promise<void> {
    return this.ledger.expire(before);
  }
  /** Takes nothing more. A lease stays recorded: who holds it may come back first when the broker does. */
  abstract close(): Promise<void>;
}
