// A tap on the links between clients and a broker: a test sees every frame, holds frames back, loses them with their
// link, and puts others in their place.
//
//     client ──▶ TappedLink ── up: seen, rules, held?, latency ──▶ link behind it ──▶ broker
//            ◀──            ◀── down: rules, held?, latency, seen ──                ◀──
import { ReplaySubject } from "rxjs";
import type { DialOptions, Link, LinkCode, LinkEnd, Transport } from "../contracts/transport.ts";
import { type Sequence, sequence } from "../message/brands.ts";
import { type ErrorCode, MessagingError } from "../message/errors.ts";
import type { Codec } from "../protocol/codec.ts";
import type {
  Answer,
  AnswerOf,
  BatchAppend,
  BatchRefused,
  BrokerFrame,
  ClientFrame,
  Frame,
} from "../protocol/frames.ts";
import { binaryCodec } from "../protocol/index.ts";
import type { QuestionKind } from "../protocol/questions.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** Towards the broker, or towards the client. */
type Way = "up" | "down";
type FrameOf<T extends Frame["type"]> = Extract<Frame, { readonly type: T }>;
/** What passes in a frame's place: itself, others, or nothing (`null`). */
type Fate = Frame | readonly Frame[] | null;
type Rule<F> = (frame: F, link: TappedLink) => Fate;
type Refusal = { readonly code: ErrorCode; readonly retryAfterMs?: number | null };
type BatchPlace = { readonly lane: number; readonly sequence: Sequence };
type Refusable =
  | Extract<ClientFrame, { readonly request: number }>["type"]
  | Extract<ClientFrame, { readonly type: "batch.append" | "settle" }>["type"];

/** So far ahead of what its queue expects goes a batch that is to be refused. */
const AHEAD = 1_000_000;

/** What clients dial with: each link leads through the tap to the transport behind it. */
export class Tap implements Transport {
  backoff = { initialMs: 100, maxMs: 1_000 };
  readonly runtime: Runtime;
  readonly codec: Codec;
  /** Where the next dial leads. */
  behind: Transport;
  readonly links: TappedLink[] = [];
  readonly tokens: (string | null)[] = [];
  /** What clients have sent, in order; what came to them. */
  readonly up: ClientFrame[] = [];
  readonly down: BrokerFrame[] = [];
  /** What dialling does: `null` opens a link, an error refuses it, "hang" never answers, a promise opens it later. */
  onDial: () => MessagingError | "hang" | Promise<void> | null = () => null;
  /** How long a packet travels, on average: half of it to one and a half, in order. */
  latencyMs = 0;
  readonly #rules = new Set<{ readonly type: Frame["type"]; readonly rule: Rule<Frame> }>();
  /** Frames of these types stop their link in their direction. */
  readonly stopping = new Set<Frame["type"] | Way>();
  readonly #awaited = new Set<(frame: Frame) => void>();

  constructor(runtime: Runtime, behind: Transport, codec: Codec = binaryCodec) {
    this.runtime = runtime;
    this.behind = behind;
    this.codec = codec;
    this.on("batch.refused", (frame, link) => link.refusedBatch(frame));
  }
  async dial(options: DialOptions): Promise<Link> {
    const { signal, token } = options;
    this.tokens.push(token);
    const verdict = this.onDial();
    if (verdict === "hang")
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    if (verdict instanceof MessagingError) throw verdict;
    await verdict;
    const link = new TappedLink(this, await this.behind.dial(options));
    this.links.push(link);
    return link;
  }
  get dials(): number {
    return this.tokens.length;
  }
  get live(): TappedLink[] {
    return this.links.filter(({ isOver }) => !isOver);
  }
  /** Cuts every link: what was on its way is lost. */
  cut(end?: LinkEnd): void {
    for (const link of this.live) link.cut(end);
  }

  /* ---------- seeing ---------- */

  sent<T extends ClientFrame["type"]>(type: T): FrameOf<T>[] {
    return this.up.filter((frame): frame is ClientFrame & FrameOf<T> => frame.type === type);
  }
  received<T extends BrokerFrame["type"]>(type: T): FrameOf<T>[] {
    return this.down.filter((frame): frame is BrokerFrame & FrameOf<T> => frame.type === type);
  }
  /** The next frame of this type, in either direction: as it is sent by a client, as it comes to one. */
  next<T extends Frame["type"]>(type: T): Promise<FrameOf<T>> {
    return new Promise((resolve) => {
      const look = (frame: Frame) => {
        if (frame.type !== type) return;
        this.#awaited.delete(look);
        resolve(frame as FrameOf<T>);
      };
      this.#awaited.add(look);
    });
  }
  seen(way: Way, frame: Frame): void {
    if (way === "up") this.up.push(frame as ClientFrame);
    else this.down.push(frame as BrokerFrame);
    for (const look of [...this.#awaited]) look(frame);
  }

  /* ---------- stepping in ---------- */

  /** From now on the rule says what passes in place of frames of this type. Returns what ends that. */
  on<T extends Frame["type"]>(type: T, rule: Rule<FrameOf<T>>): () => void {
    const one = { type, rule: rule as unknown as Rule<Frame> };
    this.#rules.add(one);
    return () => void this.#rules.delete(one);
  }
  passing(frame: Frame, link: TappedLink): readonly Frame[] {
    for (const { type, rule } of this.#rules) {
      if (type !== frame.type) continue;
      const fate = rule(frame, link);
      if (fate !== frame) return fate === null ? [] : [fate].flat();
    }
    return [frame];
  }
  /**
   * Stops every link in one direction: at once, or at its first frame of this type. That frame and all behind it wait,
   * as on a line that has got slow, until what this returns is called; or they are lost when the link is cut.
   */
  hold(at: Frame["type"] | Way): () => void {
    this.stopping.add(at);
    return () => {
      this.stopping.delete(at);
      for (const link of this.live) link.release();
    };
  }
  /** The broker refuses what comes of this type, for this reason; `null` takes it after all. Returns what ends that. */
  refuse<T extends Refusable>(
    type: T,
    why: ErrorCode | ((frame: FrameOf<T>) => Refusal | ErrorCode | null),
  ): () => void {
    return this.on(type, (frame, link) => {
      const given = typeof why === "function" ? why(frame) : why;
      if (given === null) return frame as Frame;
      const refusal = typeof given === "string" ? { code: given } : given;
      const refused = frame as FrameOf<Refusable>;
      if (refused.type === "batch.append") return link.refuseBatch(refused, refusal);
      link.insert(refusalOf(refused, refusal));
      return null;
    });
  }
  /** To the client on the present link, as if the broker had sent it. */
  insert(...frames: BrokerFrame[]): void {
    this.live.at(-1)?.insert(...frames);
  }
}

const placeOf = ({ lane, sequence }: BatchPlace): string => `${lane}/${sequence}`;
const errorOf = ({ code }: Refusal) => ({ code, message: `tap: ${code}`, data: {} });
function refusalOf(frame: Exclude<FrameOf<Refusable>, BatchAppend>, refusal: Refusal): BrokerFrame {
  const error = errorOf(refusal);
  if (frame.type !== "settle") return { type: "refused", request: frame.request, error };
  const { member, queue, epoch, settle } = frame;
  return { type: "settle.refused", member, queue, epoch, settle, error };
}

/** One link through the tap, at the client's end. */
export class TappedLink implements Link {
  readonly frames$ = new ReplaySubject<Uint8Array>();
  readonly ended: Promise<LinkEnd>;
  /** How the client closed it. */
  closedWith: LinkEnd | null = null;
  /** At the client's end. What it has sent before it closed still arrives. */
  isOver = false;
  #isCut = false;
  readonly #tap: Tap;
  readonly behind: Link;
  #codec: Codec;
  #resolve!: (end: LinkEnd) => void;
  /** What has stopped, in each direction. */
  readonly #held: Record<Way, Frame[] | null> = { up: null, down: null };
  /** What was asked on it, by request. */
  readonly #kinds = new Map<number, QuestionKind>();
  readonly #due: Record<Way, number> = { up: 0, down: 0 };
  /** Batches that are to be refused, by lane and sequence, and why. */
  readonly #refused = new Map<string, Refusal>();

  constructor(tap: Tap, inner: Link) {
    this.#tap = tap;
    this.behind = inner;
    this.#codec = tap.codec;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    inner.frames$.subscribe({
      next: (packet) => this.#arrive("down", packet),
      complete: () => void inner.ended.then((end) => this.#travel("down", () => this.#end(end))),
    });
  }

  /* ---------- the client's side ---------- */

  send(packet: Uint8Array): void {
    if (!this.isOver) this.#arrive("up", packet);
  }
  get bufferedBytes(): number {
    return this.behind.bufferedBytes;
  }
  whenDrained(bytes: number, drained: () => void): void {
    this.behind.whenDrained(bytes, drained);
  }
  pause(): void {
    this.behind.pause();
  }
  resume(): void {
    this.behind.resume();
  }
  close(code: LinkCode = "normal", reason = ""): void {
    if (this.isOver) return;
    this.closedWith = { code, reason };
    this.#travel("up", () => this.behind.close(code, reason));
    this.#end({ code, reason });
  }
  abort(): void {
    this.cut({ code: "lost", reason: "aborted" });
  }

  /* ---------- the test's side ---------- */

  /** Ends it at once at both ends. */
  cut(end: LinkEnd = { code: "lost", reason: "cut" }): void {
    this.#isCut = true;
    this.behind.abort();
    this.#end(end);
  }
  /** To the client, as if the broker had sent it. */
  insert(...frames: readonly BrokerFrame[]): void {
    this.#tap.runtime.atTurnEnd(() => this.#pass("down", frames));
  }
  /** To the client, as it is. */
  insertPacket(packet: Uint8Array): void {
    this.#travel("down", () => this.frames$.next(packet));
  }
  /** Has the broker refuse a batch in its turn among the answers of its lane: it goes as one of another place. */
  refuseBatch(batch: BatchAppend, refusal: Refusal): Frame {
    const ahead = { ...batch, sequence: sequence(batch.sequence + AHEAD) };
    this.#refused.set(placeOf(ahead), refusal);
    return ahead;
  }
  /** The broker's refusal of such a batch, with the reason that was given for it. */
  refusedBatch(frame: BatchRefused): BatchRefused {
    const refusal = this.#refused.get(placeOf(frame));
    if (refusal === undefined) return frame;
    this.#refused.delete(placeOf(frame));
    const expected = refusal.code === "OUT_OF_SEQUENCE" ? frame.expected : null;
    const { retryAfterMs = null } = refusal;
    return { ...frame, sequence: sequence(frame.sequence - AHEAD), error: errorOf(refusal), expected, retryAfterMs };
  }
  /** What was held goes on. */
  release(): void {
    for (const way of ["up", "down"] as const) {
      const frames = this.#held[way] ?? [];
      this.#held[way] = null;
      this.#pass(way, frames);
    }
  }

  /* ---------- between ---------- */

  #arrive(way: Way, packet: Uint8Array): void {
    const frames = this.#codec.decode(packet).map((frame) => (frame.type === "answer" ? this.#asked(frame) : frame));
    const passed: Frame[] = [];
    for (const frame of frames) {
      if (frame.type === "welcome") this.#codec = this.#codec.at(frame.version);
      if (frame.type === "ask") this.#kinds.set(frame.request, frame.question.kind);
      if (way === "up") this.#tap.seen(way, frame);
      passed.push(...this.#tap.passing(frame, this));
    }
    const isSame = passed.length === frames.length && passed.every((frame, at) => frame === frames[at]);
    this.#pass(way, passed, isSame ? packet : undefined);
  }
  /** As its client has it, with what it answers. */
  #asked(frame: Answer): AnswerOf {
    const kind = this.#kinds.get(frame.request) as QuestionKind;
    return { ...frame, kind, answer: this.#codec.answerTo(kind, frame.answer) };
  }
  /** `packet`: what the frames are when they all go. */
  #pass(way: Way, frames: readonly Frame[], packet?: Uint8Array): void {
    const { stopping } = this.#tap;
    const stopped = this.#held[way] ?? (stopping.has(way) ? [] : null);
    const from = stopped === null ? frames.findIndex(({ type }) => stopping.has(type)) : 0;
    const going = from < 0 ? frames : frames.slice(0, from);
    if (from >= 0) this.#held[way] = [...(stopped ?? []), ...frames.slice(from)];
    if (going.length === 0) return;
    const bytes = from < 0 && packet !== undefined ? packet : this.#codec.encode(going);
    this.#travel(way, () => {
      if (way === "up") {
        this.behind.send(bytes);
        return;
      }
      for (const frame of going) this.#tap.seen(way, frame);
      this.frames$.next(bytes);
    });
  }
  /** Later, in order, and not at all when the link was cut by then. */
  #travel(way: Way, arrive: () => void): void {
    const { runtime, latencyMs } = this.#tap;
    const land = () => {
      if (way === "up" ? !this.#isCut : !this.isOver) arrive();
    };
    const now = runtime.now();
    if (latencyMs === 0 && this.#due[way] <= now) {
      land();
      return;
    }
    const due = Math.max(this.#due[way], now + latencyMs * (0.5 + runtime.random()));
    this.#due[way] = due;
    runtime.setTimeout(land, due - now);
  }
  #end(end: LinkEnd): void {
    if (this.isOver) return;
    this.isOver = true;
    this.frames$.complete();
    this.#resolve(end);
  }
}
