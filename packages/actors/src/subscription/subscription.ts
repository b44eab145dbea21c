import type { Epoch } from "../message/brands.ts";
import type { AsidePut, Credit, LeaseAcquire, LeaseRaise, LeaseRelease, Settle } from "../protocol/frames.ts";
import type { LeaseView, QueueView } from "../protocol/questions.ts";
import type { DeliveryFlow } from "./delivery-flow.ts";
import { GroupSubscription } from "./group-subscription.ts";
import type { Holder } from "./holder.ts";
import type { LeaseEndReason } from "./lease.machine.ts";
import { Lease } from "./lease.ts";
import { acquireLease, raiseLease, releaseLease } from "./lease-requests.ts";
import { Ledger } from "./ledger.ts";
import type { MemberPort } from "./member-port.ts";
import type { Strand } from "./set-aside.ts";
import { putAside, settle } from "./settle.ts";
import type { SubscriptionScope } from "./subscription-scope.ts";

/**
 * One group on one queue of an ordered topic: delivers to the one consumer that holds its lease (P4). `Lease` says who
 * that is, `DeliveryFlow` sends, `Ledger` keeps account of what was done and stores it.
 */
export class Subscription extends GroupSubscription {
  readonly #lease: Lease;
  /** Loads it from the store, or begins it where the group's settings say. @throws `STORE_DAMAGED` */
  static async open(scope: SubscriptionScope, begin: number): Promise<Subscription> {
    return new Subscription(await Ledger.open(scope, begin));
  }
  private constructor(ledger: Ledger) {
    super(ledger);
    this.#lease = new Lease(ledger);
  }

  join(): void {} // it asks for the lease
  left(port: MemberPort, reason: "released" | "revoked"): void {
    if (this.flow?.port === port) this.end(reason);
  }
  linkEnded(): void {} // its lease goes on until it expires

  get holder(): Holder | null {
    return this.#lease.holder;
  }
  get leaseState(): QueueView["state"] {
    return this.#lease.state;
  }
  get isVacant(): boolean {
    return this.leaseState === "vacant" && !this.#lease.isStopped;
  }
  get isHeld(): boolean {
    return this.#lease.isHeld;
  }
  get isQuarantined(): boolean {
    return this.leaseState === "quarantined";
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
  redrive(strand: Strand): void {
    this.flow?.redrive(strand.id);
  }
  hasSent(strand: Strand, offset: number): boolean {
    return this.flow?.redriven.hasSent(strand.id, offset) === true;
  }
  async close(): Promise<void> {
    await this.ledger.close(() => this.#lease.close());
  }
}
