import type { Epoch } from "../message/brands.ts";
import { MessagingError, StaleEpochError } from "../message/errors.ts";
import type { LeaseAcquire, LeaseRaise, LeaseRelease } from "../protocol/frames.ts";
import type { LeaseView } from "../protocol/views.ts";
import { applySettlement } from "./apply-settlement.ts";
import { DeliveryFlow, type FlowOwner } from "./delivery-flow.ts";
import { LeaseKeeper, type LeaseKeeperOwner } from "./lease-keeper.ts";
import { changeFailure, type Ledger, type LedgerOwner, unavailable } from "./ledger.ts";
import type { MemberPort } from "./member-port.ts";
import { Repeats } from "./repeats.ts";
import {
  type Holder,
  holderOf,
  isSameHolder,
  type LeaseEndReason,
  type SubscriptionEmitted,
  type SubscriptionEvent,
} from "./subscription.machine.ts";
import type { SubscriptionContextOf } from "./subscription-context.ts";

/** Who holds one subscription's lease, and what is on its way to it. The machine decides; this persists what it decided, answers, and begins and ends the flow. */
export class Holding implements LeaseKeeperOwner, LedgerOwner {
  readonly context: SubscriptionContextOf;
  readonly #ledger: Ledger;
  readonly #flowOwner: () => FlowOwner;
  readonly #lease: LeaseKeeper;
  #flow: DeliveryFlow | null = null;
  #repeats: Repeats | null = null;
  #grant = 0;
  #closed = false;

  constructor(ledger: Ledger, flowOwner: () => FlowOwner) {
    this.context = ledger.context;
    this.#ledger = ledger;
    this.#flowOwner = flowOwner;
    this.#lease = new LeaseKeeper(this.context, ledger.path, ledger.state, this);
  }

  get state(): LeaseKeeper["state"] {
    return this.#lease.state;
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
  get holder(): Holder | null {
    return this.#lease.holder;
  }
  /** What is on its way to the holder of the lease. */
  get flow(): DeliveryFlow | null {
    return this.#flow;
  }
  /** What the holder of the lease may ask again. Made when it is needed: most leases do without. */
  get repeats(): Repeats {
    this.#repeats ??= new Repeats();
    return this.#repeats;
  }
  /** Number of the present holder's grant on its link; 0 before it was answered. */
  get grant(): number {
    return this.#grant;
  }
  view(): LeaseView | null {
    const { holder, epoch } = this.#lease;
    return holder === null ? null : { epoch, holder: holder.member, expiresInMs: Math.round(this.#lease.leftMs) };
  }
  tell(event: SubscriptionEvent): void {
    this.#lease.tell(event);
  }

  acquire(port: MemberPort, frame: LeaseAcquire): void {
    this.#ledger.take(port, frame, () => {
      const at = this.check();
      const { holder, isHeld } = this.#lease;
      const refuse = (error: MessagingError) => port.refuse({ type: "refused", request: frame.request, error });
      if (this.#closed) return refuse(unavailable(this.#ledger.path));
      const asker = holderOf(port);
      const isSame = holder !== null && isSameHolder(holder, asker);
      if (frame.resume !== null) {
        if (!isHeld || !isSame || frame.resume.epoch !== this.#ledger.state.epoch)
          return refuse(this.stale(frame.resume.epoch));
        return this.#resume(port, frame, frame.resume, at);
      }
      if (holder !== null && !isSame) return refuse(this.#leaseHeld());
      if (isHeld) this.#lease.tell({ type: "lease.end", reason: "fenced" }); // it does not know of it any more, or would have resumed it
      const ttlMs = Math.min(port.join.leaseTtlMs, this.context.leaseTtlMsMax);
      const lease = { ...asker, ttlMs };
      this.#lease.tell({ type: "lease.grant", holder: lease, at });
      const granted = this.#lease.epoch;
      this.#ledger.state.epoch = granted;
      this.#ledger.state.lease = lease;
      this.#repeats = null;
      const flow = new DeliveryFlow(this.#flowOwner(), {
        port,
        epoch: granted,
        deliveredEnd: 0,
        kept: [],
        keptRedriven: [],
      });
      this.#flow = flow;
      if (this.#ledger.state.halt !== null) this.standStill();
      const goOn = flow.pause();
      const { commit, revision } = this.#ledger.commit();
      this.#answer(commit.synced, { epoch: granted, port, frame }, () => {
        this.#sendGranted(port, frame.request, granted, ttlMs, revision);
        const { spec, queue, group, events } = this.context;
        events.emit({ type: "lease.granted", topic: spec.name, queue, group, epoch: granted });
        this.context.counters?.leaseGranted();
        goOn();
      });
    });
  }
  #resume(port: MemberPort, frame: LeaseAcquire, resume: NonNullable<LeaseAcquire["resume"]>, at: number): void {
    const before = this.#flow;
    const deliveredEnd = before?.deliveredEnd ?? this.#ledger.state.cursor;
    before?.stop();
    const settles = this.repeats.takeSettles();
    const { writes } = applySettlement(this.#ledger, this.repeats.withoutUndone(resume.settle), deliveredEnd);
    this.#lease.tell({ type: "lease.renew", at });
    const ttlMs = this.#lease.deadline - at; // less than the whole when it is being revoked
    const kept = resume.inHand.flatMap(([from, to]) =>
      from < deliveredEnd ? [[from, Math.min(to, deliveredEnd)] as const] : [],
    );
    const granted = this.#ledger.state.epoch;
    const flow = new DeliveryFlow(this.#flowOwner(), {
      port,
      epoch: granted,
      deliveredEnd,
      kept,
      keptRedriven: resume.redrivenInHand,
    });
    this.#flow = flow;
    this.#grant = 0;
    if (this.#ledger.state.halt !== null) this.standStill();
    const goOn = flow.pause();
    const { commit, revision } = this.#ledger.commit(writes);
    this.#answer(commit.flushed, { epoch: granted, port, frame }, () => {
      const { member } = port;
      const { queue } = this.context;
      for (const settled of settles) port.send({ type: "settled", member, queue, epoch: granted, ...settled });
      this.#sendGranted(port, frame.request, granted, ttlMs, revision);
      if (this.isRevoking) this.#sendRevoke(port);
      goOn();
    });
  }
  raise(port: MemberPort, frame: LeaseRaise): void {
    this.#ledger.take(port, frame, () => {
      const at = this.check();
      const flow = this.#flow;
      if (flow === null || !this.isCurrent(port, frame.epoch))
        return port.refuse({ type: "refused", request: frame.request, error: this.stale(frame.epoch) });
      const goOn = flow.pause();
      this.#lease.tell({ type: "lease.raise", at });
      const granted = this.#lease.epoch;
      this.#ledger.state.epoch = granted;
      const ttlMs = this.#lease.deadline - at;
      const { commit, revision } = this.#ledger.commit();
      this.#answer(commit.synced, { epoch: granted, port, frame }, () => {
        flow.renumber(granted);
        this.repeats.takeSettles();
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
    this.#ledger.turn.runOnce("check", () => void this.check());
    const at = this.context.runtime.now();
    if (at >= this.#lease.deadline || at >= this.#lease.renewUntil || !this.isCurrent(port, epoch)) return null;
    this.#lease.tell({ type: "lease.renew", at });
    return this.#lease.deadline - at;
  }
  release(port: MemberPort, frame: LeaseRelease): void {
    this.#ledger.take(port, frame, () => {
      this.check();
      const { request, epoch } = frame;
      if (!this.isCurrent(port, epoch)) return port.refuse({ type: "refused", request, error: this.stale(epoch) });
      const { writes } = applySettlement(this.#ledger, frame.settle, this.#flow?.deliveredEnd ?? 0);
      this.#ledger.state.lease = null;
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
        (error: unknown) => port.refuse({ type: "refused", request, error: changeFailure(error) }),
      );
      this.#lease.tell({ type: "lease.release" });
    });
  }
  /** Asks the holder to finish its attempt and release. */
  revoke(): void {
    this.#ledger.turn.runOnce("revoke", () => {
      const at = this.check();
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
      epoch: this.#ledger.state.epoch,
      withinMs,
    });
  }
  /** Ends the present lease (its holder says it is not its own, or has left), unless it has ended by itself before this has its turn. */
  end(reason: LeaseEndReason): void {
    const { epoch } = this.#ledger.state;
    this.#ledger.turn.runOnce(`end ${epoch}`, () => {
      if (epoch === this.#ledger.state.epoch) this.endLease(reason);
    });
  }
  /** In its turn only. */
  endLease(reason: LeaseEndReason): void {
    if (this.holder === null) return;
    this.#ledger.state.lease = null;
    this.#ledger.commit();
    this.#lease.tell({ type: "lease.end", reason });
  }

  /** The queue has halted: nothing more is delivered under this lease. */
  standStill(): void {
    this.#flow?.halt();
    this.#lease.tell({ type: "flow.halt" });
  }
  /** Reads the clock (rule 14): a lease past its deadline is over before anything asked under it is judged. In its turn only, since it commits. */
  check(): number {
    const at = this.context.runtime.now();
    if (this.#lease.holder !== null && at >= this.#lease.deadline) this.#expire(at);
    return at;
  }
  /** A lease that was not given back: what was in hand may have killed its process (rule 23). */
  #expire(at: number): void {
    const { state, aside } = this.#ledger;
    const flow = this.#flow;
    const hands = flow?.port.join.concurrency ?? 1;
    const heads = this.isHeld
      ? (flow?.heads(hands) ?? [])
      : state.cursor < this.context.log.flushedEnd
        ? [state.cursor]
        : [];
    for (const head of heads) state.noteTried(head, { attempts: 0, losses: 1 });
    const redriven = flow?.redrivenHeads().slice(0, hands) ?? [];
    const writes = redriven
      .filter(({ strand, offset }) => aside.noteTried(strand, offset, { attempts: 0, losses: 1 }))
      .map(({ strand }) => aside.strandWrite(strand));
    state.lease = null;
    this.#ledger.commit(writes);
    this.#lease.tell({ type: "lease.check", at });
  }
  isCurrent(port: MemberPort, epoch: Epoch): boolean {
    const { holder } = this;
    const isHolder = this.isHeld && holder?.instance === port.instance && this.#flow?.port === port;
    return !this.#closed && isHolder && epoch === this.#ledger.state.epoch;
  }
  stale(presented: Epoch): StaleEpochError {
    return new StaleEpochError({ queue: this.#ledger.path, presented, current: this.#ledger.state.epoch });
  }
  #leaseHeld(): MessagingError {
    const { holder, expiresInMs } = this.view() ?? { holder: null, expiresInMs: 0 };
    return new MessagingError(
      "LEASE_HELD",
      `${this.#ledger.path} is held by "${holder ?? "nobody"}" for another ${expiresInMs} ms`,
      {
        data: { holder, expiresInMs },
      },
    );
  }
  /** Answers a request when its commit is through, if its lease is still the one it was about. */
  #answer(
    durable: Promise<void>,
    of: { readonly epoch: Epoch; readonly port: MemberPort; readonly frame: LeaseAcquire | LeaseRaise },
    answer: () => void,
  ): void {
    const refuse = (error: MessagingError) => of.port.refuse({ type: "refused", request: of.frame.request, error });
    durable
      .then(
        () => (this.isCurrent(of.port, of.epoch) ? answer() : refuse(this.stale(of.epoch))),
        (error: unknown) => refuse(changeFailure(error)),
      )
      .catch((error: unknown) => {
        this.#ledger.fail(error);
        of.port.fault(error, of.frame.type);
      });
  }
  due(): void {
    this.#ledger.turn.run(() => {
      this.check();
      this.#lease.watch();
    });
  }
  machineFailed(error: unknown): void {
    this.#ledger.fail(error);
  }
  decided(decided: SubscriptionEmitted): void {
    const { spec, queue, group, events, part } = this.context;
    const at = { topic: spec.name, queue, group };
    switch (decided.type) {
      case "lease.granted": {
        const { holder } = this;
        if (holder !== null) part.onHolder(queue, { holder, held: true });
        return;
      }
      case "lease.raised":
        return;
      case "lease.ended":
        part.onHolder(queue, { holder: decided.holder, held: false });
        if (decided.reason === "released") events.emit({ type: "lease.released", ...at, epoch: decided.epoch });
        else this.#tellLost(decided.epoch, decided.reason);
        this.#letGo(decided.epoch, decided.reason);
        return;
      case "queue.vacant":
        if (!this.#closed) part.onVacant(queue);
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
  /** A commit failed: nothing that was granted counts any more. */
  failed(): void {
    const { holder, isHeld } = this.#lease;
    const { epoch } = this.#ledger.state;
    this.#lease.stop();
    this.#letGo(epoch, "fenced");
    if (holder === null || !isHeld) return;
    this.context.part.onHolder(this.context.queue, { holder, held: false });
    this.#tellLost(epoch, "fenced");
  }
  #tellLost(epoch: Epoch, reason: Exclude<LeaseEndReason, "released">): void {
    const { spec, queue, group, events, counters } = this.context;
    events.emit({ type: "lease.lost", topic: spec.name, queue, group, epoch, reason });
    counters?.leaseLost(reason);
  }
  /** Delivers nothing until the function returned is called. */
  pause(): () => void {
    return this.#flow?.pause() ?? (() => {});
  }
  /** A change ordered from outside was committed. */
  changed(): void {
    this.#flow?.asideFlushed();
    this.flowAgain();
  }
  /** Delivers what may be delivered now. */
  flowAgain(): void {
    if (this.#lease.isSuspended) this.#lease.tell({ type: "flow.resume" });
    this.#flow?.pump();
  }
  /** State and set-aside are those of the store again. */
  reloaded(): void {
    this.#lease.restart(this.#ledger.state);
    this.context.part.onVacant(this.context.queue); // or quarantined: the holder that was cut off may come back at once
  }
  close(): void {
    this.#closed = true;
    this.#flow?.stop();
    this.#lease.stop();
  }
}
