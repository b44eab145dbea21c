import type { BrokerLink, LaneFrame } from "../link/broker-link.ts";
import type { Epoch } from "../message/brands.ts";
import { asMessagingError, fromWireError, isMessagingError, MessagingError } from "../message/errors.ts";
import { QuietTimer } from "../runtime/quiet-timer.ts";
import { type LaneEmitted, type LaneEvent, type LaneRef, type LaneState, laneMachine } from "./lane.machine.ts";
import { BATCH_BYTES_MAX, LaneBuffer, type SequenceMatch } from "./lane-buffer.ts";
import { LaneRefusals } from "./lane-refusals.ts";
import { type OpenLane, openLane } from "./open-lane.ts";
import type { PendingSend } from "./pending-send.ts";
import type { ProducerRoute } from "./producer-route.ts";
import type { ProducerScope } from "./producer-scope.ts";
import type { Sends } from "./sends.ts";

/** While the link has more than this to hand over, a lane with batches in flight writes no more of them. */
const HOLD_BACK_BYTES = 1024 * 1024;
/**
 * The machine hears that a lane is finished once nothing has gone on for so long: between two batches of a lane in use
 * it need not.
 */
const REST_MS = 2_000;

/**
 * One producer on one queue: the lane's machine decides, its buffer holds the messages, and this carries frames between
 * them and the link.
 */
export class Lane implements LaneState {
  readonly queue: number;
  readonly buffer: LaneBuffer;
  /** Has messages its machine was not told of. */
  isFilled = false;
  readonly #scope: ProducerScope;
  readonly #route: ProducerRoute;
  readonly #sends: Sends;
  readonly #onFenced: (epoch: Epoch | null, error: MessagingError) => void;
  readonly #actor: LaneRef;
  readonly #path: string;
  #link: BrokerLink | null;
  /** The lane on the present link. */
  #open: OpenLane | null = null;
  /**
   * The last one it was given. Shown again when the lane opens, also once it is over here: the queue then tells how far
   * it came.
   */
  #epoch: Epoch | null = null;
  readonly #refusals: LaneRefusals;
  #onDrained: (() => void) | null = null;
  readonly #quiet: QuietTimer;
  #stopped = false;

  constructor(
    scope: ProducerScope,
    route: ProducerRoute,
    sends: Sends,
    queue: number,
    onFenced: (epoch: Epoch | null, error: MessagingError) => void,
  ) {
    const { environment, path } = scope;
    this.#scope = scope;
    this.#route = route;
    this.#sends = sends;
    this.queue = queue;
    this.#onFenced = onFenced;
    this.buffer = new LaneBuffer(sends);
    this.#refusals = new LaneRefusals(scope, queue);
    this.#quiet = new QuietTimer(environment.runtime, REST_MS, () => {
      if (this.#isSending && this.buffer.isFinished) this.#send({ type: "batch.appended" });
    });
    this.#link = route.link;
    this.#path = `${path}/lane-${queue}`;
    this.#actor = environment.actors.start(
      { kind: "lane", path: this.#path, failed: (error) => this.#broken(error) },
      laneMachine,
      { input: { lane: this } },
    );
    this.#actor.on("*", (decision) => this.#decided(decision));
  }

  push(send: PendingSend): void {
    this.buffer.push(send);
  }
  /** Messages have piled up. */
  filled(): void {
    this.isFilled = false;
    if (this.buffer.inFlight >= this.#inFlightMax) return;
    if (this.#isSending) this.#sendBatches();
    else this.#send({ type: "lane.filled" });
  }
  linked(link: BrokerLink | null): void {
    if (link === this.#link) return;
    this.#link = link;
    this.#refusals.openingOver();
    this.#leave(false);
    this.#send({ type: link === null ? "link.lost" : "link.opened" });
  }
  /** The producer is fenced: everything here fails. */
  fence(error: MessagingError): void {
    this.#failNumbered(error, this.#open?.isCertain === true);
    this.#sends.failed(this.buffer.waiting(), error, "notAppended");
    this.#leave(true);
    this.#send({ type: "lane.fence" });
  }
  /** Ends it; what it holds is its producer's business. */
  stop(): void {
    this.#stopped = true;
    this.#quiet.stop();
    this.#leave(true);
    this.#scope.environment.actors.stop(this.#path);
  }

  /* ---------- what the machine asks, and decides ---------- */

  get isLinked(): boolean {
    return this.#link !== null;
  }
  get isOpen(): boolean {
    return this.#open !== null;
  }
  get isFinished(): boolean {
    return this.buffer.isFinished;
  }
  get holdsMessages(): boolean {
    return this.buffer.unfinished > 0 || this.buffer.unkept > 0;
  }
  async agree(signal: AbortSignal): Promise<SequenceMatch> {
    const link = this.#link;
    try {
      if (link === null) throw new MessagingError("UNAVAILABLE", "there is no link to the broker");
      const open = this.#open;
      if (open?.link !== link) return await this.#openOn(link, signal);
      if (this.buffer.inFlight > 0) await new Promise<void>((resolve) => (this.#onDrained = resolve));
      return this.buffer.rewind(this.#open?.expected ?? null);
    } catch (thrown) {
      if (!isMessagingError(thrown)) link?.fault(thrown, "lane.opened");
      // what the machine's `onError` decides by
      const error = asMessagingError(thrown);
      const refusal = this.#refused(error);
      if (refusal.kind !== "passing" || link?.open !== true || signal.aborted || this.#link !== link) throw refusal;
      throw { ...refusal, retryMs: this.#refusals.openingRefused(error) };
    }
  }
  #send(event: LaneEvent): void {
    if (!this.#stopped) this.#actor.send(event);
  }
  get #isSending(): boolean {
    return this.#actor.getSnapshot().value === "sending";
  }
  #decided(decision: LaneEmitted): void {
    switch (decision.type) {
      case "batches.due":
        this.#sendBatches();
        return;
      case "tail.lost":
        this.#sends.tailLost(this.queue, this.#open?.expected ?? 0, this.buffer.first);
        this.#leave(true);
        this.#epoch = null;
        return;
      case "epoch.over":
        this.#endEpoch(decision.error);
        return;
      case "lane.refused":
        this.#failNumbered(decision.error, false);
        this.#sends.failed(this.buffer.waiting(), decision.error, "notAppended");
        this.#sends.turned();
        return;
      case "lane.fenced":
        this.#onFenced(this.#epoch, decision.error);
    }
  }

  /* ---------- on the link ---------- */

  get #inFlightMax(): number {
    const { inFlightBatchesMax } = this.#scope.settings;
    return Math.max(
      1,
      Math.min(inFlightBatchesMax, this.#link?.welcome.inFlightBatchesMax ?? Number.POSITIVE_INFINITY),
    );
  }
  /** What goes wrong in that ends the link; the lane begins with its oldest message on the next one. */
  #sendBatches(): void {
    const open = this.#open;
    if (open === null) return;
    const { link } = open;
    try {
      const batchesMax = this.#inFlightMax;
      const bytesMax = Math.min(BATCH_BYTES_MAX, link.batchBytesMax);
      const { durability } = this.#route;
      while (this.buffer.hasMore && this.buffer.inFlight < batchesMax) {
        if (this.buffer.inFlight > 0 && link.bufferedBytes > HOLD_BACK_BYTES) return;
        const batch = this.buffer.take(bytesMax);
        if (batch === null) return;
        open.append(batch, durability);
      }
    } catch (error) {
      link.fault(error, "batch.append");
    }
  }
  async #openOn(link: BrokerLink, signal: AbortSignal): Promise<SequenceMatch> {
    const { topic, name } = this.#scope;
    const epoch = this.#epoch;
    const routeVersion = this.#route.version;
    const as = { topic: topic.name, queue: this.queue, producer: name, epoch, routeVersion };
    const open = await openLane(link, as).catch((error: unknown) => {
      if (isMessagingError(error, "WRONG_ROUTE")) this.#route.findAnew();
      throw error;
    });
    if (signal.aborted || this.#stopped || this.#link !== link) {
      open.close();
      throw new MessagingError("UNAVAILABLE", "the lane was left while it opened");
    }
    this.#open = open;
    this.#epoch = open.epoch;
    if (epoch === null) this.buffer.renumber();
    this.buffer.logEpoch = open.logEpoch;
    const match = this.buffer.rewind(open.expected);
    open.listen((frame) => this.#take(open, frame));
    this.#refusals.openingOver();
    return match;
  }
  /** No longer on its link. `tell`: the broker may forget it, too. */
  #leave(tell: boolean): void {
    const open = this.#open;
    this.#open = null;
    this.#onDrained = null;
    this.buffer.forgetInFlight();
    if (open !== null && (tell || open.link.open)) open.close();
  }

  #take(open: OpenLane, frame: LaneFrame): void {
    if (this.#open !== open) return;
    let event: LaneEvent | null = null;
    try {
      event = this.#apply(open, frame);
    } catch (error) {
      if (!isMessagingError(error, "PROTOCOL_VIOLATION")) throw error; // a fault of ours: the link ends with it
      open.link.violation(error.message);
      return;
    }
    if (event !== null) this.#send(event);
    if (this.buffer.inFlight === 0 && this.#onDrained !== null) {
      const drained = this.#onDrained;
      this.#onDrained = null;
      drained();
    }
    this.#sends.turned();
  }
  #apply(open: OpenLane, frame: LaneFrame): LaneEvent | null {
    switch (frame.type) {
      case "batch.appended": {
        // where nothing is more durable than memory, nothing will ever be kept better than it is now
        const isKeptLater = this.#route.durability === "memory" && open.link.welcome.durabilityMax !== "memory";
        this.buffer.appended(frame, isKeptLater);
        this.#refusals.taken();
        open.isCertain = false;
        open.expected = Math.max(open.expected, this.buffer.receipted);
        if (!this.#isSending) return { type: "batch.appended" };
        if (this.buffer.isFinished) this.#quiet.reset();
        else this.#sendBatches();
        return null;
      }
      case "lane.kept":
        this.buffer.kept(frame.kept);
        return null;
      case "lane.rewind": {
        if (frame.expected >= this.buffer.receipted) return null; // nothing that has its receipt
        open.expected = frame.expected;
        const text = `the queue could not keep what it had in memory; it expects sequence ${frame.expected}`;
        return { type: "batch.refused", refusal: this.#refused(new MessagingError("OUT_OF_SEQUENCE", text)) };
      }
      case "batch.refused": {
        this.buffer.refused(frame.sequence);
        open.isCertain = true;
        if (frame.expected !== null) open.expected = frame.expected;
        const refusal = this.#refused(fromWireError(frame.error), frame.retryAfterMs);
        if (refusal.error.code !== "WRONG_ROUTE") return { type: "batch.refused", refusal };
        // these belong to another queue now: they fail, and what is called later goes where the newer route says
        this.#route.findAnew();
        return { type: "batch.refused", refusal: { ...refusal, kind: "final" } };
      }
    }
  }
  #refused(error: MessagingError, retryAfterMs: number | null = null) {
    const refusal = this.#refusals.refused(error, retryAfterMs);
    return refusal.kind === "unknown" && this.#epoch === null ? { ...refusal, kind: "passing" as const } : refusal;
  }

  /* ---------- failing ---------- */

  #endEpoch(error: MessagingError | null): void {
    const unknown = new MessagingError("OUTCOME_UNKNOWN", "the queue no longer knows this producer");
    this.#failNumbered(error ?? unknown, error !== null && this.#open?.isCertain === true);
    this.#leave(true);
    // else it is shown once more: what the queue has lost of it meanwhile is to be told
    if (error === null) this.#epoch = null;
    this.#sends.turned();
  }
  /**
   * The numbered ones. What the queue did not have when this link opened, and refused on it (`isCertain`), was not
   * appended; of all else nobody knows.
   */
  #failNumbered(error: MessagingError, isCertain: boolean): void {
    const { first, receipted } = this.buffer;
    const certainFrom = isCertain ? (this.#open?.expected ?? 0) : Number.POSITIVE_INFINITY;
    const { unknown, notAppended } = this.buffer.fail(certainFrom);
    this.#sends.failed(unknown, error, "unknown");
    this.#sends.failed(notAppended, error, "notAppended");
    // receipted from memory, and now nobody can say whether they outlived it
    if (receipted > first) this.#sends.tailLost(this.queue, first, receipted);
  }
  /**
   * The machine threw: a bug of ours. Nothing is lost in silence: what the lane has fails,
   * the producer goes on without it.
   */
  #broken(error: unknown): void {
    this.#stopped = true;
    this.#quiet.stop();
    const bug = asMessagingError(error, "CLOSED");
    this.#failNumbered(bug, false);
    this.#sends.failed(this.buffer.waiting(), bug, "notAppended");
    this.#leave(true);
    this.#sends.turned();
  }
}
