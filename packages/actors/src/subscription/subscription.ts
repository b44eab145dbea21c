import type { AsidePut, Credit, LeaseAcquire, LeaseRaise, LeaseRelease, Settle } from "../protocol/frames.ts";
import type { QueueView } from "../protocol/questions.ts";
import { GroupSubscription } from "./group-subscription.ts";
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
  readonly lease: Lease;
  /** Loads it from the store, or begins it where the group's settings say. @throws `STORE_DAMAGED` */
  static async open(scope: SubscriptionScope, begin: number): Promise<Subscription> {
    return new Subscription(await Ledger.open(scope, begin));
  }
  private constructor(ledger: Ledger) {
    super(ledger);
    this.lease = new Lease(ledger);
  }

  join(): void {} // it asks for the lease
  left(port: MemberPort): void {
    if (this.lease.flow?.port === port) this.lease.end("released");
  }
  expelled(port: MemberPort): void {
    if (this.lease.flow?.port === port) this.lease.expel();
  }
  linkEnded(): void {} // its lease goes on until it expires

  protected get leaseState(): QueueView["state"] {
    return this.lease.state;
  }
  acquire(port: MemberPort, frame: LeaseAcquire): void {
    acquireLease(this.lease, port, frame);
  }
  raise(port: MemberPort, frame: LeaseRaise): void {
    raiseLease(this.lease, port, frame);
  }
  release(port: MemberPort, frame: LeaseRelease): void {
    releaseLease(this.lease, port, frame);
  }
  credit(port: MemberPort, frame: Credit): void {
    const { flow, epoch } = this.lease;
    if (flow?.port === port && frame.epoch === epoch) flow.credit(frame.messages, frame.bytes);
  }
  settle(port: MemberPort, frame: Settle): void {
    settle(this.lease, port, frame);
  }
  asidePut(port: MemberPort, frame: AsidePut): void {
    putAside(this.lease, port, frame);
  }
  flushed(): void {
    this.lease.flow?.pump();
  }
  redrive(strand: Strand): void {
    this.lease.flow?.redrive(strand.id);
  }
  hasSent(strand: Strand, offset: number): boolean {
    return this.lease.flow?.redriven.hasSent(strand.id, offset) === true;
  }
  async close(): Promise<void> {
    await this.ledger.close(() => this.lease.close());
  }
}
