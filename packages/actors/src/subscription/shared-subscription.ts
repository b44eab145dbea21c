import { type Epoch, epoch, type Offset, offset } from "../message/brands.ts";
import { isMessagingError, MessagingError } from "../message/errors.ts";
import type { AsidePut, Credit, LeaseAcquire, LeaseRaise, LeaseRelease, Settle } from "../protocol/frames.ts";
import type { QueueAccount } from "../protocol/questions.ts";
import type { QueueView } from "../protocol/views.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { StoreWrite } from "../store/store.ts";
import type { GroupSubscription } from "./group-subscription.ts";
import { NO_LEASE } from "./holder.ts";
import { type Change, changeFailure, Ledger } from "./ledger.ts";
import { copiesOf } from "./log-scan.ts";
import type { MemberPort } from "./member-port.ts";
import { type AsideCopy, asideFull, holds, type SetAside, type Strand } from "./set-aside.ts";
import { applyRedriven } from "./settle.ts";
import { type Claim, type SharedMember, SharedMembers } from "./shared-members.ts";
import { SPAN_MAX, type SubscriptionScope } from "./subscription-scope.ts";
import type { SubscriptionState } from "./subscription-state.ts";

const EPOCH = epoch(0);
/** Messages given to one member before the next one's turn. */
const SHARE = 32;
const DELIVER_BYTES_MAX = 256 * 1024;
const TICK_MS = 250;

/**
 * One group on one queue of an *unordered* topic: any member takes any message, side by side; what fails or takes too long comes again after a wait; what is exhausted becomes a dead letter.
 * Gives up P4 to P6. The same state and the same commits as an ordered subscription, without a lease.
 */
export class SharedSubscription implements GroupSubscription {
  readonly #ledger: Ledger;
  readonly #members = new SharedMembers(() => this.#pump());
  readonly #claims = new Map<number, Claim>();
  /** Failed or overdue messages and when they come again, monotonic ms. */
  readonly #again = new Map<number, number>();
  readonly #redriven = new Map<Strand, Claim>();
  /** Given out (or found done) up to here. */
  #position: number;
  /** Given out before a reload went back: members may still have it in hand. */
  #everGiven = 0;
  #pumping = false;
  #pumpAgain = false;
  #pauses = 0;
  #timer: unknown = null;
  #closed = false;

  /** @throws `STORE_DAMAGED` */
  static async open(scope: SubscriptionScope, begin: number): Promise<SharedSubscription> {
    return new SharedSubscription(await Ledger.open(scope, begin));
  }
  private constructor(ledger: Ledger) {
    this.#ledger = ledger;
    this.#position = ledger.state.cursor;
    ledger.own({
      record: NO_LEASE,
      // at least once: what was with a member comes again from what the store knows
      failed: () => {
        this.#claims.clear();
        this.#again.clear();
        this.#redriven.clear();
        this.#pauses++;
      },
      reloaded: () => {
        this.#pauses--;
        this.#everGiven = this.#given;
        this.#position = this.state.cursor;
        this.#pump();
      },
      pause: () => this.#pause(),
      changed: () => this.#pump(),
    });
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
    const state = this.#members.size === 0 ? "vacant" : "leased";
    const { backlog } = this.state.counts(log.flushedEnd);
    return {
      queue: place.queue,
      state,
      halted: false,
      lease: null,
      cursor: offset(this.state.cursor),
      end: log.flushedEnd,
      backlog,
      lagMs,
    };
  }
  get #runtime(): Runtime {
    return this.scope.topic.runtime;
  }
  /** Everything below was given to some member once, since this broker began. */
  get #given(): number {
    return Math.max(this.#everGiven, this.#position);
  }
  whenReached(end: number, reached: () => void): () => void {
    return this.#ledger.whenReached(end, reached);
  }

  join(port: MemberPort): void {
    this.#members.add(port);
    port.send({
      type: "lease.granted",
      request: null,
      member: port.member,
      queue: this.scope.place.queue,
      epoch: EPOCH,
      ttlMs: 0,
      grant: port.nextGrant(),
      revision: this.state.revision,
      logEpoch: this.scope.topic.store.ownerEpoch,
    });
  }
  /** Its link has ended: what it had comes again at once, to others; what its handlers were busy with counts as lost with it. */
  linkEnded(port: MemberPort): void {
    this.#drop(port, port.join.concurrency);
  }
  /** The member has gone on its own account. */
  left(port: MemberPort): void {
    this.#drop(port, 0);
  }
  #drop(port: MemberPort, busy: number): void {
    const member = this.#members.remove(port);
    if (member === undefined) return;
    const had = [...this.#claims].filter(([, claim]) => claim.member === member).map(([at]) => at);
    for (const at of had) this.#comesAgain(at, 0);
    this.#lost(had.slice(0, busy));
    for (const [strand, claim] of this.#redriven) if (claim.member === member) this.#redriven.delete(strand);
    this.#pump();
  }
  /** Messages that were not given back. */
  #lost(offsets: readonly number[]): void {
    if (offsets.length === 0) return;
    this.#ledger.turn.run(() => {
      for (const at of offsets) if (!this.state.isDone(at)) this.state.noteTried(at, { attempts: 0, losses: 1 });
      this.#ledger.commit();
    });
  }
  credit(port: MemberPort, frame: Credit): void {
    if (this.#members.credit(port, frame)) this.#pump();
  }
  settle(port: MemberPort, frame: Settle): void {
    this.#ledger.take(port, frame, () => {
      const { state } = this;
      const { settlement } = frame;
      const answer = { member: port.member, queue: this.scope.place.queue, epoch: EPOCH, settle: frame.settle };
      const beyond = settlement.ranges.find(([, to]) => to > this.#given);
      const refuse = (error: MessagingError) => {
        this.scope.counters?.settleRefused(error.code);
        port.refuse({ type: "settle.refused", ...answer, error });
      };
      if (beyond !== undefined)
        return refuse(
          new MessagingError(
            "PROTOCOL_VIOLATION",
            `offsets up to ${beyond[1]} of ${this.path} were settled, delivered were those below ${this.#given}`,
          ),
        );
      let changed = false;
      for (const [from, to] of settlement.ranges) {
        for (let at = Math.max(from, state.cursor); at < to; at++) this.#forget(at);
        if (state.settle(from, to)) changed = true;
      }
      for (const [at, attempts] of settlement.tried) {
        if (state.isDone(at) || at >= this.#given) continue;
        if (state.noteTried(at, { attempts, losses: 0 })) changed = true;
        if (at < this.#position) this.#comesAgain(at, this.#backoffMs(port, attempts));
      }
      const writes = applyRedriven(this.#ledger, settlement, (strand) => this.#redriven.delete(strand));
      // one that changes nothing is no change of its own: its answer is that of the member's last one, once all that it rests on is stored
      const before = changed || writes.length > 0 ? null : this.#members.settledIn(port);
      const { commit, revision } =
        before === null ? this.#ledger.commit(writes) : { commit: this.#ledger.unchanged(), revision: before };
      this.#members.settled(port, revision);
      commit.flushed.then(
        () => port.send({ type: "settled", ...answer, revision }),
        (error: unknown) => refuse(changeFailure(error)),
      );
      this.#pump();
    });
  }
  asidePut(port: MemberPort, frame: AsidePut): void {
    this.#ledger.take(port, frame, () => this.#putAside(port, frame));
  }
  async #putAside(port: MemberPort, frame: AsidePut): Promise<void> {
    const { state, aside } = this;
    const { generation } = this.#ledger;
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
          this.#redriven.delete(strand);
          writes.push(aside.turn(strand, { phase: "waiting", attempts, error }));
          put = now;
        }
      } else if (state.isDone(frame.offset)) put = aside.putWith(frame.offset);
      else {
        if (frame.offset >= this.#given)
          throw new MessagingError(
            "PROTOCOL_VIOLATION",
            `offset ${frame.offset} of ${this.path} was set aside, but never delivered`,
          );
        if (aside.messages >= parkedMessagesMax) throw asideFull(this.path, parkedMessagesMax);
        const [head] = await copiesOf(log, frame.offset, frame.offset + 1, () => true);
        if (generation !== this.#ledger.generation)
          throw new MessagingError("UNAVAILABLE", `${this.path} is reloading; try again`);
        if (head !== undefined && !state.isDone(frame.offset)) {
          this.#forget(frame.offset);
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
    const commit = writes.length > 0 ? this.#ledger.commit(writes).commit : this.#ledger.unchanged();
    const done = () =>
      port.send({
        type: "aside.done",
        request: frame.request,
        member: port.member,
        queue: place.queue,
        epoch: EPOCH,
        revision: put?.revision ?? revision,
        offsets: (put?.offsets ?? []) as Offset[],
      });
    commit.flushed
      .then(done, (error: unknown) => refuse(changeFailure(error)))
      .catch((error: unknown) => port.fault(error, frame.type));
    this.#pump();
  }
  /** Runs a change in its turn. See `Ledger.change`. */
  change<T>(change: () => Promise<Change<T>>): Promise<T & { readonly revision: number }> {
    return this.#ledger.change(change);
  }
  redrive(): void {} // its head is given to the next member that has room
  /** Of a strand its head is out, and nothing else. */
  hasSent(strand: Strand): boolean {
    return this.#redriven.has(strand);
  }
  expire(before: number): Promise<void> {
    for (const at of [...this.#claims.keys(), ...this.#again.keys()]) if (at < before) this.#forget(at);
    return this.#ledger.expire(before);
  }
  flushed(): void {
    this.#pump();
  }
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) this.#runtime.clearTimeout(this.#timer);
    await this.#ledger.close(() => {});
  }

  /* ---------- without leases ---------- */

  get holder(): null {
    return null;
  }
  get isVacant(): boolean {
    return false;
  }
  get isHeld(): boolean {
    return false;
  }
  get isQuarantined(): boolean {
    return false;
  }
  get isUnleased(): boolean {
    return false;
  }
  get currentEpoch(): Epoch {
    return EPOCH;
  }
  get grant(): number {
    return 0;
  }
  get deliveredEnd(): number {
    return 0;
  }
  lease(): null {
    return null;
  }
  isOn(): boolean {
    return false;
  }
  isOver(): boolean {
    return false;
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
  renew(): null {
    return null;
  }
  revoke(): void {}
  end(): void {}

  /* ---------- giving out ---------- */

  #backoffMs(port: MemberPort, attempts: number): number {
    const { initialMs, factor, maxMs, jitter } = port.join.retry;
    if (initialMs === 0) return 0; // the power of a long series of attempts is Infinity, and 0 times that is no number
    const wait = Math.min(maxMs, initialMs * factor ** Math.max(0, attempts - 1));
    return wait * (1 - jitter * this.#runtime.random());
  }
  #forget(at: number): void {
    this.#claims.delete(at);
    this.#again.delete(at);
  }
  #comesAgain(at: number, afterMs: number): void {
    this.#claims.delete(at);
    if (this.state.isDone(at)) return;
    this.#again.set(at, this.#runtime.now() + afterMs);
    this.#watch();
  }
  /** One timer looks after waits and overdue claims. */
  #watch(): void {
    if (this.#claims.size > 0 || this.#again.size > 0 || this.#redriven.size > 0) this.#tickSoon();
  }
  #tickSoon(): void {
    if (this.#timer !== null || this.#closed) return;
    this.#timer = this.#runtime.setTimeout(() => {
      this.#timer = null;
      try {
        this.#tick();
      } catch (error) {
        this.#broken(error);
      }
      this.#watch();
    }, TICK_MS);
  }
  #tick(): void {
    const now = this.#runtime.now();
    const overdue = [...this.#claims].filter(([, claim]) => claim.untilMs <= now).map(([at]) => at);
    for (const at of overdue) this.#comesAgain(at, 0);
    this.#lost(overdue);
    for (const [strand, claim] of this.#redriven) if (claim.untilMs <= now) this.#redriven.delete(strand);
    this.#pump();
  }
  /** What could not be given out now is tried again a tick later, whether or not anything else comes. */
  #broken(error: unknown): void {
    this.scope.topic.logger.log("error", `${this.path}: delivery failed`, { error: String(error) });
    this.#tickSoon();
  }

  #pause(): () => void {
    let paused = true;
    this.#pauses++;
    return () => {
      if (!paused) return;
      paused = false;
      this.#pauses--;
      this.#pump();
    };
  }
  #mayGive(): boolean {
    return !this.#closed && this.#pauses === 0 && !this.#ledger.isBehind;
  }
  #pump(): void {
    if (this.#pumping) {
      this.#pumpAgain = true;
      return;
    }
    if (!this.#mayGive()) return;
    this.#pumping = true;
    void this.#run()
      .catch((error: unknown) => this.#broken(error))
      .then(() => {
        this.#pumping = false;
        if (!this.#pumpAgain) return;
        this.#pumpAgain = false;
        this.#pump();
      });
  }
  async #run(): Promise<void> {
    await this.#giveRedriven(); // first: what waits for room among the dead letters comes again and again until these have made it
    await this.#giveAgain();
    await this.#giveNew();
    this.#watch();
  }
  async #giveAgain(): Promise<void> {
    const { log } = this.scope;
    for (const [at, due] of [...this.#again]) {
      if (due > this.#runtime.now()) continue;
      const member = this.#members.next();
      if (member === undefined) return;
      const { generation } = this.#ledger;
      const copies = await copiesOf(log, at, at + 1, () => true);
      if (!this.#mayGive() || generation !== this.#ledger.generation) return;
      if (!this.#again.delete(at)) continue; // settled meanwhile
      this.#give(member, copies);
    }
  }
  async #giveRedriven(): Promise<void> {
    const { queue } = this.scope.place;
    for (const strand of this.aside.redriving()) {
      const member = this.#redriven.has(strand) ? undefined : this.#members.next();
      if (member === undefined) continue;
      const [copy] = await this.aside.copies(strand, 0, 1);
      if (!this.#mayGive() || this.aside.strand(strand.id) !== strand) return;
      if (copy === undefined || strand.phase !== "redriving" || strand.offsets[0] !== copy.offset) continue;
      this.#redriven.set(strand, { member, untilMs: this.#runtime.now() + member.port.join.invisibleMs });
      this.#members.took(member, 1, copy.message.length);
      const { attempts, losses } = strand;
      const entry = {
        strand: strand.id,
        offset: offset(copy.offset),
        appendedAtMs: copy.appendedAtMs,
        attempts,
        losses,
        message: copy.message,
      };
      member.port.send({ type: "redeliver", member: member.port.member, queue, epoch: EPOCH, entries: [entry] });
      this.scope.counters?.delivered(1);
    }
  }
  async #giveNew(): Promise<void> {
    const { log } = this.scope;
    for (;;) {
      const { state } = this;
      if (!this.#mayGive() || this.#position >= log.flushedEnd || this.#position - state.cursor >= SPAN_MAX) return;
      const member = this.#members.next();
      if (member === undefined) return;
      const { generation } = this.#ledger;
      const from = Math.max(this.#position, state.cursor);
      const to = Math.min(from + Math.min(SHARE, member.room), log.flushedEnd, state.cursor + SPAN_MAX);
      const found = await copiesOf(log, from, to, () => true);
      if (!this.#mayGive() || generation !== this.#ledger.generation) return;
      const copies: AsideCopy[] = [];
      let bytes = 0;
      let end = from;
      for (const copy of found) {
        if (copies.length > 0 && bytes + copy.message.length > DELIVER_BYTES_MAX) break;
        end = copy.offset + 1;
        if (state.isDone(copy.offset) || this.#again.has(copy.offset)) continue;
        bytes += copy.message.length;
        copies.push(copy);
      }
      this.#position = end === from ? to : end; // nothing is left of it
      this.#give(member, copies);
    }
  }
  #give(member: SharedMember, copies: readonly AsideCopy[]): void {
    if (copies.length === 0) return;
    if (!this.#members.has(member)) {
      for (const copy of copies) this.#comesAgain(copy.offset, 0);
      return;
    }
    const { port } = member;
    const untilMs = this.#runtime.now() + port.join.invisibleMs;
    for (const copy of copies) {
      this.#claims.set(copy.offset, { member, untilMs });
      this.#members.took(member, 1, copy.message.length);
    }
    port.send({
      type: "deliver",
      member: port.member,
      queue: this.scope.place.queue,
      epoch: EPOCH,
      batches: copies.map((copy) => ({
        offset: offset(copy.offset),
        count: 1,
        appendedAtMs: copy.appendedAtMs,
        messages: copy.message,
      })),
      tried: copies.flatMap((copy) => {
        const tried = this.state.tried.get(copy.offset);
        return tried === undefined ? [] : [[copy.offset, tried.attempts, tried.losses] as const];
      }),
    });
    this.scope.counters?.delivered(copies.length);
    this.#watch();
  }
}
const noLeases = ({ type }: { readonly type: string }): MessagingError =>
  new MessagingError("PROTOCOL_VIOLATION", `the topic is unordered: its queues have no leases, found "${type}"`);
