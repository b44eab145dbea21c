import type { Link } from "../contracts/transport.ts";
import type { FrameReader } from "../protocol/codec.ts";
import type { Frame } from "../protocol/frames.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Drain } from "./drain.ts";
import { isCommon, type RateMet, type Rates } from "./rates.ts";
import { SHARE_SLICES, type Share, SLICE_MS, type Turns } from "./turns.ts";

export interface IntakeParts {
  readonly link: Pick<Link, "pause" | "resume">;
  readonly runtime: Runtime;
  readonly turns: Turns;
  /** Whose link it is; `null` where principals are not told apart. */
  readonly principal: string | null;
  readonly rates: Rates;
  /** When as much waits for the peer as there may be, beside deliveries. */
  readonly unread: Drain;
  /** The frames of a packet. @throws `PROTOCOL_VIOLATION` */
  readonly reader: (packet: Uint8Array) => FrameReader;
  readonly handle: (frame: Frame) => void;
  /** No frame follows for now: what was put off until the next one is done. */
  readonly rest: () => void;
  /** What reading or handling threw. */
  readonly failed: (error: unknown, doing: string) => void;
  /** It sends more than it may, and is read later. */
  readonly limited: (met: RateMet) => void;
  /** The link has ended, and all that came before its end is dealt with. */
  readonly ended: () => void;
}
/**
 * Why nothing more of a link is handled for now: it has had its slice, it sends too fast, or it does not read what it
 * is answered.
 */
type Held = "turn" | "rate" | "unread";

/**
 * When it is looked again whether a link has to wait: after so many frames or bytes, and after each frame that is not
 * of the common ones. To look costs about as much as a small frame.
 */
const LOOK = { frames: 8, bytes: 4 * 1024 };

/**
 * What comes on one link, worked off frame by frame, in order: as it comes, while that fits into a slice; else in
 * slices, with other links in between. Meanwhile, and while the link sends more than it may or does not read its
 * answers, it is paused, so that little waits here.
 *
 * ```
 * packet ── take ──▶ work: read, handle, read, handle, …  ──▶ all done
 *                      │ slice used · too fast · answers unread
 *                      ▼
 *                    held: link paused ── its turn (Turns) ──▶ work goes on, link resumed
 * ```
 */
export class Intake {
  readonly #parts: IntakeParts;
  readonly #share: Share;
  /** Of the packet that waits. */
  #reader: FrameReader | null = null;
  #held: Held | null = null;
  #wentOnAt = Number.NEGATIVE_INFINITY;
  #isStopped = false;
  /** The link has ended. */
  #isOver = false;
  #hasReported = false;
  /** The slice under way, and when its last packet was begun. */
  #turn = -1;
  #startedAt = Number.NEGATIVE_INFINITY;
  #frames = 0;
  #usedMs = 0;

  constructor(parts: IntakeParts) {
    this.#parts = parts;
    this.#share = parts.turns.join(parts.principal);
  }
  /** Why it holds its link back; `null`: it does not. */
  get held(): Held | null {
    return this.#held;
  }
  /** When it held it back last. */
  get wentOnAt(): number {
    return this.#wentOnAt;
  }
  /** A packet has come: never while the link is held back, and so paused. */
  take(packet: Uint8Array, now: number): void {
    if (!this.#isStopped) this.#work(packet, now);
  }
  /** The link has ended; what came before that is still worked off. */
  linkEnded(): void {
    this.#isOver = true;
    if (this.#held === null) this.#reportEnd();
  }
  /** Nothing more is worked off. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#reader = null;
    if (this.#held !== null) {
      this.#held = null;
      this.#parts.link.resume(); // it has an end to hear of
    }
    if (this.#isOver) this.#reportEnd();
  }
  #reportEnd(): void {
    if (this.#hasReported) return;
    this.#hasReported = true;
    const { turns, principal, ended } = this.#parts;
    turns.leave(principal, this.#share);
    ended();
  }

  /**
   * Goes on with something else of this link in a turn of its own; not once the link has ended. `resume` throws
   * nothing.
   */
  later(resume: () => void): void {
    this.#parts.turns.wait(() => {
      if (!this.#isStopped) resume();
    }, this.#share);
  }

  /** Goes through a packet, or on with what waits, until there is nothing left or the link has to wait. */
  #work(packet: Uint8Array | null, startedAt: number): void {
    const { turns, runtime, rates, handle } = this.#parts;
    const share = this.#share;
    const { number } = turns;
    const hasTurn = packet === null; // a slice of its own, whatever the principal's other links have used
    share.begin(number, startedAt);
    if (this.#turn !== number || startedAt - this.#startedAt >= SLICE_MS) this.#beginSlice(number);
    this.#startedAt = startedAt;
    let doing = "reading a packet";
    try {
      const reader = packet === null ? this.#reader : this.#parts.reader(packet);
      this.#reader = null;
      if (reader === null) return;
      /** How many frames may be handled until it is looked again, and at how many bytes that are left. */
      let frames = 0;
      let bytes = 0;
      let isFirst = true;
      // before the next one is decoded, which may take as long as to handle it
      while (!reader.done) {
        if (frames === 0 || (bytes > 0 && (reader.bytesLeft ?? 0) < bytes)) {
          const elapsedMs = isFirst ? 0 : runtime.now() - startedAt;
          frames = this.#framesAllowed(elapsedMs, hasTurn);
          const why = frames <= 0 ? "turn" : this.#parts.unread.congested ? "unread" : null;
          if (why !== null) {
            this.#holdBack(why, 0, reader);
            break;
          }
          const { bytesLeft = LOOK.bytes } = reader;
          bytes = Math.max(0, bytesLeft - LOOK.bytes);
          isFirst = false;
        }
        const frame = reader.next();
        if (frame === null) break;
        frames--;
        this.#frames++;
        share.frames++;
        doing = frame.type;
        handle(frame);
        if (this.#isStopped) return;
        const met = rates.spend(frame);
        if (met !== null) {
          this.#parts.limited(met);
          this.#holdBack("rate", met.waitMs, reader);
          break;
        }
        if (!isCommon(frame)) frames = 0;
        doing = "reading a packet";
      }
      doing = "heartbeat";
      this.#parts.rest();
      const usedMs = runtime.now() - startedAt;
      this.#usedMs += usedMs;
      share.usedMs += usedMs;
      turns.used(share.frames, share.usedMs);
    } catch (error) {
      this.#parts.failed(error, doing);
    }
  }
  /** How many frames may come until it is looked again; none: it is the others' turn. */
  #framesAllowed(elapsedMs: number, hasTurn: boolean): number {
    const { sliceFrames } = this.#parts.turns;
    if (this.#usedMs + elapsedMs >= SLICE_MS) return 0;
    const own = Math.min(LOOK.frames, sliceFrames - this.#frames);
    if (hasTurn) return own;
    const { frames, usedMs } = this.#share;
    if (usedMs + elapsedMs >= SHARE_SLICES * SLICE_MS) return 0;
    return Math.min(own, SHARE_SLICES * sliceFrames - frames);
  }
  #beginSlice(turn: number): void {
    this.#turn = turn;
    this.#frames = 0;
    this.#usedMs = 0;
  }
  #holdBack(why: Held, forMs: number, reader: FrameReader): void {
    const { link, unread, runtime } = this.#parts;
    this.#held = why;
    this.#reader = reader;
    link.pause();
    if (why === "turn") this.#awaitTurn();
    else if (why === "unread") unread.whenDrained(this.#awaitTurn);
    else runtime.setTimeout(this.#awaitTurn, forMs);
  }
  readonly #awaitTurn = (): void => {
    if (!this.#isStopped) this.#parts.turns.wait(this.#resume, this.#share);
  };
  readonly #resume = (): void => {
    if (this.#isStopped) return;
    const { runtime, turns, link } = this.#parts;
    const now = runtime.now();
    this.#held = null;
    this.#wentOnAt = now;
    this.#beginSlice(turns.number);
    this.#work(null, now);
    if (this.#held !== null || this.#isStopped) return;
    link.resume();
    if (this.#isOver) this.#reportEnd();
  };
}
