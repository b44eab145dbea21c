import type { Actor } from "xstate";
import { type Epoch, epoch, NO_EPOCH, type Offset, offset } from "../message/brands.ts";
import { asMessagingError, MessagingError, StaleEpochError, toWireError } from "../message/errors.ts";
import type { AsidePut, Credit, LeaseAcquire, LeaseRaise, LeaseRelease, Settle, Settlement } from "../protocol/frames.ts";
import type { QueueAccount } from "../protocol/questions.ts";
import type { Commit, StoreWrite, StoreWriter } from "../store/store.ts";
import type { LeaseView, QueueView } from "../system/views.ts";
import { DeliveryFlow } from "./delivery-flow.ts";
import { copiesOf } from "./log-scan.ts";
import type { MemberPort } from "./member-port.ts";
import { storeKeys } from "./records.ts";
import { SerialQueue } from "./serial-queue.ts";
import { SetAside } from "./set-aside.ts";
import type { SubscriptionContextOf } from "./subscription-context.ts";
import { isHeld, type LeaseEndReason, type SubscriptionEmitted, type SubscriptionEvent, subscriptionMachine } from "./subscription.machine.ts";
import { SubscriptionState, type Tried } from "./subscription-state.ts";

const RELOAD_AFTER_MS = 500;

/**
 * One group on one queue: its cursor, its lease, what it has set aside. The machine decides who holds the lease; this executes: it checks, changes memory and
 * commits, one change after another, and answers when a change is committed.
 */
export class Subscription {
  readonly context: SubscriptionContextOf;
  readonly path: string;
  state: SubscriptionState;
  aside: SetAside;
  readonly #turn: SerialQueue;
  #writer: StoreWriter;
  #machine: Actor<typeof subscriptionMachine>;
  #emitted: SubscriptionEmitted[] = [];
  #flow: DeliveryFlow | null = null;
  /** The holder's port, also between a grant and its first delivery. */
  #timer: unknown = null;
  #timerAt = Number.POSITIVE_INFINITY;
  #generation = 0;
  #closed = false;
  readonly #waiters = new Set<{ readonly end: number; readonly reached: () => void }>();

  /** Loads it from the store, or begins it where the group's settings say. @throws `STORE_DAMAGED` */
  static async open(context: SubscriptionContextOf, begin: number): Promise<Subscription> {
    const { state, aside, isNew } = await load(context, begin);
    const subscription = new Subscription(context, state, aside);
    if (isNew) await subscription.#commit([]).flushed; // a group's start is persisted before anything relies on it
    return subscription;
  }
  private constructor(context: SubscriptionContextOf, state: SubscriptionState, aside: SetAside) {
    this.context = context;
    this.path = `queue/${context.spec.name}/${context.queue}/${context.group}`;
    this.state = state;
    this.aside = aside;
    this.#writer = context.store.writer();
    this.#turn = new SerialQueue((error) => this.#broken(error));
    this.#machine = this.#startMachine();
    this.#watchDeadline();
  }

  /* ---------- what others ask ---------- */

  get isVacant(): boolean {
    return this.#machine.getSnapshot().value === "vacant" && !this.#closed;
  }
  get isRevoking(): boolean {
    return this.#machine.getSnapshot().value === "revoking";
  }
  get isHeld(): boolean {
    return isHeld(this.#machine.getSnapshot());
  }
  get isQuarantined(): boolean {
    return this.#machine.getSnapshot().value === "quarantined";
  }
  get currentEpoch(): Epoch {
    return this.state.epoch;
  }
  get holder(): { readonly instance: string; readonly member: string } | null {
    return this.#machine.getSnapshot().context.holder;
  }
  /** Whether anything delivered and unsettled is known to be in hand. */
  get flow(): DeliveryFlow | null {
    return this.#flow;
  }
  account(): QueueAccount {
    const { log, queue, store } = this.context;
    return { ...this.state.account(log.flushedEnd), queue, logEpoch: store.ownerEpoch };
  }
  lease(): LeaseView | null {
    const { holder, epoch: at, deadline } = this.#machine.getSnapshot().context;
    if (holder === null) return null;
    return { epoch: at, holder: holder.member, expiresInMs: Math.max(0, Math.round(deadline - this.context.runtime.now())) };
  }
  view(lagMs: number): QueueView {
    const { log, queue } = this.context;
    const value = this.#machine.getSnapshot().value;
    const account = this.state.account(log.flushedEnd);
    return {
      queue,
      state: typeof value === "string" ? (value as QueueView["state"]) : "leased",
      halted: this.state.halt !== null,
      lease: this.lease(),
      cursor: account.cursor,
      end: account.end,
      backlog: account.backlog,
      lagMs,
    };
  }
  /** Resolves once every offset below `end` has left the backlog for good (committed). */
  reached(end: number): { readonly done: Promise<void>; cancel(): void } {
    let cancel = () => {};
    const done = new Promise<void>((resolve) => {
      const waiter = { end, reached: resolve };
      this.#waiters.add(waiter);
      cancel = () => this.#waiters.delete(waiter);
    });
    this.#turn.run(() => this.#commitsDone().then(() => this.#wake(), () => {}));
    return { done, cancel: () => cancel() };
  }
  async #commitsDone(): Promise<void> {
    await this.#lastCommit?.flushed;
  }

  /* ---------- leases ---------- */

  acquire(port: MemberPort, frame: LeaseAcquire): void {
    this.#turn.run(() => {
      const at = this.#check();
      const snapshot = this.#machine.getSnapshot();
      const held = isHeld(snapshot);
      const holder = snapshot.context.holder;
      const refuse = (error: MessagingError) => port.send({ type: "refused", request: frame.request, error: toWireError(error) });
      if (this.#closed) return refuse(unavailable(this.path));
      if (frame.resume !== null) {
        if (!held || frame.resume.epoch !== this.state.epoch || holder?.instance !== port.instance || holder.member !== port.name)
          return refuse(this.#stale(frame.resume.epoch));
        return this.#resume(port, frame, frame.resume, at);
      }
      const isSame = holder?.instance === port.instance && holder.member === port.name;
      if (held && !isSame) return refuse(this.#leaseHeld());
      if (snapshot.value === "quarantined" && holder?.instance !== port.instance) return refuse(this.#leaseHeld());
      if (held) this.#tell({ type: "lease.end", reason: "fenced" }); // it does not know of it any more, or would have resumed it
      const ttlMs = Math.min(port.join.leaseTtlMs, this.context.leaseTtlMsMax);
      const lease = { instance: port.instance, member: port.name, ttlMs };
      this.#tell({ type: "lease.grant", holder: lease, at });
      this.state.epoch = this.#machine.getSnapshot().context.epoch;
      this.state.lease = lease;
      const flow = new DeliveryFlow(this.#flowOwner, { port, epoch: this.state.epoch, deliveredEnd: 0, kept: [], keptRedriven: [] });
      this.#flow = flow;
      const granted = this.state.epoch;
      const { commit, revision } = this.#commitState([]);
      this.#answer(commit.synced, { epoch: granted, port, request: frame.request }, () => {
        this.#sendGranted(port, frame.request, granted, ttlMs, revision);
        const { spec, queue, group, events } = this.context;
        events.tell({ type: "lease.granted", topic: spec.name, queue, group, epoch: granted });
        if (this.state.halt === null) flow.proceed();
      });
      if (this.state.halt !== null) this.#tell({ type: "flow.halt" });
    });
  }
  #resume(port: MemberPort, frame: LeaseAcquire, resume: NonNullable<LeaseAcquire["resume"]>, at: number): void {
    const before = this.#flow;
    const deliveredEnd = before?.deliveredEnd ?? this.state.cursor;
    before?.stop();
    const applied = this.#applySettlement(resume.settle, deliveredEnd);
    this.#tell({ type: "lease.renew", at });
    const ttlMs = this.state.lease?.ttlMs ?? 0;
    const flow = new DeliveryFlow(this.#flowOwner, {
      port,
      epoch: this.state.epoch,
      deliveredEnd,
      kept: resume.inHand,
      keptRedriven: resume.redrivenInHand,
    });
    this.#flow = flow;
    this.#grant = 0;
    const granted = this.state.epoch;
    const { commit, revision } = this.#commitState(applied.writes);
    this.#answer(commit.flushed, { epoch: granted, port, request: frame.request }, () => {
      this.#sendGranted(port, frame.request, granted, ttlMs, revision);
      if (this.isRevoking) this.#sendRevoke(port);
      if (this.state.halt === null) flow.proceed();
    });
  }
  raise(port: MemberPort, frame: LeaseRaise): void {
    this.#turn.run(() => {
      const at = this.#check();
      if (!this.#isCurrent(port, frame.epoch))
        return port.send({ type: "refused", request: frame.request, error: toWireError(this.#stale(frame.epoch)) });
      const flow = this.#flow;
      flow?.stand();
      this.#tell({ type: "lease.raise", at });
      this.state.epoch = this.#machine.getSnapshot().context.epoch;
      const granted = this.state.epoch;
      const { commit, revision } = this.#commitState([]);
      this.#answer(commit.synced, { epoch: granted, port, request: frame.request }, () => {
        flow?.renumber(granted);
        this.#sendGranted(port, frame.request, granted, this.state.lease?.ttlMs ?? 0, revision);
        if (this.state.halt === null) flow?.proceed();
      });
    });
  }
  #sendGranted(port: MemberPort, request: number, at: Epoch, ttlMs: number, revision: number): void {
    const grant = port.nextGrant();
    this.#grant = grant;
    port.send({
      type: "lease.granted",
      request,
      member: port.member,
      queue: this.context.queue,
      epoch: at,
      ttlMs,
      grant,
      revision,
      logEpoch: this.context.store.ownerEpoch,
    });
  }
  #grant = 0;
  /** Number of the present holder's grant on its link; 0 before it was answered. */
  get grant(): number {
    return this.#grant;
  }
  /** Renews for the holder; its TTL, or null when this epoch is over for it. */
  renew(port: MemberPort, at: Epoch): number | null {
    const now = this.#check();
    if (!this.#isCurrent(port, at)) return null;
    const before = this.#machine.getSnapshot().context.deadline;
    this.#tell({ type: "lease.renew", at: now });
    const { deadline, holder } = this.#machine.getSnapshot().context;
    return deadline === before && this.isRevoking ? null : (holder?.ttlMs ?? null);
  }
  release(port: MemberPort, frame: LeaseRelease): void {
    this.#turn.run(() => {
      this.#check();
      if (!this.#isCurrent(port, frame.epoch))
        return port.send({ type: "refused", request: frame.request, error: toWireError(this.#stale(frame.epoch)) });
      const applied = this.#applySettlement(frame.settle, this.#flow?.deliveredEnd ?? 0);
      this.state.lease = null;
      const { commit, revision } = this.#commitState(applied.writes);
      const { epoch: ended } = frame;
      this.#answer(commit.flushed, { epoch: ended, port, request: frame.request, always: true }, () =>
        port.send({ type: "lease.released", request: frame.request, member: port.member, queue: this.context.queue, epoch: ended, revision }),
      );
      this.#tell({ type: "lease.release" });
    });
  }
  /** Asks the holder to finish its attempt and release. */
  revoke(): void {
    this.#turn.run(() => {
      const at = this.#check();
      const snapshot = this.#machine.getSnapshot();
      if (!isHeld(snapshot) || snapshot.value === "revoking") return;
      const withinMs = this.#flow?.port.join.revokeTimeoutMs ?? 0;
      this.#tell({ type: "lease.revoke", withinMs, at });
      if (this.#flow !== null) this.#sendRevoke(this.#flow.port);
    });
  }
  #sendRevoke(port: MemberPort): void {
    port.send({
      type: "lease.revoke",
      member: port.member,
      queue: this.context.queue,
      epoch: this.state.epoch,
      withinMs: port.join.revokeTimeoutMs,
    });
  }
  /** Ends the lease by force (its holder says it is not its own, an order needs a new one, the broker closes). */
  end(reason: LeaseEndReason): void {
    this.#turn.run(() => this.#endLease(reason));
  }
  #endLease(reason: LeaseEndReason): void {
    if (this.holder === null) return;
    this.state.lease = null;
    this.#commitState([]);
    this.#tell({ type: "lease.end", reason });
  }

  /* ---------- settling ---------- */

  credit(port: MemberPort, frame: Credit): void {
    if (this.#flow?.port === port && frame.epoch === this.#flow.epoch) this.#flow.credit(frame.messages, frame.bytes);
  }
  settle(port: MemberPort, frame: Settle): void {
    this.#turn.run(() => {
      this.#check();
      const answer = { member: port.member, queue: this.context.queue, epoch: frame.epoch, settle: frame.settle };
      if (!this.#isCurrent(port, frame.epoch)) {
        const error = this.#stale(frame.epoch);
        this.#tellRefused(frame, error);
        return port.send({ type: "settle.refused", ...answer, error: toWireError(error) });
      }
      const flow = this.#flow!;
      for (const [from, to] of frame.settlement.ranges)
        if (!flow.wasDelivered(from, to)) {
          const error = new MessagingError("PROTOCOL_VIOLATION", `offsets ${from} to ${to} of ${this.path} were settled, delivered were those below ${flow.deliveredEnd}`);
          this.#tellRefused(frame, error);
          return port.send({ type: "settle.refused", ...answer, error: toWireError(error) });
        }
      const applied = this.#applySettlement(frame.settlement, flow.deliveredEnd);
      const { commit, revision } = this.#commitState(applied.writes);
      commit.flushed.then(
        () => {
          port.send({ type: "settled", ...answer, revision });
          this.#wake();
        },
        () => {}, // the commit's failure ends the lease
      );
      flow.done(applied.count);
      this.#flowAgain();
    });
  }
  #tellRefused(frame: Settle, error: MessagingError): void {
    const { spec, queue, group, events } = this.context;
    const messages = frame.settlement.ranges.reduce((sum, [from, to]) => sum + to - from, frame.settlement.redriven.length);
    events.tell({ type: "settle.refused", topic: spec.name, queue, group, epoch: frame.epoch, code: error.code, messages });
  }
  /** Notes what a consumer reports. Ranges beyond what was delivered are cut off. */
  #applySettlement(settlement: Settlement, deliveredEnd: number): { readonly writes: StoreWrite[]; readonly count: number } {
    const { state, aside } = this;
    const writes: StoreWrite[] = [];
    let count = 0;
    for (const [from, to] of settlement.ranges) {
      const end = Math.min(to, deliveredEnd);
      if (from >= end) continue;
      count += end - from;
      state.settle(from, end);
    }
    for (const { strand: id, offset: at } of settlement.redriven) {
      const strand = aside.strand(id);
      if (strand === undefined) continue;
      const taken = aside.take(state, strand, at);
      if (taken.length === 0) continue;
      if (at >= state.cursor) state.settled.add(at, at + 1);
      count++;
      this.#classesChanged = true;
      writes.push(...taken);
    }
    for (const [at, attempts] of settlement.tried) if (at < deliveredEnd && !state.isDone(at)) this.#triedMore(at, { attempts, losses: 0 });
    state.advance();
    return { writes, count };
  }
  #classesChanged = false;
  #triedMore(at: number, more: Tried): void {
    const tried = this.state.tried.get(at) ?? { attempts: 0, losses: 0 };
    tried.attempts = Math.max(tried.attempts, more.attempts);
    tried.losses += more.losses;
    this.state.tried.set(at, tried);
  }

  /* ---------- setting aside ---------- */

  asidePut(port: MemberPort, frame: AsidePut): void {
    this.#turn.run(async () => {
      const refuse = (error: MessagingError) => port.send({ type: "refused", request: frame.request, error: toWireError(error) });
      this.#check();
      if (!this.#isCurrent(port, frame.epoch)) return refuse(this.#stale(frame.epoch));
      const { spec, log, runtime } = this.context;
      const flow = this.#flow!;
      const { state } = this;
      const done = (offsets: readonly Offset[], writes: readonly StoreWrite[]) => {
        state.tried.delete(frame.offset);
        state.advance();
        const { commit, revision } = this.#commitState(writes);
        this.#answer(commit.flushed, { epoch: frame.epoch, port, request: frame.request, always: true }, () => {
          port.send({ type: "aside.done", request: frame.request, member: port.member, queue: this.context.queue, epoch: frame.epoch, revision, offsets });
          this.#flow?.asideFlushed();
          this.#wake();
        });
        flow.done(offsets.length);
        this.#flowAgain();
      };
      if (frame.redriven !== null) {
        const strand = this.aside.strand(frame.redriven.strand);
        if (strand === undefined || !strand.offsets.includes(frame.redriven.offset)) return done([], []);
        this.#classesChanged = true;
        return done([frame.redriven.offset], [this.aside.turn(state, strand, { phase: "waiting", attempts: frame.attempts, error: frame.error })]);
      }
      if (state.isDone(frame.offset)) return done([], []); // set aside before, the answer was lost
      if (!flow.wasDelivered(frame.offset, frame.offset + 1))
        return refuse(new MessagingError("PROTOCOL_VIOLATION", `offset ${frame.offset} of ${this.path} was set aside, delivered were those below ${flow.deliveredEnd}`));
      if (frame.kind === "halt") {
        this.#halt(frame);
        return done([], []);
      }
      const parks = frame.kind === "park" && frame.key !== null;
      flow.stand(); // nothing more of the key goes out until it is parked
      const scanned = await copiesOf(log, frame.offset, parks ? flow.deliveredEnd : frame.offset + 1, (at, key) =>
        at === frame.offset || (key === frame.key && !state.isDone(at)),
      );
      this.#check();
      if (!this.#isCurrent(port, frame.epoch)) return refuse(this.#stale(frame.epoch));
      if (state.halt === null) flow.proceed();
      const [head, ...followers] = scanned;
      if (head === undefined || head.offset !== frame.offset) return done([], []); // retention took it
      if (this.aside.messages + scanned.length > spec.parkedMessagesMax) {
        this.#halt(frame);
        this.#commitState([]);
        return refuse(asideFull(this.path, spec.parkedMessagesMax));
      }
      this.#classesChanged = true;
      const writes = this.aside.begin(
        state,
        { kind: parks ? "parked" : "dead-letter", key: frame.key, sinceMs: runtime.wallNow(), attempts: frame.attempts, error: frame.error },
        head,
        followers,
      );
      this.#tellAside(frame, parks);
      done([head, ...followers].map((copy) => offset(copy.offset)), writes);
    });
  }
  #tellAside(frame: AsidePut, parks: boolean): void {
    const { spec, queue, group, events } = this.context;
    const at = { topic: spec.name, queue, group, offset: frame.offset };
    if (parks) events.tell({ type: "key.parked", ...at, key: frame.key as string });
    else events.tell({ type: "message.deadLettered", ...at, key: frame.key });
  }
  #halt(at: { readonly offset: number; readonly key: string | null; readonly attempts: number; readonly error: AsidePut["error"] }): void {
    const { spec, queue, group, events, runtime } = this.context;
    this.state.halt = { offset: at.offset, key: at.key, attempts: at.attempts, error: at.error, sinceMs: runtime.wallNow() };
    this.#flow?.stand();
    this.#tell({ type: "flow.halt" });
    events.tell({ type: "queue.halted", topic: spec.name, queue, group, offset: offset(at.offset) });
  }
  readonly #flowOwner = (() => {
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
        self.#classesChanged = true;
        self.state.advance();
        self.#commitState(writes).commit.flushed.then(
          () => {
            self.#flow?.asideFlushed();
            self.#wake();
          },
          () => {},
        );
      },
      asideFull(at: { readonly offset: number; readonly key: string }) {
        const error = asideFull(self.path, self.context.spec.parkedMessagesMax);
        self.#halt({ ...at, attempts: 0, error: { name: error.name, message: error.message, code: error.code } });
        self.#commitState([]);
      },
      suspended(reason: "span" | "congested" | null) {
        self.#tell({ type: reason === null ? "flow.resume" : "flow.suspend" });
      },
      failed(error: unknown) {
        self.#broken(error);
      },
    };
  })();
  #flowAgain(): void {
    const value = this.#machine.getSnapshot().value;
    if (typeof value === "object" && value.leased === "suspended") this.#tell({ type: "flow.resume" });
    this.#flow?.pump();
  }

  /* ---------- orders of people, retention ---------- */

  /**
   * Runs a change in its turn, committed together with the state; resolves with its revision once it is flushed. `classes`: it moved offsets between classes.
   * Rejects with what `change` throws; nothing has changed then.
   */
  change<T>(change: () => Promise<{ readonly writes: readonly StoreWrite[]; readonly result: T; readonly after?: () => void }>): Promise<T & { readonly revision: number }> {
    return new Promise((resolve, reject) => {
      this.#turn.run(async () => {
        try {
          const { writes, result, after } = await change();
          this.#classesChanged = true;
          this.state.advance();
          const { commit, revision } = this.#commitState(writes);
          after?.();
          commit.flushed.then(
            () => {
              this.#flow?.asideFlushed();
              this.#flowAgain();
              this.#wake();
              resolve({ ...result, revision });
            },
            (error: unknown) => reject(asMessagingError(error, "STORE_FAILED")),
          );
        } catch (error) {
          reject(asMessagingError(error));
        }
      });
    });
  }
  /** A halted queue goes on: under a new lease, so that nobody holds on to what it stood at. */
  endHalt(): void {
    this.state.halt = null;
    this.#endLease("revoked");
  }
  /** Retention removed what this group had not settled. */
  expire(before: number): void {
    this.#turn.run(() => {
      const { state } = this;
      if (before <= state.cursor) return;
      const done = state.settled.countBelow(before) - state.settled.countBelow(state.cursor);
      const asideBefore = [state.parked, state.deadLettered, state.discarded].reduce((sum, set) => sum + set.countBelow(before) - set.countBelow(state.cursor), 0);
      const from = state.cursor;
      state.expired += before - state.cursor - done - asideBefore;
      state.settled.remove(0, before);
      state.cursor = before;
      state.advance();
      this.#commitState([]);
      const { spec, queue, group, events } = this.context;
      events.tell({ type: "message.expired", topic: spec.name, queue, group, from: offset(from), to: offset(before) });
    });
  }
  /** New messages are flushed: the holder may have them. */
  flushed(): void {
    this.#flow?.pump();
  }
  /** A member's link has ended: its lease lives on until it expires or is resumed, but nothing goes out. */
  linkEnded(port: MemberPort): void {
    if (this.#flow?.port === port) this.#flow.stand();
  }

  /* ---------- the machine and the store ---------- */

  /** Reads the clock: a lease past its deadline is over before anything asked under it is judged. */
  #check(): number {
    const at = this.context.runtime.now();
    const { deadline, holder } = this.#machine.getSnapshot().context;
    if (holder !== null && at >= deadline) this.#expire(at);
    return at;
  }
  #expire(at: number): void {
    const wasHeld = this.isHeld;
    const heads = wasHeld ? (this.#flow?.heads(this.#flow.port.join.concurrency) ?? []) : this.state.cursor < this.context.log.flushedEnd ? [this.state.cursor] : [];
    for (const head of heads) this.#triedMore(head, { attempts: 0, losses: 1 });
    this.state.lease = null;
    this.#commitState([]);
    this.#tell({ type: "lease.check", at });
  }
  #isCurrent(port: MemberPort, at: Epoch): boolean {
    return !this.#closed && this.isHeld && at === this.state.epoch && this.holder?.instance === port.instance && this.#flow?.port === port;
  }
  #stale(presented: Epoch): StaleEpochError {
    return new StaleEpochError({ queue: this.path, presented, current: this.state.epoch });
  }
  #leaseHeld(): MessagingError {
    const lease = this.lease();
    return new MessagingError("LEASE_HELD", `${this.path} is held by "${lease?.holder ?? "nobody"}" for another ${lease?.expiresInMs ?? 0} ms`, {
      data: { holder: lease?.holder ?? null, expiresInMs: lease?.expiresInMs ?? 0 },
    });
  }

  #startMachine(): Actor<typeof subscriptionMachine> {
    const { runtime, actors } = this.context;
    const machine = actors.start(
      { kind: "subscription", path: this.path, failed: (error) => this.#broken(error) },
      subscriptionMachine,
      {
        input: {
          epoch: this.state.epoch,
          firstEpoch: epoch(Math.max(1, Math.floor(runtime.wallNow() / 1000))),
          recorded: this.state.lease,
          at: runtime.now(),
        },
      },
    );
    machine.on("*", (event) => this.#emitted.push(event));
    return machine;
  }
  /** Sends the machine an event and executes what it decided. */
  #tell(event: SubscriptionEvent): void {
    this.#machine.send(event);
    const emitted = this.#emitted;
    if (emitted.length > 0) {
      this.#emitted = [];
      for (const decided of emitted) this.#execute(decided);
    }
    this.#watchDeadline();
  }
  #execute(decided: SubscriptionEmitted): void {
    const { spec, queue, group, events, onHolder, onVacant } = this.context;
    const at = { topic: spec.name, queue, group };
    switch (decided.type) {
      case "lease.granted": {
        const { holder } = this.#machine.getSnapshot().context;
        if (holder !== null) onHolder({ instance: holder.instance, held: true });
        return;
      }
      case "lease.raised":
        return;
      case "lease.ended": {
        const flow = this.#flow;
        this.#flow = null;
        flow?.stop();
        this.#grant = 0;
        onHolder({ instance: decided.holder.instance, held: false });
        if (decided.reason === "released") events.tell({ type: "lease.released", ...at, epoch: decided.epoch });
        else {
          events.tell({ type: "lease.lost", ...at, epoch: decided.epoch, reason: decided.reason });
          if (flow?.port.open === true)
            flow.port.send({ type: "lease.ended", member: flow.port.member, queue, epoch: decided.epoch, reason: decided.reason });
        }
        return;
      }
      case "queue.vacant":
        if (!this.#closed) onVacant();
        return;
    }
  }
  /** One timer per lease, not per renewal: when it fires it looks at the deadline as it is then. */
  #watchDeadline(): void {
    const { holder, deadline } = this.#machine.getSnapshot().context;
    const { runtime } = this.context;
    if (holder === null || this.#closed) {
      if (this.#timer !== null) runtime.clearTimeout(this.#timer);
      this.#timer = null;
      return;
    }
    if (this.#timer !== null && this.#timerAt <= deadline) return;
    if (this.#timer !== null) runtime.clearTimeout(this.#timer);
    this.#timerAt = deadline;
    this.#timer = runtime.setTimeout(() => {
      this.#timer = null;
      this.#turn.run(() => {
        this.#check();
        this.#watchDeadline();
      });
    }, Math.max(0, deadline - runtime.now()));
  }

  #lastCommit: Commit | null = null;
  #commit(writes: readonly StoreWrite[]): Commit {
    const { spec, queue, group } = this.context;
    const all: StoreWrite[] = [...writes, { kind: "put", key: storeKeys.subscription(spec.name, queue, group), value: this.state.encode() }];
    if (this.#classesChanged) {
      this.#classesChanged = false;
      all.push({ kind: "put", key: storeKeys.subscriptionClasses(spec.name, queue, group), value: this.state.encodeClasses() });
    }
    const commit = this.#writer.commit(all);
    this.#lastCommit = commit;
    const generation = this.#generation;
    commit.flushed.catch((error: unknown) => {
      if (generation === this.#generation) this.#failed(error);
    });
    commit.synced.catch(() => {});
    return commit;
  }
  #commitState(writes: readonly StoreWrite[]): { readonly commit: Commit; readonly revision: number } {
    this.state.revision++;
    return { commit: this.#commit(writes), revision: this.state.revision };
  }
  /** Answers a request when its commit is through, if its lease is still the one it was about. */
  #answer(
    durable: Promise<void>,
    of: { readonly epoch: Epoch; readonly port: MemberPort; readonly request: number; readonly always?: boolean },
    answer: () => void,
  ): void {
    durable.then(
      () => {
        if (of.always === true || this.#isCurrent(of.port, of.epoch)) answer();
        else of.port.send({ type: "refused", request: of.request, error: toWireError(this.#stale(of.epoch)) });
      },
      (error: unknown) => of.port.send({ type: "refused", request: of.request, error: toWireError(asMessagingError(error, "STORE_FAILED")) }),
    );
  }
  #wake(): void {
    for (const waiter of this.#waiters) {
      if (this.state.cursor < waiter.end) continue;
      this.#waiters.delete(waiter);
      waiter.reached();
    }
  }

  /** A commit failed: nothing in memory above it counts. The lease ends, and all is read anew from the store, as after a restart. */
  #failed(error: unknown): void {
    if (this.#closed) return;
    this.#generation++;
    this.context.logger.log("error", `${this.path}: a commit failed; reloading from the store`, { error: String(error) });
    const flow = this.#flow;
    this.#flow = null;
    flow?.stop();
    if (flow?.port.open === true)
      flow.port.send({ type: "lease.ended", member: flow.port.member, queue: this.context.queue, epoch: this.state.epoch, reason: "fenced" });
    const holder = this.holder;
    if (holder !== null) this.context.onHolder({ instance: holder.instance, held: false });
    this.context.actors.stop(this.path);
    this.#turn.run(() => this.#reload());
  }
  async #reload(): Promise<void> {
    const { runtime, logger } = this.context;
    for (;;) {
      if (this.#closed) return;
      try {
        const { state, aside } = await load(this.context, this.state.start);
        this.state = state;
        this.aside = aside;
        this.#writer = this.context.store.writer();
        this.#machine = this.#startMachine();
        this.#watchDeadline();
        if (this.isVacant) this.context.onVacant();
        return;
      } catch (error) {
        logger.log("error", `${this.path}: cannot be reloaded yet`, { error: String(error) });
        await new Promise<void>((resolve) => void runtime.setTimeout(resolve, RELOAD_AFTER_MS));
      }
    }
  }
  #broken(error: unknown): void {
    this.#failed(error);
  }
  /** Ends the lease (its holder is told), and takes nothing more. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) =>
      this.#turn.run(() => {
        this.#closed = true;
        this.#flow?.stop();
        if (this.#timer !== null) this.context.runtime.clearTimeout(this.#timer);
        resolve();
      }),
    );
    await this.#lastCommit?.flushed.catch(() => {});
  }
}

async function load(context: SubscriptionContextOf, begin: number) {
  const { spec, queue, group, store, log } = context;
  const key = storeKeys.subscription(spec.name, queue, group);
  const stored = await store.get(key);
  const aside = new SetAside({ topic: spec.name, queue, group }, store);
  if (stored === undefined) {
    const state = new SubscriptionState();
    state.epoch = NO_EPOCH;
    state.start = log.start;
    state.cursor = begin;
    state.skipped = begin - log.start;
    return { state, aside, isNew: true };
  }
  const state = SubscriptionState.decode(key, stored, await store.get(storeKeys.subscriptionClasses(spec.name, queue, group)));
  state.check(key, log.end);
  await aside.recover();
  return { state, aside, isNew: false };
}
const unavailable = (path: string) => new MessagingError("UNAVAILABLE", `${path} is closing; try again when its broker is back`);
const asideFull = (path: string, max: number) =>
  new MessagingError("LIMIT_EXCEEDED", `${path} has set ${max} messages aside, its limit: it halts until some are redriven or discarded`, {
    data: { parkedMessagesMax: max },
  });
