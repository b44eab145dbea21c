import { type Epoch, offset } from "../message/brands.ts";
import type { AsidePut, Credit, LeaseAcquire, LeaseRaise, LeaseRelease, Settle } from "../protocol/frames.ts";
import type { QueueAccount } from "../protocol/questions.ts";
import type { LeaseView, QueueView } from "../protocol/views.ts";
import type { DeliveryFlow } from "./delivery-flow.ts";
import type { GroupSubscription } from "./group-subscription.ts";
import type { Holder } from "./holder.ts";
import type { LeaseEndReason } from "./lease.machine.ts";
import { Lease } from "./lease.ts";
import { acquireLease, raiseLease, releaseLease } from "./lease-requests.ts";
import { type Change, Ledger } from "./ledger.ts";
import type { MemberPort } from "./member-port.ts";
import type { SetAside, Strand } from "./set-aside.ts";
import { putAside, settle } from "./settle.ts";
import type { SubscriptionScope } from "./subscription-scope.ts";
import type { SubscriptionState } from "./subscription-state.ts";

/**
 * One group on one queue of an ordered topic: delivers to the one consumer that holds its lease (P4). `Lease` says who that is,
 * `DeliveryFlow` sends, `Ledger` keeps account of what was done and stores it.
 */
export class Subscription implements GroupSubscription {
  readonly #ledger: Ledger;
  readonly #lease: Lease;
  /** Loads it from the store, or begins it where the group's settings say. @throws `STORE_DAMAGED` */
  static async open(scope: SubscriptionScope, begin: number): Promise<Subscription> {
    return new Subscription(await Ledger.open(scope, begin));
  }
  private constructor(ledger: Ledger) {
    this.#ledger = ledger;
    this.#lease = new Lease(ledger);
  }

  get scope(): SubscriptionScope {
    return this.#ledger.scope;
  }
  get path(): string {
    return this.#ledger.path;
  }
  get state(): SubscriptionState {
    return this.#ledger.state;
  }
  get aside(): SetAside {
    return this.#ledger.aside;
  }
  get committedCursor(): number {
    return this.#ledger.committedCursor;
  }
  account(): QueueAccount {
    return this.#ledger.account();
  }
  view(lagMs: number): QueueView {
    const { place, log } = this.scope;
    const { cursor, halt } = this.state;
    return {
      queue: place.queue,
      state: this.#lease.state,
      halted: halt !== null,
      lease: this.lease(),
      cursor: offset(cursor),
      end: log.flushedEnd,
      backlog: this.state.counts(log.flushedEnd).backlog,
      lagMs,
    };
  }
  whenReached(end: number, reached: () => void): () => void {
    return this.#ledger.whenReached(end, reached);
  }

  /* ---------- members ---------- */

  join(): void {} // it asks for the lease
  left(port: MemberPort, reason: "released" | "revoked"): void {
    if (this.flow?.port === port) this.end(reason);
  }
  linkEnded(): void {} // its lease goes on until it expires

  /* ---------- the lease ---------- */

  get holder(): Holder | null {
    return this.#lease.holder;
  }
  get isVacant(): boolean {
    return this.#lease.state === "vacant" && !this.#lease.isStopped;
  }
  get isRevoking(): boolean {
    return this.#lease.state === "revoking";
  }
  get isHeld(): boolean {
    return this.#lease.isHeld;
  }
  get isQuarantined(): boolean {
    return this.#lease.state === "quarantined";
  }
  get isUnleased(): boolean {
    return this.holder === null;
  }
  get currentEpoch(): Epoch {
    return this.#lease.epoch;
  }
  get grant(): number {
    return this.#lease.grant;
  }
  lease(): LeaseView | null {
    return this.#lease.view();
  }
  isOn(link: object): boolean {
    return this.flow?.port.link === link;
  }
  isOver(epoch: Epoch): boolean {
    return epoch !== this.currentEpoch || !this.isHeld;
  }
  acquire(port: MemberPort, frame: LeaseAcquire): void {
    acquireLease(this.#lease, port, frame);
  }
  raise(port: MemberPort, frame: LeaseRaise): void {
    raiseLease(this.#lease, port, frame);
  }
  release(port: MemberPort, frame: LeaseRelease): void {
    releaseLease(this.#lease, port, frame);
  }
  renew(port: MemberPort, epoch: Epoch): number | null {
    return this.#lease.renew(port, epoch);
  }
  revoke(): void {
    this.#lease.revoke();
  }
  end(reason: LeaseEndReason): void {
    this.#lease.end(reason);
  }

  /* ---------- messages ---------- */

  /** What is on its way to the holder of the lease. */
  get flow(): DeliveryFlow | null {
    return this.#lease.flow;
  }
  get deliveredEnd(): number {
    return this.flow?.deliveredEnd ?? 0;
  }
  credit(port: MemberPort, frame: Credit): void {
    const { flow } = this;
    if (flow?.port === port && frame.epoch === this.currentEpoch) flow.credit(frame.messages, frame.bytes);
  }
  settle(port: MemberPort, frame: Settle): void {
    settle(this.#lease, port, frame);
  }
  asidePut(port: MemberPort, frame: AsidePut): void {
    putAside(this.#lease, port, frame);
  }
  flushed(): void {
    this.flow?.pump();
  }

  /* ---------- orders of people, retention ---------- */

  change<T>(change: () => Promise<Change<T>>): Promise<T & { readonly revision: number }> {
    return this.#ledger.change(change);
  }
  redrive(strand: Strand): void {
    this.flow?.redrive(strand.id);
  }
  hasSent(strand: Strand, offset: number): boolean {
    return this.flow?.hasSent(strand.id, offset) === true;
  }
  expire(before: number): Promise<void> {
    return this.#ledger.expire(before);
  }
  async close(): Promise<void> {
    await this.#ledger.close(() => this.#lease.close());
  }
}
