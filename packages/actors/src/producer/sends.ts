import type { WaitOptions } from "../contracts/options.ts";
import type { Offset } from "../message/brands.ts";
import { type ErrorCode, FlushError, MessagingError } from "../message/errors.ts";
import type { Receipt } from "../message/message.ts";
import type { PackSpace } from "../message/packed.ts";
import { NO_SLOT } from "../message/route.ts";
import { Ring } from "../runtime/ring.ts";
import { Waits } from "../runtime/waits.ts";
import { AbortWatch } from "./abort-watch.ts";
import type { LaneBuffer, LaneOwner } from "./lane-buffer.ts";
import { PendingSend } from "./pending-send.ts";
import type { ProducerRoute } from "./producer-route.ts";
import type { ProducerScope } from "./producer-scope.ts";
import { outcomeUnknown, predecessorFailed, sendTimeout } from "./send-errors.ts";
import { SendHistoryRecorder } from "./send-history-recorder.ts";
import { Unanswered } from "./unanswered.ts";
import { UnreadFailures } from "./unread-failures.ts";

/** What sends need of their producer. */
interface Dealer {
  /** Hands it to a lane; false while it is not known which. */
  deal(send: PendingSend): boolean;
  buffers(): Iterable<LaneBuffer>;
  bufferOf(queue: number): LaneBuffer | undefined;
  /** Every send has its answer. */
  drained(): void;
}

/**
 * The sends of one producer, from their call to their answer: lets in as many as there is room for, in call order, and
 * fails those that are late, taken back, refused, or behind such a one of their key.
 *
 * ```
 *   waiting ──room──▶ admitted ──route known──▶ in a lane: buffered, numbered, receipted
 * ```
 */
export class Sends implements LaneOwner {
  readonly #scope: ProducerScope;
  readonly #route: ProducerRoute;
  readonly #dealer: Dealer;
  readonly #recorder: SendHistoryRecorder | null;
  #calls = 0;
  /** Messages and bytes that lanes hold, or that wait for the route. */
  #held = 0;
  #heldBytes = 0;
  /** In call order: admitted, but the route is not known yet. */
  readonly #undealt = new Ring<PendingSend>();
  /** In call order: there is no room. */
  readonly #waiting = new Ring<PendingSend>();
  #waitingGone = 0;
  readonly #unanswered: Unanswered;
  readonly #aborts = new AbortWatch((sends, error) => this.#takeAllBack(sends.filter(isTakeable), error));
  readonly #failures = new UnreadFailures();
  readonly #readyWaits = new Waits<null>();
  readonly #flushWaits = new Waits<number>();

  constructor(scope: ProducerScope, route: ProducerRoute, dealer: Dealer) {
    this.#scope = scope;
    this.#route = route;
    this.#dealer = dealer;
    const { environment, topic, name } = scope;
    const { history, runtime, logger } = environment;
    this.#recorder = history === null ? null : new SendHistoryRecorder(history, topic.name, name);
    this.#unanswered = new Unanswered(
      runtime,
      (sends) => this.#late(sends),
      (error) => logger.log("error", `producer "${name}": late sends could not be failed`, { error }),
    );
  }
  get isDrained(): boolean {
    return this.#unanswered.length === 0;
  }

  /* ---------- taking ---------- */

  /** A message that has just been packed into `space`. */
  take(
    space: PackSpace,
    length: number,
    key: string | null,
    id: string | null,
    slot: number,
    signal: AbortSignal | undefined,
  ): Promise<Receipt> {
    const { waitingMax, sendTimeoutMs } = this.#scope.settings;
    const hasRoom = this.#waiting.length === 0 && this.#hasRoom(length);
    if (!hasRoom && this.#waiting.length - this.#waitingGone >= waitingMax) {
      const held = `${this.#held} messages (${this.#heldBytes} bytes) are not acknowledged`;
      const text = `${held} and ${waitingMax} sends wait for room; wait for ready()`;
      return this.refuse(key, id, new MessagingError("BUFFER_FULL", text));
    }
    const deadline = this.#scope.environment.runtime.now() + sendTimeoutMs;
    const send = new PendingSend(++this.#calls, key, id, slot, deadline);
    send.packedIn(space, length);
    this.#unanswered.push(send);
    if (signal !== undefined) this.#aborts.listen(send, signal);
    if (hasRoom) this.#admit(send);
    else this.#waiting.push(send);
    return send.promise;
  }
  /** Fails before anything behind it was called, so nothing fails with it. */
  refuse(key: string | null, id: string | null, error: MessagingError): Promise<Receipt> {
    const send = new PendingSend(++this.#calls, key, typeof id === "string" ? id : null, NO_SLOT, 0);
    send.stage = "gone";
    this.#answerFailed(send, error, "notAppended");
    return send.promise;
  }
  #hasRoom(bytes: number): boolean {
    const { bufferMessagesMax, bufferBytesMax } = this.#scope.settings;
    return this.#held === 0 || (this.#held < bufferMessagesMax && this.#heldBytes + bytes <= bufferBytesMax);
  }
  #admit(send: PendingSend): void {
    this.#held++;
    this.#heldBytes += send.length;
    if (this.#dealer.deal(send)) return;
    send.stage = "admitted";
    this.#undealt.push(send);
  }
  /** The route is known. */
  dealAll(): void {
    for (let send = this.#undealt.shift(); send !== undefined; send = this.#undealt.shift())
      if (send.stage === "admitted") this.#dealer.deal(send);
    this.turned();
  }
  /** Nobody has a number: all that was called so far fails together. */
  failUndealt(error: MessagingError): void {
    for (const send of [...this.#undealt, ...this.#waiting]) if (isTakeable(send)) this.#takeBack(send, error);
    this.#undealt.clear();
    this.turned();
  }

  /* ---------- what lanes report ---------- */

  sending(send: PendingSend): void {
    this.#recorder?.sending(send, this.#route.durability);
  }
  appended(send: PendingSend, offset: Offset, duplicate: boolean, logEpoch: number): void {
    const { key, queue } = send;
    const { durability } = this.#route;
    this.#recorder?.sent(send, { offset, logEpoch, durability, duplicate });
    if (send.answered) return;
    this.#unanswered.answered();
    send.resolve({ topic: this.#scope.topic.name, queue, offset, key, durability, duplicate, orderKept: true });
  }
  /** Its caller has had the receipt; where it came to stand after a crash is for the history to say. */
  appendedAgain(send: PendingSend, offset: Offset, duplicate: boolean, logEpoch: number): void {
    this.#recorder?.sent(send, { offset, logEpoch, durability: this.#route.durability, duplicate });
  }
  released(_send: PendingSend, bytes: number): void {
    this.#held--;
    this.#heldBytes -= bytes;
  }
  /** These have failed, in order: not appended, or (`unknown`) perhaps. */
  failed(sends: Iterable<PendingSend>, error: MessagingError, outcome: "notAppended" | "unknown"): void {
    const keys = new Map<string, number>();
    for (const send of [...sends]) {
      noteFirst(keys, send);
      if (isTakeable(send)) this.#takeBack(send, error);
      else if (!send.answered) this.#answerFailed(send, outcome === "unknown" ? outcomeUnknown(error) : error, outcome);
    }
    this.#failFollowers(keys);
  }
  tailLost(queue: number, from: number, to: number): void {
    const { environment, topic, name } = this.#scope;
    this.#recorder?.tailLost(queue, from, to);
    const lost = { topic: topic.name, queue, from, to };
    environment.logger.log("warn", `the broker lost messages it had acknowledged to producer "${name}"`, lost);
  }
  /** A frame of a lane has been dealt with: room may be free, sends may have been answered. */
  turned(): void {
    while (this.#undealt.peek()?.stage === "gone") this.#undealt.shift();
    for (let send = this.#waiting.peek(); send !== undefined; send = this.#waiting.peek()) {
      if (send.stage === "gone") this.#waitingGone--;
      else if (this.#hasRoom(send.length)) this.#admit(send);
      else break;
      this.#waiting.shift();
    }
    this.#unanswered.forgetAnswered();
    if (this.#readyWaits.any && this.isReady) this.#readyWaits.release(() => true);
    if (this.#flushWaits.any) {
      const oldest = this.#unanswered.oldestCall;
      this.#flushWaits.release((upTo) => upTo < oldest);
    }
    if (this.isDrained) this.#dealer.drained();
  }

  /* ---------- failing ---------- */

  /** Takes a message out that has no number. */
  #takeBack(send: PendingSend, error: MessagingError): void {
    if (send.stage === "waiting") this.#waitingGone++;
    else this.released(send, send.length);
    if (send.stage === "buffered") this.#dealer.bufferOf(send.queue)?.remove(send);
    send.stage = "gone";
    send.unpack();
    if (!send.answered) this.#answerFailed(send, error, "notAppended");
  }
  /** With what follows them, in call order. */
  #takeAllBack(sends: readonly PendingSend[], error: MessagingError): void {
    const keys = new Map<string, number>();
    for (const send of sends) {
      noteFirst(keys, send);
      this.#takeBack(send, error);
    }
    this.#failFollowers(keys);
    this.turned();
  }
  /** Rule 9: what was called behind a failed send of its key, and has no number, fails too. */
  #failFollowers(keys: ReadonlyMap<string, number>): void {
    if (keys.size === 0) return;
    const follows = (send: PendingSend): boolean =>
      send.key !== null && isTakeable(send) && send.call > (keys.get(send.key) ?? Number.POSITIVE_INFINITY);
    for (const buffer of this.#dealer.buffers())
      for (const send of [...buffer.waiting()]) if (follows(send)) this.#takeBack(send, predecessorFailed(send));
    for (const send of this.#undealt) if (follows(send)) this.#takeBack(send, predecessorFailed(send));
    for (const send of this.#waiting) if (follows(send)) this.#takeBack(send, predecessorFailed(send));
  }
  #answerFailed(send: PendingSend, error: MessagingError, outcome: "notAppended" | "unknown"): void {
    this.#recorder?.refused(send, error.code, outcome);
    if (send.deadline > 0) this.#unanswered.answered();
    const { environment, topic } = this.#scope;
    environment.events.emit({ type: "send.refused", topic: topic.name, key: send.key, code: error.code as ErrorCode });
    this.#failures.note(send);
    send.reject(error);
  }
  #late(sends: readonly PendingSend[]): void {
    const error = sendTimeout(this.#scope.settings.sendTimeoutMs);
    this.failed(sends, error, "unknown");
    this.turned();
  }

  /* ---------- waiting and ending ---------- */

  get isReady(): boolean {
    return this.#waiting.length === 0 && this.#hasRoom(1);
  }
  ready(options?: WaitOptions): Promise<void> {
    return this.isReady ? Promise.resolve() : this.#readyWaits.wait(null, options);
  }
  async flush(options?: WaitOptions): Promise<void> {
    const upTo = this.#calls;
    if (this.#unanswered.oldestCall <= upTo) await this.#flushWaits.wait(upTo, options);
    const unread = this.#failures.takeUpTo(upTo);
    if (unread.length === 0) return;
    throw new FlushError(unread.map((send) => send.failure as MessagingError));
  }
  /** Those without an answer fail. @returns how many there were */
  failLeft(error: MessagingError): number {
    const left = this.#unanswered.left();
    for (const send of left) {
      if (isTakeable(send)) this.#takeBack(send, error);
      else this.#answerFailed(send, outcomeUnknown(error), "unknown");
    }
    return left.length;
  }
  /** Nobody waits here any more. */
  end(error: MessagingError): void {
    this.#readyWaits.failAll(error);
    this.#unanswered.clear();
    this.#flushWaits.release(() => true);
  }
}

/** It has no number: it can be taken back, and then it was never appended (rule 8). */
const isTakeable = (send: PendingSend): boolean =>
  send.stage === "waiting" || send.stage === "admitted" || send.stage === "buffered";
/** The first failed call of each key. */
function noteFirst(keys: Map<string, number>, { key, call }: PendingSend): void {
  if (key !== null && !keys.has(key)) keys.set(key, call);
}
