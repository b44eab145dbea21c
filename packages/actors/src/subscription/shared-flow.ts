import { epoch, offset } from "../message/brands.ts";
import type { Credit } from "../protocol/frames.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type LeaseRecord, NO_LEASE } from "./holder.ts";
import type { Ledger, LedgerOwner } from "./ledger.ts";
import { copiesOf } from "./log-scan.ts";
import type { MemberPort } from "./member-port.ts";
import { Pauses } from "./pauses.ts";
import type { AsideCopy, Strand } from "./set-aside.ts";
import { type Claim, type SharedMember, SharedMembers } from "./shared-members.ts";
import { SPAN_MAX } from "./subscription-scope.ts";

/** Under which everything of an unordered topic goes. */
export const SHARED_EPOCH = epoch(0);
/** Messages given to one member before the next one's turn. */
const SHARE = 32;
const DELIVER_BYTES_MAX = 256 * 1024;
const TICK_MS = 250;

/**
 * Messages of an unordered queue on their way to the group's members, by turns. One is with one member at a time, for
 * as long as the member said it may be (`invisibleMs`); then, or when it has failed and waited, it comes again.
 *
 *     log ──▶ new ─────┐
 *     failed, overdue ─┼──▶ the member whose turn it is ──▶ settled, or set aside
 *     redriven ────────┘                               └──▶ failed, overdue
 */
export class SharedFlow implements LedgerOwner {
  readonly #ledger: Ledger;
  readonly members = new SharedMembers(() => this.pump());
  /** What is with a member, by offset. */
  readonly #claims = new Map<number, Claim>();
  /** Failed or overdue messages and when they come again, monotonic ms. */
  readonly #again = new Map<number, number>();
  /** Strands whose heads are with a member. */
  readonly #redriven = new Map<Strand, Claim>();
  /** Given out (or found done) up to here. */
  #position: number;
  /** Given out before a reload went back: members may still have it. */
  #everGiven = 0;
  #pumping = false;
  #pumpAgain = false;
  readonly #pauses = new Pauses(() => this.pump());
  /** What was in memory does not count any more, and is not read anew yet. */
  #reloading: (() => void) | null = null;
  #timer: unknown = null;
  #closed = false;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
    this.#position = ledger.state.cursor;
    ledger.own(this);
  }
  get #runtime(): Runtime {
    return this.#ledger.scope.topic.runtime;
  }
  /** Everything below was given to some member once, since this broker began. */
  get given(): number {
    return Math.max(this.#everGiven, this.#position);
  }

  /* ---------- members ---------- */

  credit(port: MemberPort, frame: Credit): void {
    if (this.members.credit(port, frame)) this.pump();
  }
  /**
   * The member has gone: what it had comes again at once, to others. The first `busy` of that count as lost with it.
   */
  drop(port: MemberPort, busy: number): void {
    const member = this.members.remove(port);
    if (member === undefined) return;
    const had = [...this.#claims].filter(([, claim]) => claim.member === member).map(([at]) => at);
    for (const at of had) this.#comesAgain(at, 0);
    this.#lost(had.slice(0, busy));
    for (const [strand, claim] of this.#redriven) if (claim.member === member) this.#redriven.delete(strand);
    this.pump();
  }
  /** Messages that were not given back. */
  #lost(offsets: readonly number[]): void {
    if (offsets.length === 0) return;
    this.#ledger.turn.run(() => {
      const { state } = this.#ledger;
      for (const at of offsets) if (!state.isDone(at)) state.noteTried(at, { attempts: 0, losses: 1 });
      this.#ledger.commit();
    });
  }

  /* ---------- what comes back ---------- */

  /** The message has failed at this member, so often: it comes again after the wait that the member asked for. */
  retry(at: number, port: MemberPort, attempts: number): void {
    if (at < this.#position) this.#comesAgain(at, this.#backoffMs(port, attempts));
  }
  #backoffMs(port: MemberPort, attempts: number): number {
    const { initialMs, factor, maxMs, jitter } = port.join.retry;
    if (initialMs === 0) return 0; // the power of a long series of attempts is Infinity, and 0 times that is no number
    const wait = Math.min(maxMs, initialMs * factor ** Math.max(0, attempts - 1));
    return wait * (1 - jitter * this.#runtime.random());
  }
  /** It is settled, set aside or removed. */
  forget(at: number): void {
    this.#claims.delete(at);
    this.#again.delete(at);
  }
  forgetBelow(before: number): void {
    for (const at of [...this.#claims.keys(), ...this.#again.keys()]) if (at < before) this.forget(at);
  }
  /** Of this strand nothing is with a member any more. */
  strandOver(strand: Strand): void {
    this.#redriven.delete(strand);
  }
  /** Whether a member has the head of this strand. */
  hasSent(strand: Strand): boolean {
    return this.#redriven.has(strand);
  }
  #comesAgain(at: number, afterMs: number): void {
    this.#claims.delete(at);
    if (this.#ledger.state.isDone(at)) return;
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
    this.pump();
  }
  /** What could not be given out now is tried again a tick later, whether or not anything else comes. */
  #broken(error: unknown): void {
    this.#ledger.scope.topic.logger.log("error", `${this.#ledger.path}: delivery failed`, { error: String(error) });
    this.#tickSoon();
  }

  /* ---------- what becomes of the ledger ---------- */

  get record(): LeaseRecord {
    return NO_LEASE;
  }
  /** At least once: what was with a member comes again from what the store knows. */
  failed(): void {
    this.#claims.clear();
    this.#again.clear();
    this.#redriven.clear();
    this.#reloading = this.#pauses.begin();
  }
  reloaded(): void {
    this.#everGiven = this.given;
    this.#position = this.#ledger.state.cursor;
    this.#reloading?.();
  }
  pause(): () => void {
    return this.#pauses.begin();
  }
  changed(): void {
    this.pump();
  }
  close(): void {
    this.#closed = true;
    if (this.#timer !== null) this.#runtime.clearTimeout(this.#timer);
  }

  /* ---------- giving out ---------- */

  #mayGive(): boolean {
    return !this.#closed && !this.#pauses.any && !this.#ledger.isBehind;
  }
  pump(): void {
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
        this.pump();
      });
  }
  async #run(): Promise<void> {
    // first: what waits for room among the dead letters comes again and again until these have made it
    await this.#giveRedriven();
    await this.#giveAgain();
    await this.#giveNew();
    this.#watch();
  }
  async #giveAgain(): Promise<void> {
    const { log } = this.#ledger.scope;
    for (const [at, due] of [...this.#again]) {
      if (due > this.#runtime.now()) continue;
      const member = this.members.next();
      if (member === undefined) return;
      const { generation } = this.#ledger;
      const copies = await copiesOf(log, at, at + 1, () => true);
      if (!this.#mayGive() || generation !== this.#ledger.generation) return;
      if (!this.#again.delete(at)) continue; // settled meanwhile
      this.#give(member, copies);
    }
  }
  async #giveRedriven(): Promise<void> {
    const { queue } = this.#ledger.scope.place;
    for (const strand of this.#ledger.aside.redriving()) {
      const member = this.#redriven.has(strand) ? undefined : this.members.next();
      if (member === undefined) continue;
      const [copy] = await this.#ledger.aside.copies(strand, 0, 1);
      if (!this.#mayGive() || this.#ledger.aside.strand(strand.id) !== strand) return;
      if (copy === undefined || strand.phase !== "redriving" || strand.offsets[0] !== copy.offset) continue;
      this.#redriven.set(strand, { member, untilMs: this.#runtime.now() + member.port.join.invisibleMs });
      member.credit.take(1, copy.message.length);
      const { attempts, losses } = strand;
      const entry = {
        strand: strand.id,
        offset: offset(copy.offset),
        appendedAtMs: copy.appendedAtMs,
        attempts,
        losses,
        message: copy.message,
      };
      member.port.send({ type: "redeliver", member: member.port.member, queue, epoch: SHARED_EPOCH, entries: [entry] });
      this.#ledger.scope.counters?.delivered(1);
    }
  }
  async #giveNew(): Promise<void> {
    const { log } = this.#ledger.scope;
    for (;;) {
      const { state } = this.#ledger;
      if (!this.#mayGive() || this.#position >= log.flushedEnd || this.#position - state.cursor >= SPAN_MAX) return;
      const member = this.members.next();
      if (member === undefined) return;
      const { generation } = this.#ledger;
      const from = Math.max(this.#position, state.cursor);
      const to = Math.min(from + Math.min(SHARE, member.credit.messages), log.flushedEnd, state.cursor + SPAN_MAX);
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
    if (!this.members.has(member)) {
      for (const copy of copies) this.#comesAgain(copy.offset, 0);
      return;
    }
    const { port } = member;
    const untilMs = this.#runtime.now() + port.join.invisibleMs;
    for (const copy of copies) {
      this.#claims.set(copy.offset, { member, untilMs });
      member.credit.take(1, copy.message.length);
    }
    port.send({
      type: "deliver",
      member: port.member,
      queue: this.#ledger.scope.place.queue,
      epoch: SHARED_EPOCH,
      batches: copies.map((copy) => ({
        offset: offset(copy.offset),
        count: 1,
        appendedAtMs: copy.appendedAtMs,
        messages: copy.message,
      })),
      tried: copies.flatMap((copy) => {
        const tried = this.#ledger.state.tried.get(copy.offset);
        return tried === undefined ? [] : [[copy.offset, tried.attempts, tried.losses] as const];
      }),
    });
    this.#ledger.scope.counters?.delivered(copies.length);
    this.#watch();
  }
}
