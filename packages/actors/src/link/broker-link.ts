import { Observable, Subject } from "rxjs";
import type { Logger } from "../contracts/logger.ts";
import { FRAME_BYTES_MAX, type Link, type LinkCode } from "../contracts/transport.ts";
import { fromWireError, type InternalError, MessagingError, type WireError } from "../message/errors.ts";
import { clipped } from "../message/text.ts";
import type { Codec } from "../protocol/codec.ts";
import { FrameBatcher, frameTooLarge } from "../protocol/frame-batcher.ts";
import { packedBytesMax } from "../protocol/frame-bytes.ts";
import type {
  BatchAppended,
  BatchRefused,
  ClientFrame,
  Deliver,
  Frame,
  LaneKept,
  LaneRewind,
  LeaseEnded,
  LeaseGranted,
  LeaseOffered,
  LeaseRevoke,
  Limited,
  MemberEnded,
  ReadFrame,
  Redeliver,
  Settled,
  SettleRefused,
  Welcome,
} from "../protocol/frames.ts";
import { brokeProtocol, ownFault } from "../protocol/own-fault.ts";
import { contained } from "../runtime/contained.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type HeartbeatSource, Heartbeats } from "./heartbeats.ts";
import { type LinkOver, linkGone, lost } from "./link-end.ts";
import { Pace } from "./pace.ts";
import { PendingRequests, type Requests } from "./requests.ts";

export type LaneFrame = BatchAppended | BatchRefused | LaneKept | LaneRewind;
/** `lease.granted` arrives here only when nobody asked for it (unordered topics). */
export type MemberFrame =
  | MemberEnded
  | LeaseOffered
  | LeaseGranted
  | LeaseRevoke
  | LeaseEnded
  | Deliver
  | Redeliver
  | Settled
  | SettleRefused;

export interface BrokerLinkOptions {
  readonly link: Link;
  readonly codec: Codec;
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly instance: string;
  /** The client's name. */
  readonly client: string;
  /** Grows with every link of this connection. */
  readonly number: number;
  readonly ordinal: number | null;
  /** Called once, synchronously, when the link has ended: before its streams complete and its requests reject. */
  readonly onEnd: () => void;
  /** The broker reads this link later, since it sends more than it may. */
  readonly onLimited: (limited: Limited) => void;
}

/**
 * One link to a broker, from its `hello` on: sends and receives frames, and ends once, for one reason. Then requests
 * under way reject with `UNAVAILABLE`, its streams complete, and `send` does nothing. Whatever the broker sends, it
 * throws nothing: the link ends with `violation`, or `internal` when it was this side that failed.
 */
export class BrokerLink {
  readonly number: number;
  /** Resolves with the broker's `welcome`; rejects when the link ends first. */
  readonly welcomed: Promise<Welcome>;
  readonly over: Promise<LinkOver>;
  readonly #options: BrokerLinkOptions;
  readonly #link: Link;
  /** Of the newest version, until `welcome` has told which is spoken. */
  #codec: Codec;
  #batcher: FrameBatcher;
  #welcome: Welcome | null = null;
  #batchBytesMax = 0;
  #onWelcome!: (welcome: Welcome) => void;
  #onRefusal!: (error: MessagingError) => void;
  #onOver!: (over: LinkOver) => void;
  #ended = false;
  #goodbye: MessagingError | null = null;
  #numbers = 0;
  readonly #requests = new PendingRequests();
  readonly #heartbeats: Heartbeats;
  readonly #pace: Pace;
  readonly #lanes = new Map<number, Subject<LaneFrame>>();
  readonly #members = new Map<number, Subject<MemberFrame>>();

  constructor(options: BrokerLinkOptions) {
    const { runtime } = options;
    this.#options = options;
    this.number = options.number;
    this.#link = options.link;
    this.#codec = options.codec;
    this.#pace = new Pace(runtime, (frame) => this.#batcher.push(frame));
    this.#heartbeats = new Heartbeats(
      {
        send: (frame) => this.send(frame),
        lost: (error) => this.abort(error),
        contain: (doing, step) => this.#contain(doing, step),
      },
      runtime,
    );
    this.#batcher = this.#batcherFor(FRAME_BYTES_MAX);
    this.welcomed = new Promise((resolve, reject) => {
      this.#onWelcome = resolve;
      this.#onRefusal = reject;
    });
    this.welcomed.catch(() => {}); // `over` tells it too
    this.over = new Promise((resolve) => {
      this.#onOver = resolve;
    });
    this.#link.frames$.subscribe({
      next: (packet) => this.#receive(packet),
      complete: () => void this.#link.ended.then(({ code, reason }) => this.#end(lost(code, reason))),
    });
    this.#batcher.push({
      type: "hello",
      versions: this.#codec.versions,
      instance: options.instance,
      link: options.number,
      client: options.client,
      ordinal: options.ordinal,
    });
  }

  #batcherFor(frameBytesMax: number): FrameBatcher {
    return new FrameBatcher(this.#link, this.#codec, this.#options.runtime, {
      frameBytesMax,
      peerBytesMax: frameBytesMax,
      onFault: (error, type) => this.fault(error, `writing "${type}"`),
      onTooLarge: (frame, bytes) => this.#tooLarge(frame, frameTooLarge(frame.type, bytes, frameBytesMax)),
    });
  }
  /** A request that the broker would not take is refused here, and the link stays. */
  #tooLarge(frame: Frame, error: MessagingError): void {
    if (!this.#requests.refuse(frame, error)) this.#leave(error, "tooLarge", error.message.slice(0, 100));
  }
  /** The broker's limits; `messageBytesMax` is what of it a frame of the link's codec holds. */
  get welcome(): Welcome {
    return this.#welcome as Welcome; // nobody gets the link before
  }
  /** Packed bytes of a batch of several messages, at most. */
  get batchBytesMax(): number {
    return this.#batchBytesMax;
  }
  get open(): boolean {
    return !this.#ended && this.#welcome !== null;
  }
  get bufferedBytes(): number {
    return this.#batcher.bufferedBytes;
  }
  /** Queues a frame; all frames of a turn leave together, in order. */
  send(frame: ClientFrame): void {
    if (!this.#ended) this.#batcher.push(frame);
  }
  /** Sends a request. Rejects with the broker's error, or `UNAVAILABLE` when the link ends first. */
  request<T extends keyof Requests>(frame: Omit<Requests[T][0], "request">): Promise<Requests[T][1]> {
    return new Promise((resolve, reject) => {
      const refusal = this.open ? this.#codec.refusal(frame as unknown as ClientFrame) : linkGone(this.#goodbye);
      if (refusal !== null) {
        reject(refusal);
        return;
      }
      const numbered = this.#requests.add<T>(frame, this.#codec, resolve, reject);
      if (numbered.type === "ask" || numbered.type === "topic.find") this.#pace.push(numbered);
      else this.#batcher.push(numbered);
    });
  }
  /** Numbers for `lane` and `member`, unique on this link, from 1. */
  nextNumber(): number {
    return ++this.#numbers;
  }
  /** Frames for one lane, in order; subscribe before `lane.open` is sent. */
  lane$(lane: number): Observable<LaneFrame> {
    return this.#stream(this.#lanes, lane, `a frame of lane ${lane}`);
  }
  /** Frames for one member, in order; subscribe before `member.join` is sent. */
  member$(member: number): Observable<MemberFrame> {
    return this.#stream(this.#members, member, `a frame of member ${member}`);
  }
  /** One subject per number, there while somebody listens. */
  #stream<F>(streams: Map<number, Subject<F>>, number: number, doing: string): Observable<F> {
    const frames = new Observable<F>((subscriber) => {
      if (this.#ended) {
        subscriber.complete();
        return undefined;
      }
      const stream = streams.get(number) ?? new Subject<F>();
      streams.set(number, stream);
      const subscription = stream.subscribe(subscriber);
      return () => {
        subscription.unsubscribe();
        if (!stream.observed && streams.get(number) === stream) streams.delete(number);
      };
    });
    return contained(frames, (error) => this.fault(error, doing));
  }

  /** Heartbeats list these leases, too. Returns what takes the source away again. */
  heartbeats(source: HeartbeatSource): () => void {
    return this.#heartbeats.add(source);
  }
  /** Whether a heartbeat has room for one lease more than there are queues at work. */
  get hasLeaseRoom(): boolean {
    return this.#heartbeats.hasLeaseRoom;
  }
  /** Sends a heartbeat now (first one on a link: after joins and resumes). */
  beat(): void {
    this.#heartbeats.beat();
  }
  /**
   * In a turn of its own, however often it is asked for in this one: what is answered in one packet is listed together.
   */
  beatSoon(): void {
    this.#heartbeats.beatSoon();
  }

  /* ---------- receiving ---------- */

  #receive(packet: Uint8Array): void {
    if (this.#ended) return;
    this.#heartbeats.heard();
    let doing = "reading a packet";
    this.#contain(
      () => doing,
      () => {
        for (const frame of this.#codec.decode(packet)) {
          if (this.#ended) return;
          doing = frame.type;
          this.#dispatch(frame);
        }
      },
    );
  }
  /** Runs a step of this link. What it throws ends the link, whose state is not to be trusted any more. */
  #contain(doing: string | (() => string), step: () => void): void {
    try {
      step();
    } catch (error) {
      if (brokeProtocol(error)) this.violation(error.message);
      else this.fault(error, typeof doing === "string" ? doing : doing());
    }
  }
  #dispatch(frame: ReadFrame): void {
    if (this.#welcome === null) {
      if (frame.type === "welcome") this.#welcomeBy(frame);
      else if (frame.type === "goodbye") this.#sayGoodbye(frame.error);
      else this.violation(`expected "welcome" or "goodbye" as the first frame, found "${frame.type}"`);
      return;
    }
    switch (frame.type) {
      case "batch.appended":
      case "batch.refused":
      case "lane.kept":
      case "lane.rewind":
        this.#lanes.get(frame.lane)?.next(frame); // none: the lane was closed while this was on its way
        return;
      case "deliver":
      case "redeliver":
      case "settled":
      case "settle.refused":
      case "lease.offered":
      case "lease.revoke":
      case "lease.ended":
      case "member.ended":
        this.#members.get(frame.member)?.next(frame);
        return;
      case "lease.granted":
        this.#heartbeats.granted(frame.grant);
        if (frame.request === null) this.#members.get(frame.member)?.next(frame);
        else this.#requests.answered(frame.request, frame);
        return;
      case "topic.found":
      case "lane.opened":
      case "member.joined":
      case "lease.released":
      case "aside.done":
      case "answer":
      case "refused":
        this.#requests.answered(frame.request, frame);
        return;
      case "heartbeat.answered":
        this.#heartbeats.answered(frame);
        return;
      case "limited":
        this.#pace.slowDown(frame);
        this.#options.onLimited(frame);
        return;
      case "goodbye":
        this.#sayGoodbye(frame.error);
        return;
      default:
        this.violation(`expected a frame that brokers send, found "${frame.type}"`);
    }
  }
  #welcomeBy(welcome: Welcome): void {
    const { name, versions } = this.#codec;
    if (!versions.includes(welcome.version)) {
      this.violation(`welcome: expected version ${versions.join(" or ")}, found ${welcome.version}`);
      return;
    }
    const { one, many } = packedBytesMax(name, welcome.frameBytesMax);
    this.#batchBytesMax = many;
    this.#welcome = { ...welcome, messageBytesMax: Math.min(welcome.messageBytesMax, one) };
    this.#batcher.flush();
    this.#codec = this.#codec.at(welcome.version);
    this.#batcher = this.#batcherFor(welcome.frameBytesMax);
    this.#heartbeats.start(welcome, name);
    this.#onWelcome(this.#welcome);
  }

  /* ---------- ending ---------- */

  /** The broker sent what it must not: says so and ends the link, which is then dialled anew. Never throws. */
  violation(reason: string): void {
    const error = new MessagingError("PROTOCOL_VIOLATION", `the broker broke the protocol: ${reason}`);
    this.#leave(error, "violation", clipped(reason));
  }
  /**
   * Something of ours threw over what came on this link: logs it and ends the link (`INTERNAL`), which is then dialled
   * anew, later each time. Never throws.
   */
  fault(thrown: unknown, doing: string): InternalError {
    const { client, runtime, logger } = this.#options;
    const end = { at: "client", path: `${client}/link/${this.number}`, runtime, logger } as const;
    const error = ownFault(end, thrown, doing);
    this.#leave(error, "internal", error.reference);
    return error;
  }
  /** Says goodbye and ends. */
  close(): void {
    this.#leave(null, "normal", "the client closes");
  }
  /** Ends without a word. */
  abort(error: MessagingError = linkGone(null)): void {
    this.#link.abort();
    this.#end(error);
  }
  #leave(error: MessagingError | null, code: LinkCode, reason: string): void {
    if (this.#ended) return;
    this.#ended = true; // whatever goes wrong from here on, it ends for this reason
    // a violation in our own words, or a fault of which it says a reference and nothing else
    const told = error === null ? null : { code: error.code, message: error.message, data: error.data };
    this.#batcher.push({ type: "goodbye", error: told });
    this.#batcher.flush();
    this.#link.close(code, reason);
    this.#finish(error);
  }
  #sayGoodbye(wire: WireError | null): void {
    const error = wire === null ? new MessagingError("UNAVAILABLE", "the broker said goodbye") : fromWireError(wire);
    this.#link.close("normal", "goodbye");
    this.#end(error);
  }
  #end(error: MessagingError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#finish(error);
  }
  #finish(error: MessagingError | null): void {
    this.#goodbye = error;
    this.#pace.stop();
    this.#heartbeats.stop();
    this.#options.onEnd();
    const gone = linkGone(error);
    this.#requests.rejectAll(gone);
    for (const stream of [...this.#lanes.values(), ...this.#members.values()]) stream.complete();
    this.#lanes.clear();
    this.#members.clear();
    this.#onRefusal(error ?? gone);
    this.#onOver({ error });
  }
}
