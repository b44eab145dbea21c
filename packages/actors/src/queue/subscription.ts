import type { Epoch } from "../message/brands.ts";
import { offset } from "../message/brands.ts";
import { asMessagingError, MessagingError, StaleEpochError, toWireError } from "../message/errors.ts";
import type { AsidePut, Credit, LeaseAcquire, LeaseRaise, LeaseRelease, Settle } from "../protocol/frames.ts";
import type { QueueAccount } from "../protocol/questions.ts";
import type { StoreWrite } from "../store/store.ts";
import type { LeaseView, QueueView } from "../system/views.ts";
import { applySettlement } from "./apply-settlement.ts";
import { DeliveryFlow, type FlowOwner } from "./delivery-flow.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import { type Change, Ledger, unavailable } from "./ledger.ts";
import type { MemberPort } from "./member-port.ts";
import { asideFull, putAside } from "./put-aside.ts";
import type { SetAside } from "./set-aside.ts";
import type { LeaseEndReason, SubscriptionEmitted } from "./subscription.machine.ts";
import type { SubscriptionContextOf } from "./subscription-context.ts";
import type { SubscriptionState } from "./subscription-state.ts";

/**
 * One group on one queue: its cursor, its lease, what it has set aside. The machine decides who holds the lease; this executes: it checks, changes memory and
 * commits, one change after another, and answers when a change is committed.
 */
export class Subscription {
  readonly context: SubscriptionContextOf;
  readonly #ledger: Ledger;
  readonly #lease: LeaseKeeper;
  #flow: DeliveryFlow | null = null;
  #grant = 0;
  #closed = false;

  /** Loads it from the store, or begins it where the group's settings say. @throws `STORE_DAMAGED` */
  static async open(context: SubscriptionContextOf, begin: number): Promise<Subscription> {
    return new Subscription(await Ledger.open(context, begin));
  }
  private constructor(ledger: Ledger) {
    this.context = ledger.context;
    this.#ledger = ledger;
    this.#lease = new LeaseKeeper(this.context, ledger.path, ledger.state, {
      decided: (decision) => this.#execute(decision),
      due: () =>
        ledger.turn.run(() => {
          this.#check();
          this.#lease.watch();
        }),
      failed: (error) => ledger.fail(error),
    });
    ledger.own({
      failed: () => this.#failed(),
      reloaded: () => {
        this.#lease.restart(ledger.state);
        this.context.onVacant(); // or quarantined: the holder that was cut off may come back at once
      },
      pause: () => this.#flow?.pause() ?? (() => {}),
      changed: () => {
        this.#flow?.asideFlushed();
        this.#flowAgain();
      },
    });
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
  get isVacant(): boolean {
    return this.#lease.state === "vacant" && !this.#closed;
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
  get currentEpoch(): Epoch {
    return this.state.epoch;
  }
  get holder(): { readonly instance: string; readonly member: string } | null {
    return this.#lease.holder;
  }
  /** What is on its way to the holder of the lease. */
  get flow(): DeliveryFlow | null {
    return this.#flow;
  }
  /** Number of the present holder's grant on its link; 0 before it was answered. */
  get grant(): number {
    return this.#grant;
  }
  /** Everything below it is done for this group, and the store knows. */
  get committedCursor(): number {
    return this.#ledger.committedCursor;
  }
  account(): QueueAccount {
    return this.#ledger.account();
  }
  lease(): LeaseView | null {
    const { holder, epoch } = this.#lease;
    return holder === null ? null : { epoch, holder: holder.member, expiresInMs: Math.round(this.#lease.leftMs) };
  }
  view(lagMs: number): QueueView {
    const { log, queue } = this.context;
    const { cursor, halt } = this.state;
    return {
      queue,
      state: this.#lease.state,
      halted: halt !== null,
      lease: this.lease(),
      cursor: offset(cursor),
      end: log.flushedEnd,
      backlog: this.state.counts(log.flushedEnd).backlog,
      lagMs,
    };
  }
  /** Resolves once every offset below `end` has left the backlog for good (committed). */
  reached(end: number): { readonly done: Promise<void>; cancel(): void } {
    return this.#ledger.reached(end);
  }

  /* ---------- leases ---------- */

  acquire(port: MemberPort, frame: LeaseAcquire): void {
    this.#ledger.turn.run(() => {
      const at = this.#check();
      const { holder, isHeld } = this.#lease;
      const refuse = (error: MessagingError) =>
        port.send({ type: "refused", request: frame.request, error: toWireError(error) });
      if (this.#closed) return refuse(unavailable(this.path));
      const isSame = holder?.instance === port.instance && holder.member === port.name;
      if (frame.resume !== null) {
        if (!isHeld || !isSame || frame.resume.epoch !== this.state.epoch)
          return refuse(this.#stale(frame.resume.epoch));
        return this.#resume(port, frame, frame.resume, at);
      }
      if (holder !== null && !isSame) return refuse(this.#leaseHeld());
      if (isHeld) this.#lease.tell({ type: "lease.end", reason: "fenced" }); // it does not know of it any more, or would have resumed it
      const ttlMs = Math.min(port.join.leaseTtlMs, this.context.leaseTtlMsMax);
      const lease = { instance: port.instance, member: port.name, ttlMs };
      this.#lease.tell({ type: "lease.grant", holder: lease, at });
      const granted = this.#lease.epoch;
      this.state.epoch = granted;
      this.state.lease = lease;
      const flow = new DeliveryFlow(this.#flowOwner, {
        port,
        epoch: granted,
        deliveredEnd: 0,
        kept: [],
        keptRedriven: [],
      });
      this.#flow = flow;
      if (this.state.halt !== null) this.#standStill();
      const goOn = flow.pause();
      const { commit, revision } = this.#ledger.commit();
      this.#answer(commit.synced, { epoch: granted, port, request: frame.request }, () => {
        this.#sendGranted(port, frame.request, granted, ttlMs, revision);
        const { spec, queue, group, events } = this.context;
        events.tell({ type: "lease.granted", topic: spec.name, queue, group, epoch: granted });
        goOn();
      });
    });
  }
  #resume(port: MemberPort, frame: LeaseAcquire, resume: NonNullable<LeaseAcquire["resume"]>, at: number): void {
    const before = this.#flow;
    const deliveredEnd = before?.deliveredEnd ?? this.state.cursor;
    before?.stop();
    const writes = applySettlement(this.#ledger, resume.settle, deliveredEnd);
    this.#lease.tell({ type: "lease.renew", at });
    const ttlMs = this.#lease.deadline - at; // less than the whole when it is being revoked
    const kept = resume.inHand.flatMap(([from, to]) =>
      from < deliveredEnd ? [[from, Math.min(to, deliveredEnd)] as const] : [],
    );
    const granted = this.state.epoch;
    const flow = new DeliveryFlow(this.#flowOwner, {
      port,
      epoch: granted,
      deliveredEnd,
      kept,
      keptRedriven: resume.redrivenInHand,
    });
    this.#flow = flow;
    this.#grant = 0;
    if (this.state.halt !== null) this.#standStill();
    const goOn = flow.pause();
    const { commit, revision } = this.#ledger.commit(writes);
    this.#answer(commit.flushed, { epoch: granted, port, request: frame.request }, () => {
      this.#sendGranted(port, frame.request, granted, ttlMs, revision);
      if (this.isRevoking) this.#sendRevoke(port);
      goOn();
    });
  }
  raise(port: MemberPort, frame: LeaseRaise): void {
    this.#ledger.turn.run(() => {
      const at = this.#check();
      const flow = this.#flow;
      if (flow === null || !this.#isCurrent(port, frame.epoch))
        return port.send({ type: "refused", request: frame.request, error: toWireError(this.#stale(frame.epoch)) });
      const goOn = flow.pause();
      this.#lease.tell({ type: "lease.raise", at });
      const granted = this.#lease.epoch;
      this.state.epoch = granted;
      const ttlMs = this.#lease.deadline - at;
      const { commit, revision } = this.#ledger.commit();
      this.#answer(commit.synced, { epoch: granted, port, request: frame.request }, () => {
        flow.renumber(granted);
        this.#sendGranted(port, frame.request, granted, ttlMs, revision);
        goOn();
      });
    });
  }
  #sendGranted(port: MemberPort, request: number, epoch: Epoch, ttlMs: number, revision: number): void {
    const grant = port.nextGrant();
    this.#grant = grant;
    const { queue, store } = this.context;
    port.send({
      type: "lease.granted",
      request,
      member: port.member,
      queue,
      epoch,
      ttlMs,
      grant,
      revision,
      logEpoch: store.ownerEpoch,
    });
  }
  /** Renews for the holder; its TTL, or null when this epoch is over for it, or past the time a revoke left it. */
  renew(port: MemberPort, epoch: Epoch): number | null {
    this.#ledger.turn.run(() => void this.#check());
    const at = this.context.runtime.now();
    if (at >= this.#lease.deadline || at >= this.#lease.renewUntil || !this.#isCurrent(port, epoch)) return null;
    this.#lease.tell({ type: "lease.renew", at });
    return this.#lease.deadline - at;
  }
  release(port: MemberPort, frame: LeaseRelease): void {
    this.#ledger.turn.run(() => {
      this.#check();
      const { request, epoch } = frame;
      if (!this.#isCurrent(port, epoch))
        return port.send({ type: "refused", request, error: toWireError(this.#stale(epoch)) });
      const writes = applySettlement(this.#ledger, frame.settle, this.#flow?.deliveredEnd ?? 0);
      this.state.lease = null;
      const { commit, revision } = this.#ledger.commit(writes);
      commit.flushed.then(
        () =>
          port.send({
            type: "lease.released",
            request,
            member: port.member,
            queue: this.context.queue,
            epoch,
            revision,
          }),
        (error: unknown) =>
          port.send({ type: "refused", request, error: toWireError(asMessagingError(error, "STORE_FAILED")) }),
      );
      this.#lease.tell({ type: "lease.release" });
    });
  }
  /** Asks the holder to finish its attempt and release. */
  revoke(): void {
    this.#ledger.turn.run(() => {
      const at = this.#check();
      if (!this.isHeld || this.isRevoking) return;
      this.#lease.tell({ type: "lease.revoke", withinMs: this.#flow?.port.join.revokeTimeoutMs ?? 0, at });
      if (this.#flow !== null) this.#sendRevoke(this.#flow.port);
    });
  }
  #sendRevoke(port: MemberPort): void {
    const withinMs = Math.max(0, this.#lease.renewUntil - this.context.runtime.now());
    port.send({
      type: "lease.revoke",
      member: port.member,
      queue: this.context.queue,
      epoch: this.state.epoch,
      withinMs,
    });
  }
  /** Ends the present lease (its holder says it is not its own, or has left), unless it has ended by itself before this has its turn. */
  end(reason: LeaseEndReason): void {
    const { epoch } = this.state;
    this.#ledger.turn.run(() => {
      if (epoch === this.state.epoch) this.#endLease(reason);
    });
  }
  #endLease(reason: LeaseEndReason): void {
    if (this.holder === null) return;
    this.state.lease = null;
    this.#ledger.commit();
    this.#lease.tell({ type: "lease.end", reason });
  }

  /* ---------- settling, setting aside ---------- */

  credit(port: MemberPort, frame: Credit): void {
    if (this.#flow?.port === port && frame.epoch === this.#flow.epoch) this.#flow.credit(frame.messages, frame.bytes);
  }
  settle(port: MemberPort, frame: Settle): void {
    this.#ledger.turn.run(() => {
      this.#check();
      const { queue } = this.context;
      const answer = { member: port.member, queue, epoch: frame.epoch, settle: frame.settle };
      const flow = this.#flow;
      if (flow === null || !this.#isCurrent(port, frame.epoch))
        return this.#refuseSettle(port, frame, this.#stale(frame.epoch));
      const beyond = frame.settlement.ranges.find(([from, to]) => !flow.wasDelivered(from, to));
      if (beyond !== undefined) {
        const text = `offsets ${beyond[0]} to ${beyond[1]} of ${this.path} were settled, delivered were those below ${flow.deliveredEnd}`;
        return this.#refuseSettle(port, frame, new MessagingError("PROTOCOL_VIOLATION", text));
      }
      const { commit, revision } = this.#ledger.commit(
        applySettlement(this.#ledger, frame.settlement, flow.deliveredEnd),
      );
      commit.flushed.then(
        () => port.send({ type: "settled", ...answer, revision }),
        () => {}, // the commit's failure ends the lease
      );
      this.#flowAgain();
    });
  }
  #refuseSettle(port: MemberPort, frame: Settle, error: MessagingError): void {
    const { spec, queue, group, events } = this.context;
    const { epoch, settle, settlement } = frame;
    const messages = settlement.ranges.reduce((sum, [from, to]) => sum + to - from, settlement.redriven.length);
    events.tell({ type: "settle.refused", topic: spec.name, queue, group, epoch, code: error.code, messages });
    port.send({ type: "settle.refused", member: port.member, queue, epoch, settle, error: toWireError(error) });
  }
  asidePut(port: MemberPort, frame: AsidePut): void {
    this.#ledger.turn.run(() =>
      putAside(
        {
          ledger: this.#ledger,
          holding: () => {
            this.#check();
            return this.#isCurrent(port, frame.epoch) && this.#flow !== null ? this.#flow : this.#stale(frame.epoch);
          },
          halt: (at) => this.#halt(at),
          flowAgain: () => this.#flowAgain(),
        },
        port,
        frame,
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
    this.#standStill();
    events.tell({ type: "queue.halted", topic: spec.name, queue, group, offset: offset(at.offset) });
  }
  #standStill(): void {
    this.#flow?.halt();
    this.#lease.tell({ type: "flow.halt" });
  }
  readonly #flowOwner: FlowOwner = (() => {
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
      get parkedMessagesMax() {
        return self.context.spec.parkedMessagesMax;
      },
      captured(writes: StoreWrite[]) {
        self.state.advance();
        self.#ledger.commit(writes).commit.flushed.then(
          () => self.#flow?.asideFlushed(),
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
      suspended(reason: "span" | "congested" | null) {
        self.#lease.tell({ type: reason === null ? "flow.resume" : "flow.suspend" });
      },
      failed(error: unknown) {
        self.#ledger.fail(error);
      },
    };
  })();
  #flowAgain(): void {
    if (this.#lease.isSuspended) this.#lease.tell({ type: "flow.resume" });
    this.#flow?.pump();
  }

  /* ---------- orders of people, retention ---------- */

  /** Runs a change in its turn. See `Ledger.change`. */
  change<T>(change: () => Promise<Change<T>>): Promise<T & { readonly revision: number }> {
    return this.#ledger.change(change);
  }
  /** The halt that a change has just taken away is over: the queue goes on under a new lease, so that nobody holds on to what it stood at. */
  endHalt(): void {
    this.#endLease("revoked");
  }
  /** Retention is about to remove what this group has not settled; resolves when that is counted and committed. */
  expire(before: number): Promise<void> {
    return this.#ledger.expire(before);
  }
  /** New messages are flushed: the holder may have them. */
  flushed(): void {
    this.#flow?.pump();
  }

  /* ---------- what the machine decided, failures, the end ---------- */

  /** Reads the clock: a lease past its deadline is over before anything asked under it is judged. In its turn only, since it commits. */
  #check(): number {
    const at = this.context.runtime.now();
    if (this.#lease.holder !== null && at >= this.#lease.deadline) this.#expire(at);
    return at;
  }
  /** A lease that was not given back: what was in hand may have killed its process. */
  #expire(at: number): void {
    const { state, aside } = this;
    const flow = this.#flow;
    const hands = flow?.port.join.concurrency ?? 1;
    const heads = this.isHeld
      ? (flow?.heads(hands) ?? [])
      : state.cursor < this.context.log.flushedEnd
        ? [state.cursor]
        : [];
    for (const head of heads) state.noteTried(head, { attempts: 0, losses: 1 });
    const redriven = flow?.redrivenHeads().slice(0, hands) ?? [];
    const writes = redriven.flatMap((head) => aside.tried(head.strand, head.offset, { attempts: 0, losses: 1 }));
    state.lease = null;
    this.#ledger.commit(writes);
    this.#lease.tell({ type: "lease.check", at });
  }
  #isCurrent(port: MemberPort, epoch: Epoch): boolean {
    const { holder } = this;
    const isHolder = this.isHeld && holder?.instance === port.instance && this.#flow?.port === port;
    return !this.#closed && isHolder && epoch === this.state.epoch;
  }
  #stale(presented: Epoch): StaleEpochError {
    return new StaleEpochError({ queue: this.path, presented, current: this.state.epoch });
  }
  #leaseHeld(): MessagingError {
    const { holder, expiresInMs } = this.lease() ?? { holder: null, expiresInMs: 0 };
    return new MessagingError(
      "LEASE_HELD",
      `${this.path} is held by "${holder ?? "nobody"}" for another ${expiresInMs} ms`,
      {
        data: { holder, expiresInMs },
      },
    );
  }
  /** Answers a request when its commit is through, if its lease is still the one it was about. */
  #answer(
    durable: Promise<void>,
    of: { readonly epoch: Epoch; readonly port: MemberPort; readonly request: number },
    answer: () => void,
  ): void {
    const refuse = (error: MessagingError) =>
      of.port.send({ type: "refused", request: of.request, error: toWireError(error) });
    durable.then(
      () => (this.#isCurrent(of.port, of.epoch) ? answer() : refuse(this.#stale(of.epoch))),
      (error: unknown) => refuse(asMessagingError(error, "STORE_FAILED")),
    );
  }
  #execute(decided: SubscriptionEmitted): void {
    const { spec, queue, group, events, onHolder, onVacant } = this.context;
    const at = { topic: spec.name, queue, group };
    switch (decided.type) {
      case "lease.granted": {
        const { holder } = this;
        if (holder !== null) onHolder({ instance: holder.instance, held: true });
        return;
      }
      case "lease.raised":
        return;
      case "lease.ended":
        onHolder({ instance: decided.holder.instance, held: false });
        if (decided.reason === "released") events.tell({ type: "lease.released", ...at, epoch: decided.epoch });
        else events.tell({ type: "lease.lost", ...at, epoch: decided.epoch, reason: decided.reason });
        this.#letGo(decided.epoch, decided.reason);
        return;
      case "queue.vacant":
        if (!this.#closed) onVacant();
        return;
    }
  }
  /** Nothing more goes to whoever held the lease; it is told, unless it gave it back. */
  #letGo(epoch: Epoch, reason: LeaseEndReason): void {
    const flow = this.#flow;
    this.#flow = null;
    this.#grant = 0;
    flow?.stop();
    if (flow?.port.open !== true || reason === "released") return;
    flow.port.send({ type: "lease.ended", member: flow.port.member, queue: this.context.queue, epoch, reason });
  }
  #failed(): void {
    const { holder, isHeld } = this.#lease;
    const { epoch } = this.state;
    this.#lease.stop();
    this.#letGo(epoch, "fenced");
    if (holder === null || !isHeld) return;
    this.context.onHolder({ instance: holder.instance, held: false });
    const { spec, queue, group, events } = this.context;
    events.tell({ type: "lease.lost", topic: spec.name, queue, group, epoch, reason: "fenced" });
  }
  /** Takes nothing more. The lease stays recorded: who holds it may come back first when the broker does. */
  async close(): Promise<void> {
    await this.#ledger.close(() => {
      this.#closed = true;
      this.#flow?.stop();
      this.#lease.stop();
    });
  }
}
