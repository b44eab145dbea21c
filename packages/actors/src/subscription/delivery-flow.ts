import { RangeSet } from "../log/range-set.ts";
import type { LogBatch } from "../log/stored-batch.ts";
import { type Offset, offset } from "../message/brands.ts";
import { PackedReader } from "../message/packed.ts";
import type { DeliveredBatch, OffsetRange, RedrivenId, TriedMessage } from "../protocol/frames.ts";
import type { StoreWrite } from "../store/store.ts";
import { DeliveryCredit } from "./delivery-credit.ts";
import type { FlowEvent } from "./lease.machine.ts";
import type { Ledger } from "./ledger.ts";
import type { MemberPort } from "./member-port.ts";
import { Pauses } from "./pauses.ts";
import { ReadAhead } from "./read-ahead.ts";
import { RedrivenStrands } from "./redriven-strands.ts";
import type { AsideCopy, Strand } from "./set-aside.ts";
import { SPAN_MAX } from "./subscription-scope.ts";

/** Message bytes of one frame; a single larger message goes alone. */
const DELIVER_BYTES_MAX = 256 * 1024;
/** Read at a time: of large messages most would be read in vain. */
const REDELIVER_MESSAGES_MAX = 32;
/**
 * Read from the store at a time for each message that the holder has room for: who takes them one at a time is not read
 * 256 KiB ahead, and kept them.
 */
const READ_BYTES_PER_MESSAGE = 32 * 1024;

/** To whom a flow goes, and what is there already. */
export interface FlowStart {
  readonly port: MemberPort;
  readonly deliveredEnd: number;
  readonly kept: readonly OffsetRange[];
  readonly keptRedriven: readonly RedrivenId[];
}
/** What a flow does not do by itself. */
export interface FlowHooks {
  /** The flow stands (its span is used up, its link congested), or goes on. */
  send(event: FlowEvent): void;
  /** Messages of parked keys have been set behind their heads, and that is committed. */
  captured(): void;
  /** Nothing more may be set aside (`parkedMessagesMax`): the queue halts rather than overtake. */
  asideFull(at: { readonly offset: Offset; readonly key: string }): void;
}

/**
 * Messages on their way to the holder of a lease: what is next, how much it can take, what it has in hand. Lives as
 * long as one grant on one link. It decides nothing about leases; it stops when told.
 *
 *     log     │ … 40  41 │ 42   43   44   45   46 │ 47   48 …
 *             │   done   │ sent, some settled     │ to be read and sent, as far as credit and span go
 *                     cursor               position
 *
 * Redriven strands, which are older, go first. What is done is passed over; what has a parked key is set behind its
 * head.
 */
export class DeliveryFlow {
  readonly #ledger: Ledger;
  readonly #on: FlowHooks;
  readonly port: MemberPort;
  /** Read and sent (or found done) up to here. */
  #position: number;
  /** Highest offset ever sent under this lease, plus one: nothing above can be settled. */
  deliveredEnd: number;
  /** In the holder's hands since before this flow: not sent again. */
  readonly #kept: RangeSet;
  readonly redriven: RedrivenStrands;
  /** Length of a redriven message that did not fit into the byte credit. */
  #redrivenBytes = 0;
  readonly #credit = new DeliveryCredit();
  readonly #pauses = new Pauses(() => this.pump());
  #halted = false;
  #stopped = false;
  #running = false;
  #again = false;
  #waitsForDrain = false;
  /** Where the last look into a batch ended, so that the next need not begin at its front. */
  #mark = { batch: -1, offset: 0, byte: 0 };
  readonly #ahead: ReadAhead;

  constructor(ledger: Ledger, start: FlowStart, on: FlowHooks) {
    this.#ledger = ledger;
    this.#on = on;
    this.port = start.port;
    this.#position = ledger.state.cursor;
    this.deliveredEnd = Math.max(start.deliveredEnd, ledger.state.cursor);
    this.#kept = new RangeSet(start.kept);
    this.#ahead = new ReadAhead(ledger.scope.log);
    this.redriven = new RedrivenStrands(ledger, start.keptRedriven);
  }

  credit(messages: number, bytes: number): void {
    if (this.#credit.grow(messages, bytes)) this.pump();
  }
  /** Stands still until the function returned is called: while something is committed that decides what may be sent. */
  pause(): () => void {
    return this.#pauses.begin();
  }
  /** Stands still for good: the queue has halted, and goes on under another lease. */
  halt(): void {
    this.#halted = true;
  }
  /** The lease was raised: what is in hand stays, credit counts from 0 again. */
  restartCredit(): void {
    this.#credit.restart();
  }
  /** A strand is to run (again): its messages are sent from the head on. */
  redrive(strand: number): void {
    this.redriven.restart(strand);
    this.pump();
  }
  /** What was set aside has been committed: it can be read now. */
  asideFlushed(): void {
    if (this.redriven.flushed()) this.pump();
  }
  get isStopped(): boolean {
    return this.#stopped;
  }
  stop(): void {
    this.#stopped = true;
    this.#ahead.stop();
  }
  /** The first messages sent that are not done: what the holder's handlers were busy with, if it died. */
  heads(count: number): number[] {
    const heads: number[] = [];
    const { state } = this.#ledger;
    for (let at = state.cursor; at < this.deliveredEnd && heads.length < count; at++)
      if (!state.isDone(at)) heads.push(at);
    return heads;
  }

  /** Sends what may be sent. Never re-entrant: called while running, it looks once more. */
  pump(): void {
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#running = true;
    for (;;) {
      this.#again = false;
      let more: boolean | Promise<boolean>;
      try {
        more = this.#step();
      } catch (error) {
        this.#stopped = true;
        this.#ledger.fail(error);
        break;
      }
      if (more instanceof Promise) {
        void more
          .catch((error: unknown) => {
            this.#stopped = true;
            this.#ledger.fail(error);
            return false;
          })
          .then((moved) => {
            this.#running = false;
            // what moved nothing moves nothing a second time (no room for it, or the log is another broker's now): only
            // news may
            if (moved || this.#again) this.pump();
          });
        return;
      }
      if (!more && !this.#again) break;
    }
    this.#running = false;
  }

  #mayFlow(): boolean {
    return !this.#stopped && !this.#halted && !this.#pauses.any && this.port.open;
  }
  /** Whether the holder has anything that is not done: while it has, a message too large for the byte credit waits. */
  #hasInHand(): boolean {
    const { state } = this.#ledger;
    if (state.cursor < this.#position) return true; // the message at the cursor is not done, and was sent
    this.#kept.remove(0, state.cursor);
    for (const at of this.#kept.offsets()) if (!state.isDone(at)) return true;
    return this.redriven.heads().length > 0;
  }
  /** True when there may be more to send, a promise when that has to be read first. */
  #step(): boolean | Promise<boolean> {
    if (!this.#mayFlow() || this.#credit.messages <= 0 || this.#ledger.isBehind) return false;
    if (this.port.congested) {
      if (!this.#waitsForDrain) {
        this.#waitsForDrain = true;
        this.#on.send({ type: "flow.suspend" });
        this.port.onDrained(() => {
          this.#waitsForDrain = false;
          if (this.#stopped) return;
          this.#on.send({ type: "flow.resume" });
          this.pump();
        });
      }
      return false;
    }
    const strand = this.redriven.next();
    if (strand !== undefined) {
      if (this.#redrivenBytes > this.#credit.bytes && this.#hasInHand()) return false;
      return this.#redeliver(strand).then(() => true);
    }
    const { state } = this.#ledger;
    const { log } = this.#ledger.scope;
    if (this.#position < state.cursor) this.#position = state.cursor;
    if (this.#position >= log.flushedEnd) return false;
    if (this.#position - state.cursor >= SPAN_MAX) {
      this.#on.send({ type: "flow.suspend" });
      return false;
    }
    const bytesMax = Math.min(DELIVER_BYTES_MAX, this.#credit.messages * READ_BYTES_PER_MESSAGE);
    const batches = this.#ahead.from(this.#position, bytesMax);
    return batches instanceof Promise ? batches.then((read) => this.#send(read)) : this.#send(batches);
  }

  /** Sends from `batches` what is not done, not parked, and fits; true when it moved. */
  #send(batches: readonly LogBatch[]): boolean {
    if (!this.#mayFlow()) return false;
    const { state, aside } = this.#ledger;
    const pieces: DeliveredBatch[] = [];
    const captured: StoreWrite[] = [];
    const before = this.#position;
    const limit = state.cursor + SPAN_MAX;
    let bytes = 0;
    let messages = 0;
    for (const batch of batches) {
      const end = batch.first + batch.count;
      if (end <= this.#position) continue;
      if (batch.first > this.#position) this.#position = batch.first; // retention took what lay between
      const whole =
        batch.first === this.#position &&
        end <= limit &&
        batch.count <= this.#credit.messages - messages &&
        batch.messages.length <= this.#credit.bytes - bytes &&
        batch.messages.length <= DELIVER_BYTES_MAX - bytes &&
        aside.parkedKeys === 0 &&
        !state.anyDone(batch.first, end) &&
        !this.#kept.intersects(batch.first, end);
      if (whole) {
        pieces.push({
          offset: offset(batch.first),
          count: batch.count,
          appendedAtMs: batch.appendedAtMs,
          messages: batch.messages,
        });
        messages += batch.count;
        bytes += batch.messages.length;
        this.#position = end;
        continue;
      }
      const taken = this.#pick(batch, { limit, messages, bytes }, captured);
      for (const piece of taken.pieces) {
        pieces.push(piece);
        messages += piece.count;
        bytes += piece.messages.length;
      }
      if (!taken.complete) break;
    }
    if (captured.length > 0) this.#capture(captured);
    if (pieces.length === 0) return this.#position > before;
    const first = pieces[0]!.offset;
    this.deliveredEnd = Math.max(this.deliveredEnd, this.#position);
    this.#credit.take(messages, bytes);
    this.port.send({
      type: "deliver",
      member: this.port.member,
      queue: this.#queue,
      epoch: this.#ledger.lease.epoch,
      batches: pieces,
      tried: this.#tried(first, this.#position),
    });
    this.#ledger.scope.counters?.delivered(messages);
    return true;
  }
  get #queue(): number {
    return this.#ledger.scope.place.queue;
  }
  #tried(from: number, to: number): TriedMessage[] {
    const tried: TriedMessage[] = [];
    for (const [at, { attempts, losses }] of this.#ledger.state.tried)
      if (at >= from && at < to) tried.push([at, attempts, losses]);
    return tried;
  }

  /** Message by message, where a batch cannot go as it is. */
  #pick(
    batch: LogBatch,
    so: { readonly limit: number; readonly messages: number; readonly bytes: number },
    captured: StoreWrite[],
  ) {
    const { state, aside } = this.#ledger;
    const pieces: DeliveredBatch[] = [];
    const reader = new PackedReader(batch.messages);
    let messages = so.messages;
    let bytes = so.bytes;
    let runFrom = -1;
    let runAt = 0;
    let at = batch.first - 1;
    let complete = true;
    if (this.#mark.batch === batch.first && this.#mark.offset <= this.#position) {
      reader.end = this.#mark.byte;
      at = this.#mark.offset - 1;
    }
    const closeRun = (end: number) => {
      if (runFrom < 0) return;
      pieces.push({
        offset: offset(runAt),
        count: at - runAt,
        appendedAtMs: batch.appendedAtMs,
        messages: batch.messages.subarray(runFrom, end),
      });
      runFrom = -1;
    };
    while (reader.next()) {
      at++;
      if (at < this.#position) continue;
      if (at >= so.limit || messages >= this.#credit.messages) {
        complete = false;
        break;
      }
      if (state.isDone(at) || this.#kept.has(at)) {
        closeRun(reader.at);
        this.#position = at + 1;
        continue;
      }
      const key = aside.parkedKeys > 0 && reader.hasKey ? reader.key : null;
      const strand = key === null ? undefined : aside.parked(key);
      // one before the head (its settle was lost with a lease) is not held back by it
      if (strand !== undefined && at > (strand.offsets[0] ?? -1)) {
        closeRun(reader.at);
        if (!this.#mayCapture()) {
          // a strand that runs again makes room by itself: wait for that
          if (strand.phase === "waiting") this.#on.asideFull({ offset: offset(at), key: key! });
          complete = false;
          break;
        }
        captured.push(
          aside.follow(state, strand, { offset: at, appendedAtMs: batch.appendedAtMs, message: reader.message }, 0),
        );
        this.#position = at + 1;
        continue;
      }
      const fits = bytes + reader.length <= this.#credit.bytes;
      if (messages > 0 ? !fits || bytes + reader.length > DELIVER_BYTES_MAX : !fits && this.#hasInHand()) {
        complete = false;
        break;
      }
      if (runFrom < 0) {
        runFrom = reader.at;
        runAt = at;
      }
      messages++;
      bytes += reader.length;
      this.#position = at + 1;
      if (!fits) {
        at++;
        closeRun(reader.end);
        this.#mark = { batch: batch.first, offset: at, byte: reader.end };
        return { pieces, complete: false };
      }
    }
    if (complete) at++; // past the last message
    closeRun(complete ? batch.messages.length : reader.at);
    this.#mark = { batch: batch.first, offset: at, byte: complete ? batch.messages.length : reader.at };
    return { pieces, complete };
  }
  /** Messages of parked keys were set behind their heads. */
  #capture(writes: StoreWrite[]): void {
    this.#ledger.state.advance();
    this.#ledger.commit(writes).commit.flushed.then(
      () => this.#on.captured(),
      () => {}, // the commit's failure ends the lease
    );
  }
  #mayCapture(): boolean {
    return this.#ledger.aside.messages < this.#ledger.scope.topic.spec.parkedMessagesMax;
  }

  async #redeliver(strand: Strand): Promise<void> {
    const copies = await this.redriven.read(strand, Math.min(REDELIVER_MESSAGES_MAX, this.#credit.messages));
    if (!this.#mayFlow()) return;
    const entries: AsideCopy[] = [];
    let bytes = 0;
    let sent = -1;
    for (const copy of copies) {
      const length = bytes + copy.message.length;
      if (strand.offsets.includes(copy.offset)) {
        const fits = length <= this.#credit.bytes;
        if (entries.length > 0 ? !fits || length > DELIVER_BYTES_MAX : !fits && this.#hasInHand()) {
          this.#redrivenBytes = copy.message.length;
          break;
        }
        this.#redrivenBytes = 0;
        entries.push(copy);
        bytes = length;
      }
      sent = copy.offset;
    }
    if (sent >= 0) this.redriven.sent(strand, sent);
    if (entries.length === 0) return;
    this.#credit.take(entries.length, bytes);
    this.port.send({
      type: "redeliver",
      member: this.port.member,
      queue: this.#queue,
      epoch: this.#ledger.lease.epoch,
      entries: entries.map((entry) => ({
        strand: strand.run,
        offset: offset(entry.offset),
        appendedAtMs: entry.appendedAtMs,
        attempts: entry.offset === strand.offsets[0] ? strand.attempts : 0,
        losses: entry.offset === strand.offsets[0] ? strand.losses : 0,
        message: entry.message,
      })),
    });
    this.#ledger.scope.counters?.delivered(entries.length);
  }
}
