import { epoch, offset } from "../message/brands.ts";
import { asMessagingError, MessagingError, toWireError } from "../message/errors.ts";
import type { AsidePut, Credit, Settle } from "../protocol/frames.ts";
import type { QueueAccount } from "../protocol/questions.ts";
import type { StoreWrite, StoreWriter } from "../store/store.ts";
import type { QueueView } from "../system/views.ts";
import { copiesOf } from "./log-scan.ts";
import type { MemberPort } from "./member-port.ts";
import { storeKeys } from "./records.ts";
import { SerialQueue } from "./serial-queue.ts";
import { type AsideCopy, SetAside } from "./set-aside.ts";
import { SPAN_MAX, type SubscriptionContextOf } from "./subscription-context.ts";
import { SubscriptionState } from "./subscription-state.ts";

const EPOCH = epoch(0);
/** Messages given to one member before the next one's turn. */
const SHARE = 32;
const DELIVER_BYTES_MAX = 256 * 1024;
const TICK_MS = 250;

interface Member {
  readonly port: MemberPort;
  room: number;
  roomBytes: number;
  creditMessages: number;
  creditBytes: number;
}
/** A message that is with a member, until when it may be. */
interface Claim {
  readonly member: Member;
  readonly untilMs: number;
}

/**
 * One group on one queue of an *unordered* topic: any member takes any message, side by side; what fails or takes too long comes again after a wait; what is exhausted becomes a dead letter.
 * Gives up P4 to P6. The same state and the same commits as an ordered subscription, without a lease.
 */
export class SharedSubscription {
  readonly context: SubscriptionContextOf;
  readonly path: string;
  state: SubscriptionState;
  aside: SetAside;
  readonly #turn: SerialQueue;
  #writer: StoreWriter;
  readonly #members = new Map<object, Member>();
  readonly #claims = new Map<number, Claim>();
  /** Failed or overdue messages and when they come again, monotonic ms. */
  readonly #again = new Map<number, number>();
  readonly #redriven = new Map<string, Claim>();
  #position: number;
  #pumping = false;
  #pumpAgain = false;
  #timer: unknown = null;
  #closed = false;
  #classesChanged = false;
  #lastFlushed: Promise<void> = Promise.resolve();
  readonly #waiters = new Set<{ readonly end: number; readonly reached: () => void }>();

  /** @throws `STORE_DAMAGED` */
  static async open(context: SubscriptionContextOf, begin: number): Promise<SharedSubscription> {
    const { spec, queue, group, store, log } = context;
    const key = storeKeys.subscription(spec.name, queue, group);
    const stored = await store.get(key);
    const aside = new SetAside({ topic: spec.name, queue, group }, store);
    const state =
      stored === undefined
        ? new SubscriptionState()
        : SubscriptionState.decode(key, stored, await store.get(storeKeys.subscriptionClasses(spec.name, queue, group)));
    if (stored === undefined) {
      state.start = log.start;
      state.cursor = begin;
      state.skipped = begin - log.start;
    } else {
      state.check(key, log.end);
      await aside.recover();
    }
    const shared = new SharedSubscription(context, state, aside);
    if (stored === undefined) await shared.#commit([]);
    return shared;
  }
  private constructor(context: SubscriptionContextOf, state: SubscriptionState, aside: SetAside) {
    this.context = context;
    this.path = `queue/${context.spec.name}/${context.queue}/${context.group}`;
    this.state = state;
    this.aside = aside;
    this.#writer = context.store.writer();
    this.#position = state.cursor;
    this.#turn = new SerialQueue((error) => context.logger.log("error", `${this.path}: ${String(error)}`, {}));
    // what had failed before a restart waits no longer than anything else
    for (const at of state.tried.keys()) this.#again.set(at, context.runtime.now());
  }

  account(): QueueAccount {
    return { ...this.state.account(this.context.log.flushedEnd), queue: this.context.queue, logEpoch: this.context.store.ownerEpoch };
  }
  view(lagMs: number): QueueView {
    const { cursor, end, backlog } = this.account();
    return { queue: this.context.queue, state: this.#members.size === 0 ? "vacant" : "leased", halted: false, lease: null, cursor, end, backlog, lagMs };
  }
  reached(end: number): { readonly done: Promise<void>; cancel(): void } {
    let cancel = () => {};
    const done = new Promise<void>((resolve) => {
      const waiter = { end, reached: resolve };
      this.#waiters.add(waiter);
      cancel = () => this.#waiters.delete(waiter);
    });
    void this.#lastFlushed.then(() => this.#wake());
    return { done, cancel: () => cancel() };
  }

  join(port: MemberPort): void {
    const { revision } = this.state;
    this.#members.set(port, { port, room: 0, roomBytes: 0, creditMessages: 0, creditBytes: 0 });
    port.send({
      type: "lease.granted",
      request: null,
      member: port.member,
      queue: this.context.queue,
      epoch: EPOCH,
      ttlMs: 0,
      grant: port.nextGrant(),
      revision,
      logEpoch: this.context.store.ownerEpoch,
    });
  }
  /** The member has gone, or its link has: what it had comes again at once, to others. */
  linkEnded(port: MemberPort): void {
    const member = this.#members.get(port);
    if (member === undefined) return;
    this.#members.delete(port);
    for (const [at, claim] of this.#claims) if (claim.member === member) this.#comesAgain(at, 0);
    for (const [id, claim] of this.#redriven) if (claim.member === member) this.#redriven.delete(id);
    this.#pump();
  }
  credit(port: MemberPort, frame: Credit): void {
    const member = this.#members.get(port);
    if (member === undefined) return;
    member.room += Math.max(0, frame.messages - member.creditMessages);
    member.roomBytes += Math.max(0, frame.bytes - member.creditBytes);
    member.creditMessages = Math.max(member.creditMessages, frame.messages);
    member.creditBytes = Math.max(member.creditBytes, frame.bytes);
    this.#pump();
  }
  settle(port: MemberPort, frame: Settle): void {
    this.#turn.run(() => {
      const { state } = this;
      for (const [from, to] of frame.settlement.ranges) {
        const end = Math.min(to, this.#position);
        for (let at = from; at < end; at++) {
          this.#claims.delete(at);
          this.#again.delete(at);
        }
        state.settle(from, end);
      }
      const writes: StoreWrite[] = [];
      for (const { strand: id, offset: at } of frame.settlement.redriven) {
        const strand = this.aside.strand(id);
        this.#redriven.delete(`${id}:${at}`);
        if (strand === undefined) continue;
        writes.push(...this.aside.take(state, strand, at));
        if (at >= state.cursor) state.settled.add(at, at + 1);
        this.#classesChanged = true;
      }
      for (const [at, attempts] of frame.settlement.tried) {
        if (state.isDone(at) || at >= this.#position) continue;
        const tried = state.tried.get(at) ?? { attempts: 0, losses: 0 };
        tried.attempts = Math.max(tried.attempts, attempts);
        state.tried.set(at, tried);
        this.#comesAgain(at, this.#backoffMs(port, attempts));
      }
      state.advance();
      const answer = { member: port.member, queue: this.context.queue, epoch: EPOCH, settle: frame.settle };
      this.#commit(writes).then(
        () => {
          port.send({ type: "settled", ...answer, revision: this.state.revision });
          this.#wake();
        },
        (error: unknown) => port.send({ type: "settle.refused", ...answer, error: toWireError(asMessagingError(error, "STORE_FAILED")) }),
      );
      this.#pump();
    });
  }
  asidePut(port: MemberPort, frame: AsidePut): void {
    this.#turn.run(async () => {
      const { state } = this;
      const { spec, runtime, events, queue, group } = this.context;
      const refuse = (error: unknown) =>
        port.send({ type: "refused", request: frame.request, error: toWireError(asMessagingError(error, "STORE_FAILED")) });
      const writes: StoreWrite[] = [];
      if (frame.redriven !== null) {
        const strand = this.aside.strand(frame.redriven.strand);
        this.#redriven.delete(`${frame.redriven.strand}:${frame.redriven.offset}`);
        if (strand !== undefined) writes.push(this.aside.turn(state, strand, { phase: "waiting", attempts: frame.attempts, error: frame.error }));
      } else if (!state.isDone(frame.offset)) {
        if (this.aside.messages >= spec.parkedMessagesMax)
          return refuse(new MessagingError("LIMIT_EXCEEDED", `${this.path} has set ${spec.parkedMessagesMax} messages aside, its limit`));
        const [head] = await copiesOf(this.context.log, frame.offset, frame.offset + 1, () => true);
        this.#claims.delete(frame.offset);
        this.#again.delete(frame.offset);
        state.tried.delete(frame.offset);
        if (head !== undefined)
          writes.push(
            ...this.aside.begin(state, { kind: "dead-letter", key: frame.key, sinceMs: runtime.wallNow(), attempts: frame.attempts, error: frame.error }, head, []),
          );
        events.tell({ type: "message.deadLettered", topic: spec.name, queue, group, offset: frame.offset, key: frame.key });
      }
      this.#classesChanged = true;
      state.advance();
      this.#commit(writes).then(() => {
        port.send({
          type: "aside.done",
          request: frame.request,
          member: port.member,
          queue,
          epoch: EPOCH,
          revision: this.state.revision,
          offsets: [frame.offset],
        });
        this.#wake();
      }, refuse);
      this.#pump();
    });
  }
  /** As `Subscription.change`. */
  change<T>(change: () => Promise<{ readonly writes: readonly StoreWrite[]; readonly result: T; readonly after?: () => void }>): Promise<T & { readonly revision: number }> {
    return new Promise((resolve, reject) => {
      this.#turn.run(async () => {
        try {
          const { writes, result, after } = await change();
          this.#classesChanged = true;
          this.state.advance();
          const committed = this.#commit(writes);
          after?.();
          committed.then(
            () => {
              this.#wake();
              this.#pump();
              resolve({ ...result, revision: this.state.revision });
            },
            (error: unknown) => reject(asMessagingError(error, "STORE_FAILED")),
          );
        } catch (error) {
          reject(asMessagingError(error));
        }
      });
    });
  }
  expire(before: number): void {
    this.#turn.run(() => {
      const { state } = this;
      if (before <= state.cursor) return;
      const done = [state.settled, state.parked, state.deadLettered, state.discarded].reduce(
        (sum, set) => sum + set.countBelow(before) - set.countBelow(state.cursor),
        0,
      );
      state.expired += before - state.cursor - done;
      state.settled.remove(0, before);
      state.cursor = before;
      for (const at of this.#claims.keys()) if (at < before) this.#claims.delete(at);
      for (const at of this.#again.keys()) if (at < before) this.#again.delete(at);
      state.advance();
      void this.#commit([]).catch(() => {});
    });
  }
  flushed(): void {
    this.#pump();
  }
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) this.context.runtime.clearTimeout(this.#timer);
    await this.#lastFlushed.catch(() => {});
  }

  #backoffMs(port: MemberPort, attempts: number): number {
    const { initialMs, factor, maxMs, jitter } = port.join.retry;
    const wait = Math.min(maxMs, initialMs * factor ** Math.max(0, attempts - 1));
    return wait * (1 - jitter * this.context.runtime.random());
  }
  #comesAgain(at: number, afterMs: number): void {
    this.#claims.delete(at);
    this.#again.set(at, this.context.runtime.now() + afterMs);
    this.#watch();
  }
  /** One timer looks after waits and overdue claims. */
  #watch(): void {
    if (this.#timer !== null || this.#closed || (this.#claims.size === 0 && this.#again.size === 0 && this.#redriven.size === 0)) return;
    this.#timer = this.context.runtime.setTimeout(() => {
      this.#timer = null;
      const now = this.context.runtime.now();
      for (const [at, claim] of this.#claims) if (claim.untilMs <= now) this.#comesAgain(at, 0);
      for (const [id, claim] of this.#redriven) if (claim.untilMs <= now) this.#redriven.delete(id);
      this.#pump();
      this.#watch();
    }, TICK_MS);
  }

  #pump(): void {
    if (this.#pumping) {
      this.#pumpAgain = true;
      return;
    }
    this.#pumping = true;
    void this.#run()
      .catch((error: unknown) => this.context.logger.log("error", `${this.path}: delivery failed`, { error: String(error) }))
      .then(() => {
        this.#pumping = false;
        if (this.#pumpAgain) {
          this.#pumpAgain = false;
          this.#pump();
        }
      });
  }
  #turnTo: object | null = null;
  /** The next member, in turn, that can take something. */
  #nextMember(): Member | undefined {
    const members = [...this.#members.values()];
    const last = members.findIndex((member) => member.port === this.#turnTo);
    for (let step = 1; step <= members.length; step++) {
      const member = members[(last + step) % members.length]!;
      if (!member.port.open || member.port.congested || member.room <= 0 || member.roomBytes <= 0) continue;
      this.#turnTo = member.port;
      return member;
    }
    return undefined;
  }
  async #run(): Promise<void> {
    const { log, runtime } = this.context;
    for (const [at, due] of [...this.#again]) {
      if (due > runtime.now()) continue;
      const member = this.#nextMember();
      if (member === undefined) return;
      this.#again.delete(at);
      const copies = await copiesOf(log, at, at + 1, () => !this.state.isDone(at));
      this.#give(member, copies);
    }
    for (const strand of this.aside.strands()) {
      if (strand.phase !== "redriving") continue;
      for (const copy of await this.aside.copies(strand, 0, 1)) {
        const id = `${strand.id}:${copy.offset}`;
        const member = this.#redriven.has(id) ? undefined : this.#nextMember();
        if (member === undefined) continue;
        this.#redriven.set(id, this.#claim(member));
        member.room--;
        member.port.send({
          type: "redeliver",
          member: member.port.member,
          queue: this.context.queue,
          epoch: EPOCH,
          entries: [{ strand: strand.id, offset: offset(copy.offset), appendedAtMs: copy.appendedAtMs, attempts: 0, losses: 0, message: copy.message }],
        });
      }
    }
    for (;;) {
      if (this.#closed || this.#position >= log.flushedEnd || this.#position - this.state.cursor >= SPAN_MAX) break;
      const member = this.#nextMember();
      if (member === undefined) break;
      const from = Math.max(this.#position, this.state.cursor);
      const to = Math.min(from + Math.min(SHARE, member.room), log.flushedEnd, this.state.cursor + SPAN_MAX);
      let bytes = 0;
      const copies: AsideCopy[] = [];
      let end = from;
      for (const copy of await copiesOf(log, from, to, () => true)) {
        if (copies.length > 0 && bytes + copy.message.length > DELIVER_BYTES_MAX) break;
        bytes += copy.message.length;
        end = copy.offset + 1;
        if (!this.state.isDone(copy.offset) && !this.#again.has(copy.offset)) copies.push(copy);
      }
      if (end === from) end = to; // nothing is left of it
      this.#position = end;
      this.#give(member, copies);
    }
    this.#watch();
  }
  #claim(member: Member): Claim {
    return { member, untilMs: this.context.runtime.now() + member.port.join.invisibleMs };
  }
  #give(member: Member, copies: readonly AsideCopy[]): void {
    if (copies.length === 0) return;
    if (!this.#members.has(member.port)) {
      for (const copy of copies) this.#comesAgain(copy.offset, 0);
      return;
    }
    for (const copy of copies) {
      this.#claims.set(copy.offset, this.#claim(member));
      member.room--;
      member.roomBytes -= copy.message.length;
    }
    member.port.send({
      type: "deliver",
      member: member.port.member,
      queue: this.context.queue,
      epoch: EPOCH,
      batches: copies.map((copy) => ({ offset: offset(copy.offset), count: 1, appendedAtMs: copy.appendedAtMs, messages: copy.message })),
      tried: copies.flatMap((copy) => {
        const tried = this.state.tried.get(copy.offset);
        return tried === undefined ? [] : [[copy.offset, tried.attempts, tried.losses] as const];
      }),
    });
    this.#watch();
  }

  #commit(writes: readonly StoreWrite[]): Promise<void> {
    const { spec, queue, group } = this.context;
    this.state.revision++;
    const all: StoreWrite[] = [...writes, { kind: "put", key: storeKeys.subscription(spec.name, queue, group), value: this.state.encode() }];
    if (this.#classesChanged) {
      this.#classesChanged = false;
      all.push({ kind: "put", key: storeKeys.subscriptionClasses(spec.name, queue, group), value: this.state.encodeClasses() });
    }
    const commit = this.#writer.commit(all);
    commit.synced.catch(() => {});
    commit.flushed.catch((error: unknown) => {
      // unordered and at least once: memory is ahead of the store; the next commit writes it whole
      this.context.logger.log("error", `${this.path}: a commit failed`, { error: String(error) });
      this.#writer = this.context.store.writer();
    });
    this.#lastFlushed = commit.flushed;
    return commit.flushed;
  }
  #wake(): void {
    for (const waiter of this.#waiters) {
      if (this.state.cursor < waiter.end) continue;
      this.#waiters.delete(waiter);
      waiter.reached();
    }
  }
}
