import type { Link } from "../contracts/transport.ts";
import type { FrameReader } from "../protocol/codec.ts";
import type { Frame } from "../protocol/frames.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Drain } from "./drain.ts";
import type { RateMet, Rates } from "./rates.ts";
import { SHARE_SLICES, type Share, SLICE_MS, type Turns } from "./turns.ts";

/** Whose frames these are. */
export interface IntakeOwner {
  /** The frames of a packet. @throws `PROTOCOL_VIOLATION` */
  reader(packet: Uint8Array): FrameReader;
  handle(frame: Frame): void;
  /** No frame follows for now: what was put off until the next one is done. */
  rest(): void;
  /** What reading or handling threw. */
  failed(error: unknown, doing: string): void;
  /** It sends more than it may, and is read later. */
  limited(met: RateMet): void;
  /** The link has ended, and all that came before its end is dealt with. */
  ended(): void;
}
/** Why nothing more of a link is handled for now: it has had its slice, it sends too fast, or it does not read what it is answered. */
type Held = "turn" | "rate" | "outbox";

/** How often it is looked whether the peer reads its answers, in frames. */
const OUTBOX_LOOK_FRAMES = 8;

/**
 * What comes on one link, worked off frame by frame, in order: as it comes, while that fits into a slice; else in slices, with other links in between. Meanwhile, and while the link sends more than it
 * may or does not read its answers, it is paused, so that little waits here.
 */
export class Intake {
  readonly #owner: IntakeOwner;
  readonly #link: Pick<Link, "pause" | "resume">;
  readonly #runtime: Runtime;
  readonly #turns: Turns;
  readonly #principal: string | null;
  readonly #share: Share;
  readonly #rates: Rates;
  readonly #outbox: Drain;
  /** Of the packet that is worked off. */
  #reader: FrameReader | null = null;
  #held: Held | null = null;
  #wentOnAt = Number.NEGATIVE_INFINITY;
  #isStopped = false;
  /** The link has ended. */
  #isOver = false;
  #hasTold = false;
  /** The slice under way, and when its last packet was begun. */
  #turn = -1;
  #startedAt = Number.NEGATIVE_INFINITY;
  #frames = 0;
  #usedMs = 0;

  /** `outbox`: when as much waits for the peer as there may be, beside deliveries. */
  constructor(
    owner: IntakeOwner,
    parts: {
      readonly link: Pick<Link, "pause" | "resume">;
      readonly runtime: Runtime;
      readonly turns: Turns;
      /** Whose link it is; `null` where principals are not told apart. */
      readonly principal: string | null;
      readonly rates: Rates;
      readonly outbox: Drain;
    },
  ) {
    this.#owner = owner;
    this.#link = parts.link;
    this.#runtime = parts.runtime;
    this.#turns = parts.turns;
    this.#principal = parts.principal;
    this.#share = parts.turns.join(parts.principal);
    this.#rates = parts.rates;
    this.#outbox = parts.outbox;
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
    if (this.#held === null) this.#tellEnd();
  }
  /** Nothing more is worked off. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#reader = null;
    if (this.#held !== null) {
      this.#held = null;
      this.#link.resume(); // it has an end to hear of
    }
    if (this.#isOver) this.#tellEnd();
  }
  #tellEnd(): void {
    if (this.#hasTold) return;
    this.#hasTold = true;
    this.#turns.leave(this.#principal, this.#share);
    this.#owner.ended();
  }

  /** Goes on with something else of this link in a turn of its own; not once the link has ended. `goOn` throws nothing. */
  later(goOn: () => void): void {
    this.#turns.wait(() => {
      if (!this.#isStopped) goOn();
    }, this.#share);
  }

  /** Goes through a packet, or on with what waits, until there is nothing left or the link has to wait. */
  #work(packet: Uint8Array | null, startedAt: number): void {
    const { number } = this.#turns;
    const hasTurn = packet === null; // a slice of its own, whatever the principal's other links have used
    this.#share.begin(number, startedAt);
    if (this.#turn !== number || startedAt - this.#startedAt >= SLICE_MS) this.#beginSlice(number);
    this.#startedAt = startedAt;
    let handled = 0;
    let elapsedMs = 0;
    let doing = "reading a packet";
    try {
      if (packet !== null) this.#reader = this.#owner.reader(packet);
      for (;;) {
        // before the next one is decoded, which may take as long as to handle it
        const held = this.#reader?.done === false ? this.#reasonToWait(handled, elapsedMs, hasTurn) : null;
        if (held !== null) {
          this.#holdBack(held, 0);
          break;
        }
        const frame = this.#reader?.next() ?? null;
        if (frame === null) {
          this.#reader = null;
          break;
        }
        handled++;
        this.#frames++;
        this.#share.frames++;
        doing = frame.type;
        this.#owner.handle(frame);
        if (this.#isStopped) return;
        const met = this.#rates.spend(frame);
        if (met !== null) {
          this.#owner.limited(met);
          this.#holdBack("rate", met.waitMs);
          break;
        }
        doing = "reading a packet";
        if (this.#reader?.done === false) elapsedMs = this.#runtime.now() - startedAt;
      }
      doing = "heartbeat";
      this.#owner.rest();
      const usedMs = this.#runtime.now() - startedAt;
      this.#usedMs += usedMs;
      this.#share.usedMs += usedMs;
      this.#turns.used(this.#share.frames, this.#share.usedMs);
    } catch (error) {
      this.#owner.failed(error, doing);
    }
  }
  #reasonToWait(handled: number, elapsedMs: number, hasTurn: boolean): Held | null {
    const { sliceFrames } = this.#turns;
    if (this.#frames >= sliceFrames || this.#usedMs + elapsedMs >= SLICE_MS) return "turn";
    const { frames, usedMs } = this.#share;
    if (!hasTurn && (frames >= SHARE_SLICES * sliceFrames || usedMs + elapsedMs >= SHARE_SLICES * SLICE_MS))
      return "turn";
    return handled % OUTBOX_LOOK_FRAMES === 0 && this.#outbox.congested ? "outbox" : null;
  }
  #beginSlice(turn: number): void {
    this.#turn = turn;
    this.#frames = 0;
    this.#usedMs = 0;
  }
  #holdBack(why: Held, forMs: number): void {
    this.#held = why;
    this.#link.pause();
    if (why === "turn") this.#awaitTurn();
    else if (why === "outbox") this.#outbox.whenDrained(this.#awaitTurn);
    else this.#runtime.setTimeout(this.#awaitTurn, forMs);
  }
  readonly #awaitTurn = (): void => {
    if (!this.#isStopped) this.#turns.wait(this.#goOn, this.#share);
  };
  readonly #goOn = (): void => {
    if (this.#isStopped) return;
    const now = this.#runtime.now();
    this.#held = null;
    this.#wentOnAt = now;
    this.#beginSlice(this.#turns.number);
    this.#work(null, now);
    if (this.#held !== null || this.#isStopped) return;
    this.#link.resume();
    if (this.#isOver) this.#tellEnd();
  };
}
