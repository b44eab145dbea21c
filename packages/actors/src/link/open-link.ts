import { Observable, Subject } from "rxjs";
import type { Logger } from "../contracts/logger.ts";
import { FRAME_BYTES_MAX, type Link, type LinkCode } from "../contracts/transport.ts";
import { HEARTBEAT_MS_MIN } from "../message/duration.ts";
import { fromWireError, InternalError, MessagingError, type WireError } from "../message/errors.ts";
import { clipped } from "../message/text.ts";
import { AnswerParts } from "../protocol/answer-parts.ts";
import type { Codec } from "../protocol/codec.ts";
import { leasesMax, packedBytesMax } from "../protocol/frame-bytes.ts";
import type { Ask, ClientFrame, Frame, LeaseKey, Limited, Welcome } from "../protocol/frames.ts";
import { frameTooLarge, Outbox } from "../protocol/outbox.ts";
import { brokeProtocol, ownFault } from "../protocol/own-fault.ts";
import { contained } from "../runtime/contained.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { BrokerLink, HeartbeatSource, Instant, LaneFrame, MemberFrame, Requests } from "./broker-link.ts";
import { Pace } from "./pace.ts";

/** What answers each request. */
const ANSWERS = {
  "topic.find": "topic.found",
  "lane.open": "lane.opened",
  "member.join": "member.joined",
  "lease.acquire": "lease.granted",
  "lease.raise": "lease.granted",
  "lease.release": "lease.released",
  "aside.put": "aside.done",
  ask: "answer",
} as const satisfies { readonly [T in keyof Requests]: Requests[T][1]["type"] };
/** So many beats without a single frame from the broker, and it is taken for dead. Beats and not time: a process that was suspended asks first. */
const SILENT_BEATS_MAX = 3;

interface Asked {
  readonly answer: Frame["type"];
  /** Of an answer that comes in parts. */
  readonly parts: AnswerParts | null;
  readonly resolve: (frame: never) => void;
  readonly reject: (error: MessagingError) => void;
}
/** How a link ended. `error` is `null` when this side closed it. */
export interface LinkOver {
  readonly error: MessagingError | null;
}

/**
 * One link from its `hello` on: sends and receives frames, matches answers with requests, keeps the heartbeat, and ends once, for one reason.
 * Whatever the broker sends, it throws nothing: the link ends with `violation`, or `internal` when it was this side that failed.
 */
export class OpenLink implements BrokerLink {
  readonly number: number;
  /** Resolves with the broker's `welcome`; rejects when the link ends first. */
  readonly welcomed: Promise<Welcome>;
  readonly over: Promise<LinkOver>;
  readonly #link: Link;
  /** Of the newest version, until `welcome` has told which is spoken. */
  #codec: Codec;
  readonly #runtime: Runtime;
  readonly #logger: Logger;
  readonly #client: string;
  #outbox: Outbox;
  #welcome: Welcome | null = null;
  #batchBytesMax = 0;
  #leasesMax = 0;
  #onWelcome!: (welcome: Welcome) => void;
  #onRefusal!: (error: MessagingError) => void;
  #onOver!: (over: LinkOver) => void;
  #ended = false;
  #goodbye: MessagingError | null = null;
  #numbers = 0;
  #requests = 0;
  readonly #asked = new Map<number, Asked>();
  readonly #lanes = new Map<number, Subject<LaneFrame>>();
  readonly #members = new Map<number, Subject<MemberFrame>>();

  readonly #sources = new Set<HeartbeatSource>();
  readonly #beats = new Map<number, Instant>();
  #beat = 0;
  #silentBeats = 0;
  #beatTimer: unknown = null;
  #soonTimer: unknown = null;
  /** Highest grant whose receiver has surely recorded its lease, so that a beat either lists it or means it. */
  #grantsSeen = 0;
  #grantsArrived = 0;
  #grantTimer: unknown = null;
  readonly #onEnd: () => void;
  readonly #onLimited: (limited: Limited) => void;
  readonly #pace: Pace;

  constructor(options: {
    readonly link: Link;
    readonly codec: Codec;
    readonly runtime: Runtime;
    readonly logger: Logger;
    readonly instance: string;
    readonly client: string;
    readonly number: number;
    readonly ordinal: number | null;
    /** Called once, synchronously, when the link has ended: before its streams complete and its requests reject. */
    readonly onEnd: () => void;
    /** The broker reads this link later, since it sends more than it may. */
    readonly onLimited: (limited: Limited) => void;
  }) {
    this.number = options.number;
    this.#link = options.link;
    this.#codec = options.codec;
    this.#runtime = options.runtime;
    this.#logger = options.logger;
    this.#client = options.client;
    this.#onEnd = options.onEnd;
    this.#onLimited = options.onLimited;
    this.#pace = new Pace(options.runtime, (frame) => this.#outbox.push(frame));
    this.#outbox = this.#outboxFor(FRAME_BYTES_MAX);
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
    this.#outbox.push({
      type: "hello",
      versions: this.#codec.versions,
      instance: options.instance,
      link: options.number,
      client: options.client,
      ordinal: options.ordinal,
    });
  }

  #outboxFor(frameBytesMax: number): Outbox {
    return new Outbox(this.#link, this.#codec, this.#runtime, {
      frameBytesMax,
      peerBytesMax: frameBytesMax,
      onFault: (error, type) => this.fault(error, `writing "${type}"`),
      onTooLarge: (frame, bytes) => this.#tooLarge(frame, frameTooLarge(frame.type, bytes, frameBytesMax)),
    });
  }
  /** A request that the broker would not take is refused here, and the link stays. */
  #tooLarge(frame: Frame, error: MessagingError): void {
    const asked = "request" in frame && frame.request !== null ? this.#asked.get(frame.request) : undefined;
    if (asked === undefined) {
      this.#leave(error, "tooLarge", error.message.slice(0, 100));
      return;
    }
    this.#asked.delete((frame as { readonly request: number }).request);
    asked.reject(error);
  }
  get welcome(): Welcome {
    return this.#welcome as Welcome; // published only once welcomed
  }
  get batchBytesMax(): number {
    return this.#batchBytesMax;
  }
  get open(): boolean {
    return !this.#ended && this.#welcome !== null;
  }
  get bufferedBytes(): number {
    return this.#outbox.bufferedBytes;
  }
  send(frame: ClientFrame): void {
    if (!this.#ended) this.#outbox.push(frame);
  }
  request<T extends keyof Requests>(frame: Omit<Requests[T][0], "request">): Promise<Requests[T][1]> {
    return new Promise((resolve, reject) => {
      if (!this.open) {
        reject(linkGone(this.#goodbye));
        return;
      }
      const refusal = this.#codec.refusal(frame as unknown as ClientFrame);
      if (refusal !== null) {
        reject(refusal);
        return;
      }
      const request = ++this.#requests;
      const answer = ANSWERS[frame.type as keyof typeof ANSWERS];
      const parts = "question" in frame ? new AnswerParts((frame as Omit<Ask, "request">).question.kind) : null;
      this.#asked.set(request, { answer, parts, resolve, reject });
      const numbered = { ...frame, request } as unknown as ClientFrame;
      if (numbered.type === "ask" || numbered.type === "topic.find") this.#pace.push(numbered);
      else this.#outbox.push(numbered);
    });
  }
  nextNumber(): number {
    return ++this.#numbers;
  }
  lane$(lane: number): Observable<LaneFrame> {
    return this.#stream(this.#lanes, lane, `a frame of lane ${lane}`);
  }
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

  /* ---------- heartbeats ---------- */

  heartbeats(source: HeartbeatSource): () => void {
    this.#sources.add(source);
    return () => void this.#sources.delete(source);
  }
  get hasLeaseRoom(): boolean {
    let leases = 0;
    for (const { workers } of this.#sources) leases += workers;
    return leases < this.#leasesMax;
  }
  beat(): void {
    this.#contain("heartbeat", () => this.#sendBeat());
  }
  #sendBeat(): void {
    if (!this.open) return;
    const beat = ++this.#beat;
    const leases = [...this.#sources].flatMap((source) => source.leases());
    this.#beats.set(beat, { now: this.#runtime.now(), wallNow: this.#runtime.wallNow() });
    this.#outbox.push({
      type: "heartbeat",
      beat,
      grantsSeen: this.#grantsSeen,
      leases: leases as unknown as readonly LeaseKey[],
    });
  }
  beatSoon(): void {
    if (!this.open) return;
    this.#soonTimer ??= this.#runtime.setTimeout(() => {
      this.#soonTimer = null;
      this.beat();
    }, 0);
  }
  readonly #onBeat = (): void => {
    if (this.#silentBeats >= SILENT_BEATS_MAX) {
      this.#link.abort();
      this.#end(
        new MessagingError(
          "UNAVAILABLE",
          `no frame from the broker for ${SILENT_BEATS_MAX} heartbeats of ${this.welcome.heartbeatMs} ms`,
        ),
      );
      return;
    }
    this.#silentBeats++;
    this.#beatTimer = this.#runtime.setTimeout(this.#onBeat, this.#heartbeatMs);
    this.beat();
  };
  get #heartbeatMs(): number {
    return Math.max(HEARTBEAT_MS_MIN, this.welcome.heartbeatMs);
  }
  /** A grant counts as seen one timer after it arrived: by then whoever asked for it has it on its list. */
  #sawGrant(grant: number): void {
    this.#grantsArrived = Math.max(this.#grantsArrived, grant);
    this.#grantTimer ??= this.#runtime.setTimeout(() => {
      this.#grantTimer = null;
      this.#grantsSeen = this.#grantsArrived;
    }, 0);
  }

  /* ---------- receiving ---------- */

  #receive(packet: Uint8Array): void {
    if (this.#ended) return;
    this.#silentBeats = 0;
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
  #dispatch(frame: Frame): void {
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
        this.#sawGrant(frame.grant);
        if (frame.request === null) this.#members.get(frame.member)?.next(frame);
        else this.#answer(frame.request, frame);
        return;
      case "topic.found":
      case "lane.opened":
      case "member.joined":
      case "lease.released":
      case "aside.done":
      case "answer":
      case "refused":
        this.#answer(frame.request, frame);
        return;
      case "heartbeat.answered": {
        const sentAt = this.#beats.get(frame.beat);
        if (sentAt === undefined) {
          this.violation(`heartbeat.answered: expected a beat that waits for its answer, found ${frame.beat}`);
          return;
        }
        this.#beats.delete(frame.beat);
        for (const source of [...this.#sources])
          source.answered({ sentAt, renewed: frame.renewed, ended: frame.ended });
        return;
      }
      case "limited":
        this.#pace.slowDown(frame);
        this.#onLimited(frame);
        return;
      case "goodbye":
        this.#sayGoodbye(frame.error);
        return;
      default:
        this.violation(`expected a frame that brokers send, found "${frame.type}"`);
    }
  }
  #welcomeBy(welcome: Welcome): void {
    const { versions } = this.#codec;
    if (!versions.includes(welcome.version)) {
      this.violation(`welcome: expected version ${versions.join(" or ")}, found ${welcome.version}`);
      return;
    }
    const { one, many } = packedBytesMax(this.#codec.name, welcome.frameBytesMax);
    this.#batchBytesMax = many;
    this.#leasesMax = leasesMax(this.#codec.name, welcome.frameBytesMax);
    this.#welcome = { ...welcome, messageBytesMax: Math.min(welcome.messageBytesMax, one) };
    this.#outbox.flush();
    this.#codec = this.#codec.at(welcome.version);
    this.#outbox = this.#outboxFor(welcome.frameBytesMax);
    this.#beatTimer = this.#runtime.setTimeout(this.#onBeat, this.#heartbeatMs);
    this.#onWelcome(this.#welcome);
  }
  #answer(request: number, frame: Frame): void {
    const asked = this.#asked.get(request);
    if (asked === undefined || (frame.type !== "refused" && frame.type !== asked.answer)) {
      this.violation(
        `expected ${asked === undefined ? "the answer to a request" : `"${asked.answer}"`}, found "${frame.type}" for request ${request}`,
      );
      return;
    }
    const refusal = frame.type === "refused" ? fromWireError(frame.error) : null;
    const whole = refusal === null && frame.type === "answer" ? asked.parts?.add(frame) : frame;
    if (whole === null) return; // more of it follows
    this.#asked.delete(request); // not before it is read: else it would wait for ever
    if (refusal === null) asked.resolve(whole as never);
    else asked.reject(refusal);
  }

  /* ---------- ending ---------- */

  violation(reason: string): void {
    const error = new MessagingError("PROTOCOL_VIOLATION", `the broker broke the protocol: ${reason}`);
    this.#leave(error, "violation", clipped(reason));
  }
  fault(thrown: unknown, doing: string): InternalError {
    const path = `${this.#client}/link/${this.number}`;
    const error = ownFault({ at: "client", path, runtime: this.#runtime, logger: this.#logger }, thrown, doing);
    this.#leave(error, "internal", error.reference);
    return error;
  }
  /** Says goodbye and ends. */
  close(): void {
    this.#leave(null, "normal", "the client closes");
  }
  #leave(error: MessagingError | null, code: LinkCode, reason: string): void {
    if (this.#ended) return;
    this.#ended = true; // whatever goes wrong from here on, it ends for this reason
    // a violation in our own words, or a fault of which it says a reference and nothing else
    const told = error === null ? null : { code: error.code, message: error.message, data: error.data };
    this.#outbox.push({ type: "goodbye", error: told });
    this.#outbox.flush();
    this.#link.close(code, reason);
    this.#finish(error);
  }
  /** Ends without a word. */
  abort(): void {
    this.#link.abort();
    this.#end(linkGone(null));
  }
  #sayGoodbye(wire: WireError | null): void {
    const error = wire === null ? new MessagingError("UNAVAILABLE", "the broker said goodbye") : fromWireError(wire);
    this.#link.close("normal", "goodbye");
    this.#end(error);
  }
  #end(error: MessagingError | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#finish(error);
  }
  #finish(error: MessagingError | null): void {
    this.#goodbye = error;
    this.#pace.stop();
    if (this.#beatTimer !== null) this.#runtime.clearTimeout(this.#beatTimer);
    if (this.#soonTimer !== null) this.#runtime.clearTimeout(this.#soonTimer);
    if (this.#grantTimer !== null) this.#runtime.clearTimeout(this.#grantTimer);
    this.#onEnd();
    const gone = linkGone(error);
    for (const asked of this.#asked.values()) asked.reject(gone);
    this.#asked.clear();
    for (const stream of [...this.#lanes.values(), ...this.#members.values()]) stream.complete();
    this.#lanes.clear();
    this.#members.clear();
    this.#sources.clear();
    this.#onRefusal(error ?? gone);
    this.#onOver({ error });
  }
}

const linkGone = (cause: MessagingError | null): MessagingError<"UNAVAILABLE"> =>
  new MessagingError("UNAVAILABLE", "the link to the broker has ended", cause === null ? {} : { cause });
function lost(code: string, reason: string): MessagingError {
  if (code === "internal") return new InternalError("broker", reason);
  if (code === "violation")
    return new MessagingError("PROTOCOL_VIOLATION", `the broker ended the link: ${reason || "protocol violation"}`);
  if (code === "unauthenticated")
    return new MessagingError("UNAUTHENTICATED", `the broker ended the link: ${reason || "the token has expired"}`);
  if (code === "tooLarge" || code === "overloaded")
    return new MessagingError("LIMIT_EXCEEDED", `the broker ended the link (${code}): ${reason}`);
  return new MessagingError(
    "UNAVAILABLE",
    `the link to the broker was ${code === "lost" ? "lost" : `ended (${code})`}${reason === "" ? "" : `: ${reason}`}`,
  );
}
