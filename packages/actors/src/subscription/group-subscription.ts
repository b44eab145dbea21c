import type { Epoch } from "../message/brands.ts";
import type { AsidePut, Credit, LeaseAcquire, LeaseRaise, LeaseRelease, Settle } from "../protocol/frames.ts";
import type { QueueAccount } from "../protocol/questions.ts";
import type { LeaseView, QueueView } from "../protocol/views.ts";
import type { Holder } from "./holder.ts";
import type { LeaseEndReason } from "./lease.machine.ts";
import type { Change } from "./ledger.ts";
import type { MemberPort } from "./member-port.ts";
import type { SetAside, Strand } from "./set-aside.ts";
import type { SubscriptionScope } from "./subscription-scope.ts";
import type { SubscriptionState } from "./subscription-state.ts";

/**
 * One group on one queue. `Subscription` delivers an ordered topic's queue to the holder of its lease, `SharedSubscription` an
 * unordered one's to all members side by side: there nobody holds a lease, and whoever asks for one is refused.
 */
export interface GroupSubscription {
  readonly scope: SubscriptionScope;
  readonly path: string;
  readonly state: SubscriptionState;
  readonly aside: SetAside;
  /** Everything below it is done for this group, and the store knows. */
  readonly committedCursor: number;
  account(): QueueAccount;
  view(lagMs: number): QueueView;
  /** See `Ledger.whenReached`. */
  whenReached(end: number, reached: () => void): () => void;

  /* ---------- members ---------- */

  join(port: MemberPort): void;
  /** The member has gone for good, or (`revoked`) may not stay: what it had is for others. */
  left(port: MemberPort, reason: "released" | "revoked"): void;
  /** Its link has ended; it may be back before its lease expires. */
  linkEnded(port: MemberPort): void;

  /* ---------- leases ---------- */

  /** Who holds the lease; null where nobody does, or nobody can. */
  readonly holder: Holder | null;
  /** The lease may be granted to anybody. */
  readonly isVacant: boolean;
  readonly isHeld: boolean;
  /** Only who held the lease before the broker's restart may have it now. */
  readonly isQuarantined: boolean;
  /** Nobody is delivered to, since nobody holds the lease. */
  readonly isUnleased: boolean;
  readonly currentEpoch: Epoch;
  /** Number of the present holder's grant on its link; 0 before it was answered. */
  readonly grant: number;
  lease(): LeaseView | null;
  /** Whether its holder is reached on this link. */
  isOn(link: object): boolean;
  /** @throws `PROTOCOL_VIOLATION` where there are no leases, as do `raise` and `release` */
  acquire(port: MemberPort, frame: LeaseAcquire): void;
  raise(port: MemberPort, frame: LeaseRaise): void;
  release(port: MemberPort, frame: LeaseRelease): void;
  /**
   * Renews for the holder: its TTL; null when this epoch is over for it, past the time that a revoke left it, or where there
   * are no leases.
   */
  renew(port: MemberPort, epoch: Epoch): number | null;
  /** Whether a lease of this epoch has ended. One that its holder has asked to resume has not. */
  isOver(epoch: Epoch): boolean;
  /** Asks the holder to finish its attempt and release. */
  revoke(): void;
  /**
   * Ends the present lease (its holder says it is not its own, or has left), unless it has ended by itself before this has its
   * turn.
   */
  end(reason: LeaseEndReason): void;

  /* ---------- messages ---------- */

  /** Under the present lease nothing from here on was delivered; 0 without one. */
  readonly deliveredEnd: number;
  credit(port: MemberPort, frame: Credit): void;
  settle(port: MemberPort, frame: Settle): void;
  asidePut(port: MemberPort, frame: AsidePut): void;
  /** New messages are flushed: they may be delivered. */
  flushed(): void;

  /* ---------- orders of people, retention ---------- */

  /** Runs a change in its turn. See `Ledger.change`. */
  change<T>(change: () => Promise<Change<T>>): Promise<T & { readonly revision: number }>;
  /** A strand is to run (again), from its head on. */
  redrive(strand: Strand): void;
  /** Whether a message of a strand that runs again may be in somebody's hands. */
  hasSent(strand: Strand, offset: number): boolean;
  /** Retention is about to remove what this group has not settled; resolves when that is counted and committed. */
  expire(before: number): Promise<void>;
  /** Takes nothing more. A lease stays recorded: who holds it may come back first when the broker does. */
  close(): Promise<void>;
}
