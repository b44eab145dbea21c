import { type Offset, type Sequence, sequence } from "../message/brands.ts";
import { MessagingError } from "../message/errors.ts";
import { PackSpace } from "../message/packed.ts";
import type { BatchAppended } from "../protocol/frames.ts";
import { Ring } from "../runtime/ring.ts";
import type { PendingSend } from "./pending-send.ts";

/**
 * Bounds of one `batch.append`: enough to make its fixed cost vanish (one machine event and one store
 * record), small enough that eight in flight fill a round trip without owning the link. A message larger
 * than the byte bound travels alone.
 */
export const BATCH_MESSAGES_MAX = 256;
export const BATCH_BYTES_MAX = 256 * 1024;

/** Of a lane that has next to nothing under way. */
const SLAB_BYTES_MIN = 1024;

export interface Batch {
  readonly sequence: Sequence;
  readonly count: number;
  readonly messages: Uint8Array;
}
interface InFlight {
  readonly sequence: number;
  readonly count: number;
}
/** What the lane's owner does with its messages: called once for each, in order. */
export interface LaneOwner {
  /** Before its frame leaves for the first time. */
  sending(send: PendingSend): void;
  /** It has its place. */
  appended(send: PendingSend, offset: Offset, duplicate: boolean, logEpoch: number): void;
  /** It was sent again though it had its receipt (`memory`), and this is where it stands now. */
  appendedAgain(send: PendingSend, offset: Offset, duplicate: boolean, logEpoch: number): void;
  /** The lane no longer holds it: `bytes` of room are free. */
  released(send: PendingSend, bytes: number): void;
}
/**
 * Where a lane stands against what the queue expects next. `ahead`: the queue has lost receipted messages that are no
 * longer held. `over`: the queue has lost none, and nothing more can be sent in this epoch.
 */
export type SequenceMatch = "inSequence" | "ahead" | "over";

/**
 * The data plane of one lane: messages in call order, first those that have a number (`first` … `next`),
 * then those that wait for one. A number belongs to its message until the queue has it for good,
 * whatever happens to the link (rule 9).
 *
 * ```
 *   first        receipted        cursor          next
 *     │ receipted,  │ on its way     │ to be resent │ waiting, not numbered
 *     │ not kept    │ (in flight)    │ (rewound)    │ (may still be taken back)
 * ```
 */
export class LaneBuffer {
  readonly #owner: LaneOwner;
  /** Where the messages of this lane are packed. */
  readonly space = new PackSpace(SLAB_BYTES_MIN);
  readonly #numbered = new Ring<PendingSend>();
  readonly #waiting = new Ring<PendingSend>();
  readonly #inFlight = new Ring<InFlight>();
  /** Taken back while they waited; still in the ring. */
  #gone = 0;
  #first = 0;
  #receipted = 0;
  #kept = 0;
  #cursor = 0;
  /** Everything numbered has failed: its numbers are not given to others. */
  #over = false;
  /** Incarnation of the queue's log that receipts are of. */
  logEpoch = 0;

  constructor(owner: LaneOwner) {
    this.#owner = owner;
  }

  /** Sequence of the oldest message held. */
  get first(): number {
    return this.#first;
  }
  /** Everything below has its receipt. */
  get receipted(): number {
    return this.#receipted;
  }
  /** The number that the next message gets. */
  get next(): number {
    return this.#first + this.#numbered.length;
  }
  get inFlight(): number {
    return this.#inFlight.length;
  }
  /** Messages without a receipt, or without a number yet. */
  get unfinished(): number {
    return this.next - this.#receipted + this.#waiting.length - this.#gone;
  }
  /** Messages held for resending though they have their receipt (`memory`). */
  get unkept(): number {
    return this.#receipted - this.#first;
  }
  /** Nothing waits, nothing is on its way, and nothing was rewound. */
  get isFinished(): boolean {
    return this.unfinished === 0 && this.#inFlight.length === 0 && !this.hasMore;
  }
  get hasMore(): boolean {
    return this.#cursor < this.next || this.#waiting.length > this.#gone;
  }

  push(send: PendingSend): void {
    send.stage = "buffered";
    this.space.live += send.length;
    this.#waiting.push(send);
  }
  /** Takes a message back that has no number. The owner frees its room. */
  remove(send: PendingSend): void {
    send.stage = "gone";
    this.space.live -= send.length;
    this.#gone++;
    if (this.#gone > 64 && this.#gone > this.#waiting.length / 2) {
      this.#waiting.retain((other) => other.stage !== "gone");
      this.#gone = 0;
    }
  }
  /** Messages without a number, in order. */
  *waiting(): IterableIterator<PendingSend> {
    for (const send of this.#waiting) if (send.stage !== "gone") yield send;
  }

  /** The next batch to write to the link: first what was rewound, then what has piled up. `null`: nothing. */
  take(bytesMax: number): Batch | null {
    const from = this.#cursor;
    let count = 0;
    let bytes = 0;
    while (count < BATCH_MESSAGES_MAX) {
      const old = this.#cursor < this.next;
      const send = old ? this.#numbered.at(this.#cursor - this.#first) : this.#nextWaiting();
      if (send === undefined) break;
      if (count > 0 && bytes + send.length > bytesMax) break;
      if (!old) {
        this.#waiting.shift();
        this.#numbered.push(send);
        send.stage = "numbered";
      }
      if (send.writes++ === 0) this.#owner.sending(send);
      this.#cursor++;
      count++;
      bytes += send.length;
    }
    if (count === 0) return null;
    this.#inFlight.push({ sequence: from, count });
    return { sequence: sequence(from), count, messages: this.#endToEnd(from, count, bytes) };
  }
  /** The bytes of `count` numbered messages: as they lie, where they were packed one behind another, else in a copy. */
  #endToEnd(from: number, count: number, bytes: number): Uint8Array {
    const at = (sequence: number): PendingSend => this.#numbered.at(sequence - this.#first) as PendingSend;
    const first = at(from);
    let end = first.at;
    for (let index = 0; index < count; index++) {
      const send = at(from + index);
      if (send.bytes !== first.bytes || send.at !== end) return this.#copied(from, count, bytes);
      end += send.length;
    }
    return first.bytes.subarray(first.at, end);
  }
  #copied(from: number, count: number, bytes: number): Uint8Array {
    const copy = new Uint8Array(bytes);
    let end = 0;
    for (let index = 0; index < count; index++) {
      const send = this.#numbered.at(from + index - this.#first) as PendingSend;
      copy.set(send.bytes.subarray(send.at, send.at + send.length), end);
      end += send.length;
    }
    return copy;
  }
  #nextWaiting(): PendingSend | undefined {
    for (let send = this.#waiting.peek(); send !== undefined; send = this.#waiting.peek()) {
      if (send.stage !== "gone") return send;
      this.#waiting.shift();
      this.#gone--;
    }
    return undefined;
  }

  /**
   * Receipts of the oldest batch on its way. `holdUntilKept`: messages stay until the queue has flushed them, not only
   * until their receipt.
   * @throws `PROTOCOL_VIOLATION` when it answers something else than that batch.
   */
  appended(frame: Pick<BatchAppended, "sequence" | "count" | "runs" | "kept">, holdUntilKept: boolean): void {
    this.#answered("batch.appended", frame.sequence, frame.count);
    let counted = 0;
    for (const run of frame.runs) counted += run.count;
    if (counted !== frame.count) throw violation(`runs of ${frame.count} messages`, `${counted}`);
    let at = frame.sequence as number;
    for (const run of frame.runs) {
      for (let index = 0; index < run.count; index++, at++) {
        const send = this.#numbered.at(at - this.#first);
        if (send === undefined) {
          if (at < this.#first) continue; // kept in the meantime
          throw violation(`a sequence from ${this.#first} to ${this.next}`, `${at}`);
        }
        const place = (run.offset + index) as Offset;
        if (send.stage === "receipted") this.#owner.appendedAgain(send, place, run.duplicate, this.logEpoch);
        else {
          this.#owner.appended(send, place, run.duplicate, this.logEpoch);
          // and not before: whatever goes wrong there, it is sent again and gets its receipt then
          send.stage = "receipted";
        }
      }
    }
    // Not simply to the end of this batch: one before it may have been refused while the queue knew this one from an
    // earlier link.
    while (this.#numbered.at(this.#receipted - this.#first)?.stage === "receipted") this.#receipted++;
    this.kept(holdUntilKept ? frame.kept : this.#receipted);
  }
  /** Every sequence below is safe at the queue: lets go of those that have their receipt. */
  kept(kept: number): void {
    this.#kept = Math.max(this.#kept, Math.min(kept, this.next));
    while (this.#first < this.#kept && this.#first < this.#receipted) {
      const send = this.#numbered.shift() as PendingSend;
      this.#first++;
      this.#let(send);
    }
    if (this.#cursor < this.#first) this.#cursor = this.#first;
  }
  /** The oldest batch on its way was refused. @throws `PROTOCOL_VIOLATION` */
  refused(from: number): void {
    this.#answered("batch.refused", from, null);
  }
  #answered(frame: string, from: number, count: number | null): void {
    const batch = this.#inFlight.shift();
    if (batch === undefined || batch.sequence !== from || (count !== null && batch.count !== count))
      throw violation(
        batch === undefined
          ? "no answer: nothing is on its way"
          : `${frame} for sequence ${batch.sequence}, ${batch.count} messages`,
        `sequence ${from}${count === null ? "" : `, ${count} messages`}`,
      );
  }

  /** The link is gone, or the lane is: no answer will come any more. */
  forgetInFlight(): void {
    this.#inFlight.clear();
  }
  /**
   * Rule 10: goes back to what the queue expects next, or to the oldest message without a receipt, whichever is older:
   * the queue trims what it knows.
   */
  rewind(expected: number | null): SequenceMatch {
    if (expected !== null && expected < this.#first) return "ahead";
    if (this.#over || (expected !== null && expected > this.next)) return "over";
    this.#kept = Math.min(this.#kept, expected ?? this.#kept);
    this.#cursor = Math.min(this.#receipted, expected ?? this.#receipted);
    return "inSequence";
  }
  /** A new epoch: what is held is numbered anew from 0, in order. */
  renumber(): void {
    this.#inFlight.clear();
    this.#receipted -= this.#first;
    this.#first = 0;
    this.#kept = 0;
    this.#cursor = 0;
    this.#over = false;
  }
  /**
   * The epoch is over: takes out every numbered message and gives those without a receipt, in order. What waits stays.
   * From `certainFrom` on nothing was appended; of those before nobody knows.
   * `first` stays, so that it can still be seen what the queue loses of what was let go of.
   */
  fail(certainFrom: number): { readonly unknown: PendingSend[]; readonly notAppended: PendingSend[] } {
    const unknown: PendingSend[] = [];
    const notAppended: PendingSend[] = [];
    let at = this.#first;
    for (let send = this.#numbered.shift(); send !== undefined; send = this.#numbered.shift(), at++) {
      if (send.stage === "numbered") (at < certainFrom ? unknown : notAppended).push(send);
      this.#let(send);
    }
    this.#inFlight.clear();
    this.#receipted = this.#first;
    this.#cursor = this.#first;
    this.#over = true;
    return { unknown, notAppended };
  }
  #let(send: PendingSend): void {
    const bytes = send.unpack();
    this.space.live -= bytes;
    this.#owner.released(send, bytes);
  }
}
const violation = (expected: string, found: string): MessagingError<"PROTOCOL_VIOLATION"> =>
  new MessagingError("PROTOCOL_VIOLATION", `expected ${expected}, found ${found}`, { data: { expected, found } });
