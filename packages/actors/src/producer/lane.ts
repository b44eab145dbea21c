import type { BrokerLink, LaneFrame } from "../link/broker-link.ts";
import type { ClientEnvironment } from "../link/client-environment.ts";
import type { Connection } from "../link/connection.ts";
import { Refusals } from "../link/refusals.ts";
import type { Durability, Epoch } from "../message/brands.ts";
import { asMessagingError, fromWireError, isMessagingError, MessagingError } from "../message/errors.ts";
import { QuietTimer } from "../runtime/quiet-timer.ts";
import {
  type LaneEffects,
  type LaneEvent,
  type LaneRef,
  laneMachine,
  type Refusal,
  type RefusalKind,
} from "./lane.machine.ts";
import { BATCH_BYTES_MAX, LaneBuffer, type LaneOwner, type SequenceMatch } from "./lane-buffer.ts";
import type { PendingSend } from "./pending-send.ts";

/** What a lane asks of its producer and tells it. */
export interface LaneHost extends LaneOwner {
  readonly environment: ClientEnvironment;
  readonly connection: Connection;
  readonly topic: string;
  readonly name: string;
  readonly path: string;
  readonly inFlightBatchesMax: number;
  durability(): Durability;
  routeVersion(): number;
  /** The route is not the queue's: ask for the newer one. */
  wrongRoute(): void;
  /** These have failed, in order: not appended, or (`unknown`) perhaps. */
  failed(sends: readonly PendingSend[], error: MessagingError, outcome: "notAppended" | "unknown"): void;
  fenced(lane: Lane, epoch: Epoch | null, error: MessagingError): void;
  tailLost(queue: number, from: number, to: number): void;
  /** A frame of this lane has been dealt with: room may be free, sends may have been answered. */
  turned(): void;
}

/** While the link has more than this to hand over, a lane with batches in flight writes no more of them. */
const HOLD_BACK_BYTES = 1024 * 1024;
/** The machine hears that a lane is finished once nothing has gone on for so long: between two batches of a lane in use it need not. */
const REST_MS = 2_000;
/** The same when the lane itself is refused. */
const OPEN_PACE = { initialMs: 100, maxMs: 10_000 };
/** First wait after a refusal that may pass and does not say how long, ms; doubles with each one in a row. */
const RETRY_MS = 50;
const RETRY_MS_MAX = 2_000;

/** One producer on one queue: the lane's machine decides, its buffer holds the messages, and this carries frames between them and the link. */
export class Lane {
  readonly queue: number;
  readonly buffer: LaneBuffer;
  /** Has messages its machine was not told of. */
  dirty = false;
  readonly #host: LaneHost;
  readonly #actor: LaneRef;
  readonly #path: string;
  #link: BrokerLink | null = null;
  /** The lane on the present link. */
  #opened: { readonly link: BrokerLink; readonly number: number; readonly end: () => void } | null = null;
  /** The last one it was given. Shown again when the lane opens, also once it is over here: the queue then tells how far it came. */
  #epoch: Epoch | null = null;
  /** What the queue said last that it expects next, in this epoch. */
  #expected: number | null = null;
  #refusals = 0;
  readonly #openRefusals: Refusals;
  /** The last refusal answered a batch: nothing from it on was appended on this link. */
  #certain = false;
  #onDrained: (() => void) | null = null;
  /** The machine says that batches may be written. */
  #sending = false;
  readonly #quiet: QuietTimer;
  #stopped = false;

  constructor(host: LaneHost, queue: number) {
    this.#host = host;
    this.queue = queue;
    this.buffer = new LaneBuffer(host);
    this.#openRefusals = new Refusals(host.environment, { topic: host.topic, queue, group: null }, OPEN_PACE);
    this.#quiet = new QuietTimer(host.environment.runtime, REST_MS, () => {
      if (this.#sending && this.buffer.isFinished) this.#send({ type: "batch.appended" });
    });
    this.#link = host.connection.link;
    this.#path = `${host.path}/lane-${queue}`;
    this.#actor = host.environment.actors.start(
      { kind: "lane", path: this.#path, failed: (error) => this.#broken(error) },
      laneMachine,
      { input: { effects: this.#effects() } },
    );
    this.#actor.subscribe((snapshot) => {
      this.#sending = snapshot.value === "sending";
    });
  }

  push(send: PendingSend): void {
    this.buffer.push(send);
  }
  /** Messages have piled up. */
  filled(): void {
    this.dirty = false;
    if (this.buffer.inFlight >= this.#inFlightMax) return;
    if (this.#sending) this.#sendBatches();
    else this.#send({ type: "lane.filled" });
  }
  linked(link: BrokerLink | null): void {
    if (link === this.#link) return;
    this.#link = link;
    this.#openRefusals.over();
    this.#leave(false);
    this.#send({ type: link === null ? "link.lost" : "link.opened" });
  }
  /** The producer is fenced: everything here fails. */
  fence(error: MessagingError): void {
    this.#failNumbered(error, this.#certain);
    this.#host.failed([...this.buffer.waiting()], error, "notAppended");
    this.#leave(true);
    this.#send({ type: "lane.fence" });
  }
  /** Ends it; what it holds is its host's business. */
  stop(): void {
    this.#stopped = true;
    this.#quiet.stop();
    this.#leave(true);
    this.#host.environment.actors.stop(this.#path);
  }

  #send(event: LaneEvent): void {
    if (!this.#stopped) this.#actor.send(event);
  }
  #effects(): LaneEffects {
    const lane = this;
    return {
      get isLinked() {
        return lane.#link !== null;
      },
      get isOpen() {
        return lane.#opened !== null;
      },
      get isFinished() {
        return lane.buffer.isFinished;
      },
      get holdsMessages() {
        return lane.buffer.unfinished > 0 || lane.buffer.unkept > 0;
      },
      agree: (signal) => this.#agree(signal),
      pump: () => this.#sendBatches(),
      startAnew: () => this.#startAnew(),
      endEpoch: (error) => this.#endEpoch(error),
      failAll: (error) => this.#failAll(error),
      announceFenced: (error) => this.#host.fenced(this, this.#epoch, error),
    };
  }

  get #inFlightMax(): number {
    const welcome = this.#link?.welcome;
    return Math.max(
      1,
      Math.min(this.#host.inFlightBatchesMax, welcome?.inFlightBatchesMax ?? Number.POSITIVE_INFINITY),
    );
  }

  /** What goes wrong in that ends the link; the lane begins with its oldest message on the next one. */
  #sendBatches(): void {
    try {
      this.#pump();
    } catch (error) {
      this.#opened?.link.fault(error, "batch.append");
    }
  }
  #pump(): void {
    const lane = this.#opened;
    if (lane === null || this.#epoch === null) return;
    const { link, number } = lane;
    const batchesMax = this.#inFlightMax;
    const bytesMax = Math.min(BATCH_BYTES_MAX, link.batchBytesMax);
    const durability = this.#host.durability();
    while (this.buffer.hasMore && this.buffer.inFlight < batchesMax) {
      if (this.buffer.inFlight > 0 && link.bufferedBytes > HOLD_BACK_BYTES) return;
      const batch = this.buffer.take(bytesMax);
      if (batch === null) return;
      this.#certain = false;
      link.send({
        type: "batch.append",
        lane: number,
        epoch: this.#epoch,
        sequence: batch.sequence,
        count: batch.count,
        durability,
        messages: batch.messages,
      });
    }
  }

  async #agree(signal: AbortSignal): Promise<SequenceMatch> {
    const link = this.#link;
    try {
      if (link === null) throw new MessagingError("UNAVAILABLE", "there is no link to the broker");
      if (this.#opened?.link === link) {
        if (this.buffer.inFlight > 0) await new Promise<void>((resolve) => (this.#onDrained = resolve));
        return this.buffer.rewind(this.#expected);
      }
      const match = await this.#open(link, signal);
      this.#openRefusals.over();
      return match;
    } catch (thrown) {
      if (!isMessagingError(thrown)) link?.fault(thrown, "lane.opened");
      // what the machine's `onError` decides by
      const error = asMessagingError(thrown);
      const refusal = this.#refusal(error, null);
      if (refusal.kind !== "passing" || link?.open !== true || signal.aborted || this.#link !== link) throw refusal;
      throw { ...refusal, retryMs: this.#openRefusals.again("lane.open", error) };
    }
  }
  async #open(link: BrokerLink, signal: AbortSignal): Promise<SequenceMatch> {
    const number = link.nextNumber();
    const shown = this.#epoch;
    /** Comes right behind `lane.opened`, which is read a microtask later. */
    let early: Extract<LaneFrame, { readonly type: "lane.kept" }> | null = null;
    const frames = link.lane$(number).subscribe((frame) => {
      if (frame.type === "lane.kept" && this.#opened?.number !== number) early = frame;
      else this.#take(link, number, frame);
    });
    const end = (): void => {
      frames.unsubscribe();
      if (link.open) link.send({ type: "lane.close", lane: number });
    };
    let keep = false;
    try {
      const opened = await link.request<"lane.open">({
        type: "lane.open",
        lane: number,
        topic: this.#host.topic,
        queue: this.queue,
        producer: this.#host.name,
        epoch: shown,
        routeVersion: this.#host.routeVersion(),
      });
      if (signal.aborted || this.#stopped || this.#link !== link)
        throw new MessagingError("UNAVAILABLE", "the lane was left while it opened");
      if ((shown === null && opened.expected !== 0) || (shown !== null && opened.epoch !== shown)) {
        const text = `lane.opened: expected ${shown === null ? "sequence 0 of a new epoch" : `epoch ${shown}`}, found epoch ${opened.epoch}, sequence ${opened.expected}`;
        link.violation(text);
        throw new MessagingError("UNAVAILABLE", text);
      }
      keep = true;
      this.#opened = { link, number, end };
      if (shown === null) this.buffer.renumber();
      this.#epoch = opened.epoch;
      this.#expected = opened.expected;
      this.buffer.logEpoch = opened.logEpoch;
      const match = this.buffer.rewind(opened.expected);
      const kept = early as Extract<LaneFrame, { readonly type: "lane.kept" }> | null;
      if (match === "inSequence" && kept !== null && kept.epoch === opened.epoch) {
        this.buffer.kept(kept.kept);
        this.#host.turned();
      }
      return match;
    } catch (error) {
      if (isMessagingError(error, "WRONG_ROUTE")) this.#host.wrongRoute();
      throw error;
    } finally {
      if (!keep) end();
    }
  }
  /** No longer on its link. `tell`: the broker may forget it, too. */
  #leave(tell: boolean): void {
    const lane = this.#opened;
    this.#opened = null;
    this.#expected = null;
    this.#certain = false;
    this.#onDrained = null;
    this.buffer.forgetInFlight();
    if (lane !== null && (tell || lane.link.open)) lane.end();
  }

  #take(link: BrokerLink, number: number, frame: LaneFrame): void {
    if (this.#opened?.link !== link || this.#opened.number !== number || frame.epoch !== this.#epoch) return; // of an epoch that has ended
    let event: LaneEvent | null = null;
    try {
      event = this.#apply(link, frame);
    } catch (error) {
      if (!isMessagingError(error, "PROTOCOL_VIOLATION")) throw error; // a fault of ours: the link ends with it
      link.violation(error.message);
      return;
    }
    if (event !== null) this.#send(event);
    if (this.buffer.inFlight === 0 && this.#onDrained !== null) {
      const drained = this.#onDrained;
      this.#onDrained = null;
      drained();
    }
    this.#host.turned();
  }
  #apply(link: BrokerLink, frame: LaneFrame): LaneEvent | null {
    switch (frame.type) {
      case "batch.appended": {
        // where nothing is more durable than memory, nothing will ever be kept better than it is now
        this.buffer.appended(frame, this.#host.durability() === "memory" && link.welcome.durabilityMax !== "memory");
        this.#refusals = 0;
        this.#certain = false;
        if (this.#expected !== null) this.#expected = Math.max(this.#expected, this.buffer.receipted);
        if (!this.#sending) return { type: "batch.appended" };
        if (this.buffer.isFinished) this.#quiet.reset();
        else this.#sendBatches();
        return null;
      }
      case "lane.kept":
        this.buffer.kept(frame.kept);
        return null;
      case "lane.rewind": {
        if (frame.expected >= this.buffer.receipted) return null; // nothing that has its receipt
        this.#expected = frame.expected;
        const text = `the queue could not keep what it had receipted from memory; it expects sequence ${frame.expected}`;
        return { type: "batch.refused", refusal: this.#refusal(new MessagingError("OUT_OF_SEQUENCE", text), null) };
      }
      case "batch.refused": {
        this.buffer.refused(frame.sequence);
        this.#certain = true;
        if (frame.expected !== null) this.#expected = frame.expected;
        const refusal = this.#refusal(fromWireError(frame.error), frame.retryAfterMs);
        if (refusal.error.code !== "WRONG_ROUTE") return { type: "batch.refused", refusal };
        // these belong to another queue now: they fail, and what is called later goes where the newer route says
        this.#host.wrongRoute();
        return { type: "batch.refused", refusal: { ...refusal, kind: "final" } };
      }
    }
  }

  #refusal(error: MessagingError, retryAfterMs: number | null): Refusal {
    const kind = kindOf(error);
    const { runtime } = this.#host.environment;
    if (kind === "passing") this.#refusals++;
    const wait = retryAfterMs ?? Math.min(RETRY_MS * 2 ** Math.min(this.#refusals - 1, 10), RETRY_MS_MAX);
    return {
      kind: kind === "unknown" && this.#epoch === null ? "passing" : kind,
      error,
      retryMs: wait * (0.8 + 0.4 * runtime.random()),
    };
  }

  #startAnew(): void {
    this.#host.tailLost(this.queue, this.#expected ?? 0, this.buffer.first);
    this.#leave(true);
    this.#epoch = null;
  }
  #endEpoch(error: MessagingError | null): void {
    this.#failNumbered(
      error ?? new MessagingError("OUTCOME_UNKNOWN", "the queue no longer knows this producer"),
      error !== null && this.#certain,
    );
    this.#leave(true);
    if (error === null) this.#epoch = null; // else it is shown once more: what the queue has lost of it meanwhile is to be told
    this.#host.turned();
  }
  #failAll(error: MessagingError): void {
    this.#failNumbered(error, false);
    this.#host.failed([...this.buffer.waiting()], error, "notAppended");
    this.#host.turned();
  }
  /** The numbered ones. What the queue did not have when this link opened, and refused on it (`certain`), was not appended; of all else nobody knows. */
  #failNumbered(error: MessagingError, certain: boolean): void {
    const { first, receipted } = this.buffer;
    const { unknown, notAppended } = this.buffer.fail(certain ? (this.#expected ?? 0) : Number.POSITIVE_INFINITY);
    this.#host.failed(unknown, error, "unknown");
    this.#host.failed(notAppended, error, "notAppended");
    // receipted from memory, and now nobody can say whether they outlived it
    if (receipted > first) this.#host.tailLost(this.queue, first, receipted);
  }
  /** The machine threw: a bug of ours. Nothing is lost in silence: what the lane has fails, and the producer goes on without it. */
  #broken(error: unknown): void {
    this.#stopped = true;
    this.#quiet.stop();
    const bug = asMessagingError(error, "CLOSED");
    this.#failNumbered(bug, false);
    this.#host.failed([...this.buffer.waiting()], bug, "notAppended");
    this.#leave(true);
    this.#host.turned();
  }
}

function kindOf(error: MessagingError): RefusalKind {
  switch (error.code) {
    case "PRODUCER_FENCED":
      return "fenced";
    case "PRODUCER_UNKNOWN":
      return "unknown";
    case "OUT_OF_SEQUENCE":
      return "outOfSequence";
    default:
      return error.retryable ? "passing" : "final";
  }
}
