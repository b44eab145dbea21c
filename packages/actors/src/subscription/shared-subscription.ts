import type { Offset } from "../message/brands.ts";
import { isMessagingError, MessagingError } from "../message/errors.ts";
import type { AsidePut, Credit, LeaseAcquire, LeaseRaise, LeaseRelease, Settle } from "../protocol/frames.ts";
import type { QueueView } from "../protocol/questions.ts";
import type { StoreWrite } from "../store/store.ts";
import { GroupSubscription } from "./group-subscription.ts";
import { changeFailure, Ledger } from "./ledger.ts";
import { copiesOf } from "./log-scan.ts";
import type { MemberPort } from "./member-port.ts";
import { asideFull, holds, type Strand } from "./set-aside.ts";
import { applyRedriven } from "./settle.ts";
import { SHARED_EPOCH, SharedFlow } from "./shared-flow.ts";
import type { SubscriptionScope } from "./subscription-scope.ts";

/**
 * One group on one queue of an *unordered* topic: any member takes any message, side by side; what fails or takes too
 * long comes again after a wait; what is exhausted becomes a dead letter. Gives up P4 to P6. The same state and the
 * same commits as an ordered subscription, without a lease.
 */
export class SharedSubscription extends GroupSubscription {
  readonly #flow: SharedFlow;
  /** @throws `STORE_DAMAGED` */
  static async open(scope: SubscriptionScope, begin: number): Promise<SharedSubscription> {
    return new SharedSubscription(await Ledger.open(scope, begin));
  }
  private constructor(ledger: Ledger) {
    super(ledger);
    this.#flow = new SharedFlow(ledger);
  }

  join(port: MemberPort): void {
    this.#flow.members.add(port);
    port.send({
      type: "lease.granted",
      request: null,
      member: port.member,
      queue: this.scope.place.queue,
      epoch: SHARED_EPOCH,
      ttlMs: 0,
      grant: port.nextGrant(),
      revision: this.state.revision,
      logEpoch: this.scope.topic.store.ownerEpoch,
    });
  }
  left(port: MemberPort): void {
    this.#flow.drop(port, 0);
  }
  expelled(port: MemberPort): void {
    this.left(port);
  }
  /** What its handlers were busy with counts as lost with it. */
  linkEnded(port: MemberPort): void {
    this.#flow.drop(port, port.join.concurrency);
  }
  credit(port: MemberPort, frame: Credit): void {
    this.#flow.credit(port, frame);
  }
  settle(port: MemberPort, frame: Settle): void {
    this.ledger.take(port, frame, () => {
      const { state } = this;
      const { settlement } = frame;
      const answer = { member: port.member, queue: this.scope.place.queue, epoch: SHARED_EPOCH, settle: frame.settle };
      const beyond = settlement.ranges.find(([, to]) => to > this.#flow.given);
      const refuse = (error: MessagingError) => {
        this.scope.counters?.settleRefused(error.code);
        port.refuse({ type: "settle.refused", ...answer, error });
      };
      if (beyond !== undefined)
        return refuse(
          new MessagingError(
            "PROTOCOL_VIOLATION",
            `offsets up to ${beyond[1]} of ${this.path} were settled, delivered were those below ${this.#flow.given}`,
          ),
        );
      let changed = false;
      for (const [from, to] of settlement.ranges) {
        for (let at = Math.max(from, state.cursor); at < to; at++) this.#flow.forget(at);
        if (state.settle(from, to)) changed = true;
      }
      for (const [at, attempts] of settlement.tried) {
        if (state.isDone(at) || at >= this.#flow.given) continue;
        if (state.noteTried(at, { attempts, losses: 0 })) changed = true;
        this.#flow.retry(at, port, attempts);
      }
      const writes = applyRedriven(this.ledger, settlement, (strand) => this.#flow.strandOver(strand));
      // one that changes nothing is no change of its own: its answer is that of the member's last one, once all that it
      // rests on is stored
      const before = changed || writes.length > 0 ? null : this.#flow.members.settledIn(port);
      const { commit, revision } =
        before === null ? this.ledger.commit(writes) : { commit: this.ledger.unchanged(), revision: before };
      this.#flow.members.settled(port, revision);
      commit.flushed.then(
        () => port.send({ type: "settled", ...answer, revision }),
        (error: unknown) => refuse(changeFailure(error)),
      );
      this.#flow.pump();
    });
  }
  asidePut(port: MemberPort, frame: AsidePut): void {
    this.ledger.take(port, frame, () => this.#putAside(port, frame));
  }
  async #putAside(port: MemberPort, frame: AsidePut): Promise<void> {
    const { state, aside } = this;
    const { generation } = this.ledger;
    const { topic, place, log } = this.scope;
    const { parkedMessagesMax } = topic.spec;
    const { attempts, error, key } = frame;
    const refuse = (error: MessagingError) => port.refuse({ type: "refused", request: frame.request, error });
    const writes: StoreWrite[] = [];
    const now = { offsets: [frame.offset], revision: state.revision + 1 };
    /** What goes aside now, or went in an earlier change and still is. */
    let put: { readonly offsets: readonly number[]; readonly revision: number } | null = null;
    try {
      if (frame.redriven !== null) {
        const strand = aside.strand(frame.redriven.strand);
        if (strand !== undefined && holds(strand, frame.redriven.offset)) {
          this.#flow.strandOver(strand);
          writes.push(aside.turn(strand, { phase: "waiting", attempts, error }));
          put = now;
        }
      } else if (state.isDone(frame.offset)) put = aside.putWith(frame.offset);
      else {
        if (frame.offset >= this.#flow.given)
          throw new MessagingError(
            "PROTOCOL_VIOLATION",
            `offset ${frame.offset} of ${this.path} was set aside, but never delivered`,
          );
        if (aside.messages >= parkedMessagesMax) throw asideFull(this.path, parkedMessagesMax);
        const [head] = await copiesOf(log, frame.offset, frame.offset + 1, () => true);
        if (generation !== this.ledger.generation)
          throw new MessagingError("UNAVAILABLE", `${this.path} is reloading; try again`);
        if (head !== undefined && !state.isDone(frame.offset)) {
          this.#flow.forget(frame.offset);
          state.tried.delete(frame.offset);
          const of = { key, sinceMs: topic.runtime.wallNow(), revision: now.revision, attempts, error };
          writes.push(...aside.begin(state, { kind: "dead-letter", ...of }, head, []).writes);
          topic.events.emit({ type: "message.deadLettered", ...place, offset: frame.offset, key });
          put = now;
        }
      }
    } catch (error) {
      if (!isMessagingError(error)) throw error; // a fault of ours: it may have stopped half way
      return refuse(error);
    }
    state.advance();
    const { revision } = state;
    const commit = writes.length > 0 ? this.ledger.commit(writes).commit : this.ledger.unchanged();
    const done = () =>
      port.send({
        type: "aside.done",
        request: frame.request,
        member: port.member,
        queue: place.queue,
        epoch: SHARED_EPOCH,
        revision: put?.revision ?? revision,
        offsets: (put?.offsets ?? []) as Offset[],
      });
    commit.flushed
      .then(done, (error: unknown) => refuse(changeFailure(error)))
      .catch((error: unknown) => port.fault(error, frame.type));
    this.#flow.pump();
  }
  redrive(): void {} // its head is given to the next member that has room
  /** Of a strand its head is out, and nothing else. */
  hasSent(strand: Strand): boolean {
    return this.#flow.hasSent(strand);
  }
  override expire(before: number): Promise<void> {
    this.#flow.forgetBelow(before);
    return super.expire(before);
  }
  flushed(): void {
    this.#flow.pump();
  }
  async close(): Promise<void> {
    this.#flow.close();
    await this.ledger.close(() => {});
  }

  /* ---------- without leases ---------- */

  get lease(): null {
    return null;
  }
  protected get leaseState(): QueueView["state"] {
    return this.#flow.members.size === 0 ? "vacant" : "leased";
  }
  acquire(_: MemberPort, frame: LeaseAcquire): never {
    throw noLeases(frame);
  }
  raise(_: MemberPort, frame: LeaseRaise): never {
    throw noLeases(frame);
  }
  release(_: MemberPort, frame: LeaseRelease): never {
    throw noLeases(frame);
  }
}
const noLeases = ({ type }: { readonly type: string }): MessagingError =>
  new MessagingError("PROTOCOL_VIOLATION", `the topic is unordered: its queues have no leases, found "${type}"`);
