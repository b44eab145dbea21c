import type { Epoch } from "../message/brands.ts";
import { epoch } from "../message/brands.ts";
import { StaleEpochError } from "../message/errors.ts";
import type { AsidePut } from "../protocol/frames.ts";
import type { LeaseView } from "../protocol/questions.ts";
import type { LightRef } from "../runtime/actor-registry.ts";
import { SweepTimer } from "../runtime/sweep-timer.ts";
import { DeliveryFlow, type FlowStart } from "./delivery-flow.ts";
import type { Holder, LeaseRecord } from "./holder.ts";
import {
  isHeld,
  isSuspended,
  type LeaseDecision,
  type LeaseEndReason,
  type LeaseEvent,
  leaseMachine,
  leaseState,
} from "./lease.machine.ts";
import type { Ledger, LedgerOwner } from "./ledger.ts";
import type { MemberPort } from "./member-port.ts";
import { Repeats } from "./repeats.ts";
import { asideFull } from "./set-aside.ts";

/**
 * The lease of one subscription. Its machine decides who holds it, under which epoch and until when; this carries out
 * what was decided: it begins and ends the flow of messages to the holder, tells the group, and looks at the clock.
 * What a holder asks for is in lease-requests.ts and settle.ts.
 *
 *     request ──▶ turn ──▶ check the clock ──▶ machine ──▶ decisions ──▶ flow, group, events
 *                                                 │
 *                                                 └─ epoch and holder ──▶ the next commit
 */
export class Lease implements LedgerOwner {
  readonly ledger: Ledger;
  #machine: LightRef<typeof leaseMachine>;
  #decisions: LeaseDecision[] = [];
  /** Looks at the deadline; not there while nobody has ever held the lease. */
  #timer: SweepTimer | null = null;
  #stopped = false;
  #flow: DeliveryFlow | null = null;
  #repeats: Repeats | null = null;
  #grant = 0;

  constructor(ledger: Ledger) {
    this.ledger = ledger;
    this.#machine = this.#start(ledger.lease);
    ledger.own(this);
  }
  #start(recorded: LeaseRecord): LightRef<typeof leaseMachine> {
    const { runtime, actors } = this.ledger.scope.topic;
    const machine = actors.startLight(
      { kind: "subscription", path: this.ledger.path, failed: (error) => this.ledger.fail(error) },
      leaseMachine,
      { recorded, firstEpoch: epoch(Math.max(1, Math.floor(runtime.wallNow() / 1000))), at: runtime.now() },
    );
    machine.on("*", (decision) => this.#decisions.push(decision));
    this.#machine = machine;
    this.#watch();
    return machine;
  }

  /* ---------- who holds it ---------- */

  get record(): LeaseRecord {
    return this.#machine.getSnapshot().context;
  }
  get epoch(): Epoch {
    return this.record.epoch;
  }
  get holder(): Holder | null {
    return this.#stopped ? null : this.record.holder;
  }
  get state(): ReturnType<typeof leaseState> {
    return leaseState(this.#machine.getSnapshot());
  }
  get isHeld(): boolean {
    return !this.#stopped && isHeld(this.#machine.getSnapshot());
  }
  /** It may be granted to anybody. */
  get isVacant(): boolean {
    return this.state === "vacant" && !this.#stopped;
  }
  /** Only who held it before the broker's restart may have it now. */
  get isQuarantined(): boolean {
    return this.state === "quarantined";
  }
  /** Whether its holder is reached on this link. */
  isOn(link: object): boolean {
    return this.#flow?.port.link === link;
  }
  /** Whether the lease of this epoch has ended. One that its holder has asked to resume has not. */
  isOver(epoch: Epoch): boolean {
    return epoch !== this.epoch || !this.isHeld;
  }
  /** It has failed and is not read anew yet, or is closed. */
  get isStopped(): boolean {
    return this.#stopped;
  }
  /** Monotonic ms. */
  get deadline(): number {
    return this.#machine.getSnapshot().context.deadline;
  }
  /** Until when renewals are answered, monotonic ms. */
  get renewUntil(): number {
    return this.#machine.getSnapshot().context.renewUntil;
  }
  /** What is on its way to the holder. */
  get flow(): DeliveryFlow | null {
    return this.#flow;
  }
  /** The flow to this member, if it holds the lease under this epoch right now: see `check`. */
  flowTo(port: MemberPort, under: Epoch): DeliveryFlow | null {
    const flow = this.#flow;
    const isHolder =
      flow?.port === port && !flow.isStopped && this.isHeld && this.record.holder?.instance === port.instance;
    return isHolder && under === this.epoch ? flow : null;
  }
  stale(presented: Epoch): StaleEpochError {
    return new StaleEpochError({ queue: this.ledger.path, presented, current: this.epoch });
  }
  /** What the holder may ask again. Made when it is needed: most leases do without. */
  get repeats(): Repeats {
    this.#repeats ??= new Repeats();
    return this.#repeats;
  }
  /** Number of the present holder's grant on its link; 0 before it was answered. */
  get grant(): number {
    return this.#grant;
  }
  view(): LeaseView | null {
    const { holder, epoch } = this;
    if (holder === null) return null;
    const leftMs = Math.max(0, this.deadline - this.ledger.scope.topic.runtime.now());
    return { epoch, holder: holder.member, expiresInMs: Math.round(leftMs) };
  }

  /* ---------- the machine ---------- */

  /** Sends the machine an event, and carries out what it decides. */
  send(event: LeaseEvent): void {
    if (this.#stopped) return;
    this.#machine.send(event);
    const decisions = this.#decisions;
    if (decisions.length > 0) {
      this.#decisions = [];
      for (const decision of decisions) this.#carryOut(decision);
    }
    this.#watch();
  }
  #carryOut(decision: LeaseDecision): void {
    const { place, group, topic } = this.ledger.scope;
    switch (decision.type) {
      case "lease.granted":
        this.#repeats = null;
        group.onHolder(place.queue, { holder: decision.holder, held: true });
        return;
      case "lease.ended": {
        const { epoch, holder, reason } = decision;
        group.onHolder(place.queue, { holder, held: false });
        if (reason === "released") topic.events.emit({ type: "lease.released", ...place, epoch });
        else this.#lost(epoch, reason);
        this.#endFlow(epoch, reason);
        return;
      }
      case "queue.vacant":
        group.onVacant(place.queue);
        return;
    }
  }
  #lost(epoch: Epoch, reason: Exclude<LeaseEndReason, "released">): void {
    const { place, topic, counters } = this.ledger.scope;
    topic.events.emit({ type: "lease.lost", ...place, epoch, reason });
    counters?.leaseLost(reason);
  }
  /** One timer per lease, not per renewal: when it rings it looks at the deadline as it is then. */
  #watch(): void {
    if (this.holder === null) {
      this.#timer?.stop();
      return;
    }
    this.#timer ??= new SweepTimer(this.ledger.scope.topic.runtime, () =>
      this.ledger.turn.run(() => {
        this.check();
        this.#watch();
      }),
    );
    this.#timer.arm(this.deadline);
  }

  /* ---------- its time ---------- */

  /**
   * Reads the clock (rule 14): a lease past its deadline is over before anything asked under it is judged. In its turn
   * only, since it commits.
   */
  check(): number {
    const at = this.ledger.scope.topic.runtime.now();
    if (this.holder !== null && at >= this.deadline) this.#expire(at);
    return at;
  }
  /** A lease that was not given back: what was in hand may have killed its process (rule 23). */
  #expire(at: number): void {
    const { state, aside, scope } = this.ledger;
    const flow = this.#flow;
    const atOnce = flow?.port.join.concurrency ?? 1;
    const oldest = state.cursor < scope.log.flushedEnd ? [state.cursor] : [];
    const heads = flow?.heads(atOnce) ?? oldest; // of a lease from before the restart nobody knows what was delivered
    for (const head of heads) state.noteTried(head, { attempts: 0, losses: 1 });
    const redriven = flow?.redriven.heads().slice(0, atOnce) ?? [];
    const writes = redriven
      .filter(({ strand, offset }) => aside.noteTried(strand, offset, { attempts: 0, losses: 1 }))
      .map(({ strand }) => aside.strandWrite(strand));
    this.send({ type: "lease.check", at });
    this.ledger.commit(writes);
  }
  /** Renews for the holder; its TTL, or null when this epoch is over for it, or past the time a revoke left it. */
  renew(port: MemberPort, under: Epoch): number | null {
    this.ledger.turn.runOnce("check", () => void this.check());
    const at = this.ledger.scope.topic.runtime.now();
    if (at >= this.deadline || at >= this.renewUntil || this.flowTo(port, under) === null) return null;
    this.send({ type: "lease.renew", at });
    return this.deadline - at;
  }
  /** Asks the holder to finish its attempt and release. */
  revoke(): void {
    this.ledger.turn.runOnce("revoke", () => {
      const at = this.check();
      if (!this.isHeld || this.state === "revoking") return;
      this.send({ type: "lease.revoke", withinMs: this.#flow?.port.join.revokeTimeoutMs ?? 0, at });
      this.sendRevoke();
    });
  }
  /**
   * The holder may not stay: it is sent nothing more, and renewed no more. Until it has heard of that it may still
   * start what it has, so nobody else has the lease before its client's heartbeat gives it back, or it has run out
   * (rule 45).
   */
  expel(): void {
    const { epoch } = this;
    this.#flow?.stop();
    this.ledger.turn.runOnce(`expel ${epoch}`, () => {
      const at = this.check();
      if (epoch === this.epoch && this.isHeld) this.send({ type: "lease.revoke", withinMs: 0, at });
    });
  }
  /** Tells the holder within how long it is to release. */
  sendRevoke(): void {
    if (this.#flow === null) return;
    const { place, topic } = this.ledger.scope;
    const { port } = this.#flow;
    const withinMs = Math.max(0, this.renewUntil - topic.runtime.now());
    port.send({ type: "lease.revoke", member: port.member, queue: place.queue, epoch: this.epoch, withinMs });
  }
  /**
   * Ends the present lease (its holder says it is not its own, or has left), unless it has ended by itself before this
   * has its turn.
   */
  end(reason: LeaseEndReason): void {
    const { epoch } = this;
    this.ledger.turn.runOnce(`end ${epoch}`, () => {
      if (epoch !== this.epoch || this.holder === null) return;
      this.send({ type: "lease.end", reason });
      this.ledger.commit();
    });
  }

  /* ---------- the flow to its holder ---------- */

  /** Begins to deliver: the flow stands until the holder has its answer, and for good when the queue has halted. */
  beginFlow(start: FlowStart): DeliveryFlow {
    const { ledger } = this;
    this.#flow?.stop();
    this.#grant = 0;
    this.#flow = new DeliveryFlow(ledger, start, {
      send: (event) => this.send(event),
      captured: () => this.#flow?.asideFlushed(),
      asideFull: (at) => {
        const { name, message, code } = asideFull(ledger.path, ledger.scope.topic.spec.parkedMessagesMax);
        this.halt({ ...at, attempts: 0, error: { name, message, code } });
        ledger.commit();
      },
    });
    if (ledger.state.halt !== null) this.#standStill();
    return this.#flow;
  }
  /** The holder has its answer. */
  granted(port: MemberPort): number {
    this.#grant = port.nextGrant();
    return this.#grant;
  }
  /** Nothing more goes to whoever held the lease; it is told, unless it gave it back. */
  #endFlow(epoch: Epoch, reason: LeaseEndReason): void {
    const flow = this.#flow;
    this.#flow = null;
    this.#grant = 0;
    flow?.stop();
    if (flow?.port.open !== true || reason === "released") return;
    const { member } = flow.port;
    flow.port.send({ type: "lease.ended", member, queue: this.ledger.scope.place.queue, epoch, reason });
  }
  /** The queue comes to stand at this message: nothing more is delivered under this lease. The caller commits. */
  halt({ offset, key, attempts, error }: Pick<AsidePut, "offset" | "key" | "attempts" | "error">): void {
    const { state, scope } = this.ledger;
    if (state.halt !== null) return; // it stands at the first one
    state.halt = { offset, key, attempts, error, sinceMs: scope.topic.runtime.wallNow() };
    this.#standStill();
    scope.topic.events.emit({ type: "queue.halted", ...scope.place, offset });
  }
  #standStill(): void {
    this.#flow?.halt();
    this.send({ type: "flow.halt" });
  }
  /** Delivers what may be delivered now. */
  flowAgain(): void {
    if (isSuspended(this.#machine.getSnapshot())) this.send({ type: "flow.resume" });
    this.#flow?.pump();
  }

  /* ---------- what becomes of the ledger ---------- */

  failed(): void {
    const { holder, isHeld, epoch } = this;
    this.#stop();
    this.#endFlow(epoch, "fenced");
    if (holder === null || !isHeld) return;
    const { group, place } = this.ledger.scope;
    group.onHolder(place.queue, { holder, held: false });
    this.#lost(epoch, "fenced");
  }
  reloaded(record: LeaseRecord): void {
    this.#stop();
    this.#stopped = false;
    this.#machine = this.#start(record);
    const { group, place } = this.ledger.scope;
    group.onVacant(place.queue); // or quarantined: the holder that was cut off may come back at once
  }
  pause(): () => void {
    return this.#flow?.pause() ?? (() => {});
  }
  changed(): void {
    this.#flow?.asideFlushed();
    this.flowAgain();
  }
  /** Takes nothing more. The lease stays recorded: who holds it may come back first when the broker does. */
  close(): void {
    this.#flow?.stop();
    this.#stop();
  }
  #stop(): void {
    this.#stopped = true;
    this.#decisions = [];
    this.ledger.scope.topic.actors.stop(this.ledger.path);
    this.#timer?.stop();
  }
}
