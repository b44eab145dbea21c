import { type Epoch, offset } from "../message/brands.ts";
import type { AsidePut, Credit, LeaseAcquire, LeaseRaise, LeaseRelease, Settle } from "../protocol/frames.ts";
import type { LeaseView, QueueAccount, QueueView } from "../protocol/questions.ts";
import type { Holder } from "./holder.ts";
import type { LeaseEndReason } from "./lease.machine.ts";
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
      lease: this.lease(),
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
  /** The member has gone for good, or (`revoked`) may not stay: what it had is for others. */
  abstract left(port: MemberPort, reason: "released" | "revoked"): void;
  /** Its link has ended; it may be back before its lease expires. */
  abstract linkEnded(port: MemberPort): void;

  /* ---------- the lease ---------- */

  /** Who holds it; null where nobody does, or nobody can. */
  abstract readonly holder: Holder | null;
  /** As people are shown it. */
  abstract readonly leaseState: QueueView["state"];
  /** It may be granted to anybody. */
  abstract readonly isVacant: boolean;
  abstract readonly isHeld: boolean;
  /** Only who held it before the broker's restart may have it now. */
  abstract readonly isQuarantined: boolean;
  /** Nobody is delivered to, since nobody holds it. */
  abstract readonly isUnleased: boolean;
  abstract readonly currentEpoch: Epoch;
  /** Number of the present holder's grant on its link; 0 before it was answered. */
  abstract readonly grant: number;
  abstract lease(): LeaseView | null;
  /** Whether its holder is reached on this link. */
  abstract isOn(link: object): boolean;
  /** Whether the lease of this epoch has ended. One that its holder has asked to resume has not. */
  abstract isOver(epoch: Epoch): boolean;
  /** @throws `PROTOCOL_VIOLATION` where there are no leases, as do `raise` and `release` */
  abstract acquire(port: MemberPort, frame: LeaseAcquire): void;
  abstract raise(port: MemberPort, frame: LeaseRaise): void;
  abstract release(port: MemberPort, frame: LeaseRelease): void;
  /** Renews for the holder: its TTL; null when this epoch is over for it, or past the time that a revoke left it. */
  abstract renew(port: MemberPort, epoch: Epoch): number | null;
  /** Asks the holder to finish its attempt and release. */
  abstract revoke(): void;
  /** Ends the present lease, unless it has ended by itself before this has its turn. */
  abstract end(reason: LeaseEndReason): void;

  /* ---------- messages ---------- */

  /** Under the present lease nothing from here on was delivered; 0 without one. */
  abstract readonly deliveredEnd: number;
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
