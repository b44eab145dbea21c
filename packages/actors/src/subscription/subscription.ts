import type { Epoch } from "../message/brands.ts";
import { offset } from "../message/brands.ts";
import { MessagingError } from "../message/errors.ts";
import type { AsidePut, Credit, LeaseAcquire, LeaseRaise, LeaseRelease, Settle } from "../protocol/frames.ts";
import type { QueueAccount } from "../protocol/questions.ts";
import type { LeaseView, QueueView } from "../protocol/views.ts";
import type { StoreWrite } from "../store/store.ts";
import { applySettlement } from "./apply-settlement.ts";
import type { DeliveryFlow, FlowOwner } from "./delivery-flow.ts";
import type { GroupSubscription } from "./group-subscription.ts";
import { Holding } from "./holding.ts";
import { type Change, Ledger } from "./ledger.ts";
import type { MemberPort } from "./member-port.ts";
import { asideFull, putAside } from "./put-aside.ts";
import type { SetAside, Strand } from "./set-aside.ts";
import type { Holder, LeaseEndReason } from "./subscription.machine.ts";
import type { SubscriptionContextOf } from "./subscription-context.ts";
import type { SubscriptionState } from "./subscription-state.ts";

/**
 * One group on one queue: its cursor, its lease, what it has set aside. The machine decides who holds the lease; this executes: it checks, changes memory and
 * commits, one change after another, and answers when a change is committed.
 */
export class Subscription implements GroupSubscription {
  readonly context: SubscriptionContextOf;
  readonly #ledger: Ledger;
  readonly #holding: Holding;
  /** Loads it from the store, or begins it where the group's settings say. @throws `STORE_DAMAGED` */
  static async open(context: SubscriptionContextOf, begin: number): Promise<Subscription> {
    return new Subscription(await Ledger.open(context, begin));
  }
  private constructor(ledger: Ledger) {
    this.context = ledger.context;
    this.#ledger = ledger;
    this.#holding = new Holding(ledger, () => this.#flowOwner());
    ledger.own(this.#holding);
  }

  /* ---------- what others ask ---------- */

  get path(): string {
    return this.#ledger.path;
  }
  get state(): SubscriptionState {
    return this.#ledger.state;
  }
  get aside(): SetAside {
    return this.#ledger.aside;
  }
  /** Everything below it is done for this group, and the store knows. */
  get committedCursor(): number {
    return this.#ledger.committedCursor;
  }
  get isVacant(): boolean {
    return this.#holding.isVacant;
  }
  get isRevoking(): boolean {
    return this.#holding.isRevoking;
  }
  get isHeld(): boolean {
    return this.#holding.isHeld;
  }
  get isQuarantined(): boolean {
    return this.#holding.state === "quarantined";
  }
  get isUnleased(): boolean {
    return this.#holding.holder === null;
  }
  get currentEpoch(): Epoch {
    return this.state.epoch;
  }
  get holder(): Holder | null {
    return this.#holding.holder;
  }
  /** What is on its way to the holder of the lease. */
  get flow(): DeliveryFlow | null {
    return this.#holding.flow;
  }
  /** Number of the present holder's grant on its link; 0 before it was answered. */
  get grant(): number {
    return this.#holding.grant;
  }
  get deliveredEnd(): number {
    return this.flow?.deliveredEnd ?? 0;
  }
  isOn(link: object): boolean {
    return this.flow?.port.link === link;
  }
  isOver(epoch: Epoch): boolean {
    return epoch !== this.currentEpoch || !this.isHeld;
  }
  hasSent(strand: Strand, offset: number): boolean {
    return this.flow?.hasSent(strand.id, offset) === true;
  }
  lease(): LeaseView | null {
    return this.#holding.view();
  }
  account(): QueueAccount {
    return this.#ledger.account();
  }
  view(lagMs: number): QueueView {
    const { log, queue } = this.context;
    const { cursor, halt } = this.state;
    return {
      queue,
      state: this.#holding.state,
      halted: halt !== null,
      lease: this.lease(),
      cursor: offset(cursor),
      end: log.flushedEnd,
      backlog: this.state.counts(log.flushedEnd).backlog,
      lagMs,
    };
  }
  /** See `Ledger.whenReached`. */
  whenReached(end: number, reached: () => void): () => void {
    return this.#ledger.whenReached(end, reached);
  }

  /* ---------- leases ---------- */

  join(): void {} // it asks for leases
  left(port: MemberPort, reason: "released" | "revoked"): void {
    if (this.flow?.port === port) this.end(reason);
  }
  linkEnded(): void {} // its leases go on until they expire
  acquire(port: MemberPort, frame: LeaseAcquire): void {
    this.#holding.acquire(port, frame);
  }
  raise(port: MemberPort, frame: LeaseRaise): void {
    this.#holding.raise(port, frame);
  }
  /** Renews for the holder; its TTL, or null when this epoch is over for it, or past the time a revoke left it. */
  renew(port: MemberPort, epoch: Epoch): number | null {
    return this.#holding.renew(port, epoch);
  }
  release(port: MemberPort, frame: LeaseRelease): void {
    this.#holding.release(port, frame);
  }
  /** Asks the holder to finish its attempt and release. */
  revoke(): void {
    this.#holding.revoke();
  }
  /** Ends the present lease (its holder says it is not its own, or has left), unless it has ended by itself before this has its turn. */
  end(reason: LeaseEndReason): void {
    this.#holding.end(reason);
  }

  /* ---------- settling, setting aside ---------- */

  credit(port: MemberPort, frame: Credit): void {
    const { flow } = this;
    if (flow?.port === port && frame.epoch === flow.epoch) flow.credit(frame.messages, frame.bytes);
  }
  settle(port: MemberPort, frame: Settle): void {
    this.#ledger.take(port, frame, () => {
      this.#holding.check();
      const { queue } = this.context;
      const answer = { member: port.member, queue, epoch: frame.epoch, settle: frame.settle };
      const { flow } = this;
      if (flow === null || !this.#holding.isCurrent(port, frame.epoch))
        return this.#refuseSettle(port, frame, this.#holding.stale(frame.epoch));
      const beyond = frame.settlement.ranges.find(([from, to]) => !flow.wasDelivered(from, to));
      if (beyond !== undefined) {
        const text = `offsets ${beyond[0]} to ${beyond[1]} of ${this.path} were settled, delivered were those below ${flow.deliveredEnd}`;
        return this.#refuseSettle(port, frame, new MessagingError("PROTOCOL_VIOLATION", text));
      }
      const { changed, writes } = applySettlement(this.#ledger, frame.settlement, flow.deliveredEnd);
      const { repeats } = this.#holding;
      // one that changes nothing is no change of its own: its answer is that of the holder's last one, once all that it rests on is stored
      const before = changed ? null : repeats.lastSettled;
      const { commit, revision } =
        before === null
          ? this.#ledger.commit(writes, writes.length === 0)
          : { commit: this.#ledger.unchanged(), revision: before };
      repeats.settled(frame.settle, revision);
      commit.flushed.then(
        () => port.send({ type: "settled", ...answer, revision }),
        () => {}, // the commit's failure ends the lease
      );
      this.#holding.flowAgain();
    });
  }
  #refuseSettle(port: MemberPort, frame: Settle, error: MessagingError): void {
    const { spec, queue, group, events, counters } = this.context;
    counters?.settleRefused(error.code);
    const { epoch, settle, settlement } = frame;
    const messages = settlement.ranges.reduce((sum, [from, to]) => sum + to - from, settlement.redriven.length);
    events.emit({ type: "settle.refused", topic: spec.name, queue, group, epoch, code: error.code, messages });
    port.refuse({ type: "settle.refused", member: port.member, queue, epoch, settle, error });
  }
  asidePut(port: MemberPort, frame: AsidePut): void {
    const { flow } = this;
    const goOn = flow?.port === port ? flow.pause() : () => {};
    this.#ledger.take(port, frame, () =>
      putAside(
        {
          ledger: this.#ledger,
          repeats: this.#holding.repeats,
          holding: () => {
            this.#holding.check();
            return this.#holding.isCurrent(port, frame.epoch) && this.flow !== null
              ? this.flow
              : this.#holding.stale(frame.epoch);
          },
          halt: (at) => this.#halt(at),
          flowAgain: () => this.#holding.flowAgain(),
        },
        port,
        frame,
        goOn,
      ),
    );
  }
  #halt(at: Pick<AsidePut, "offset" | "key" | "attempts" | "error">): void {
    const { spec, queue, group, events, runtime } = this.context;
    if (this.state.halt !== null) return; // it stands at the first one
    this.state.halt = {
      offset: at.offset,
      key: at.key,
      attempts: at.attempts,
      error: at.error,
      sinceMs: runtime.wallNow(),
    };
    this.#holding.standStill();
    events.emit({ type: "queue.halted", topic: spec.name, queue, group, offset: offset(at.offset) });
  }
  /** Made for each lease: a subscription that nobody holds does without. */
  #flowOwner(): FlowOwner {
    const self = this;
    return {
      get state() {
        return self.state;
      },
      get aside() {
        return self.aside;
      },
      get log() {
        return self.context.log;
      },
      get isBehind() {
        return self.#ledger.isBehind;
      },
      get parkedMessagesMax() {
        return self.context.spec.parkedMessagesMax;
      },
      captured(writes: StoreWrite[]) {
        self.state.advance();
        self.#ledger.commit(writes).commit.flushed.then(
          () => self.flow?.asideFlushed(),
          () => {}, // the commit's failure ends the lease
        );
      },
      asideFull(at: { readonly offset: number; readonly key: string }) {
        const error = asideFull(self.path, self.context.spec.parkedMessagesMax);
        self.#halt({
          ...at,
          offset: offset(at.offset),
          attempts: 0,
          error: { name: error.name, message: error.message, code: error.code },
        });
        self.#ledger.commit();
      },
      sent(messages: number) {
        self.context.counters?.delivered(messages);
      },
      suspended(reason: "span" | "congested" | null) {
        self.#holding.tell({ type: reason === null ? "flow.resume" : "flow.suspend" });
      },
      failed(error: unknown) {
        self.#ledger.fail(error);
      },
    };
  }

  /* ---------- orders of people, retention ---------- */

  /** Runs a change in its turn. See `Ledger.change`. */
  change<T>(change: () => Promise<Change<T>>): Promise<T & { readonly revision: number }> {
    return this.#ledger.change(change);
  }
  redrive(strand: Strand): void {
    this.flow?.redrive(strand.id);
  }
  /** Retention is about to remove what this group has not settled; resolves when that is counted and committed. */
  expire(before: number): Promise<void> {
    return this.#ledger.expire(before);
  }
  /** New messages are flushed: the holder may have them. */
  flushed(): void {
    this.flow?.pump();
  }

  /** Takes nothing more. The lease stays recorded: who holds it may come back first when the broker does. */
  async close(): Promise<void> {
    await this.#ledger.close(() => this.#holding.close());
  }
}
