import type { Runtime } from "../runtime/runtime.ts";

/** Time that one link's frames may take until it is the others' turn, ms: a frame under way is finished. */
export const SLICE_MS = 5;
/** Frames after which it is, whatever they took: what decides on a virtual clock. */
export const SLICE_FRAMES = 1_024;

/**
 * Of a slice, what is used before the end of the turn is waited for: to hear of it costs a turn of the loop, and most
 * turns bring a frame or two. What is below that counts on in the next turn.
 */
const COUNTED = { ms: 0.5, frames: 64 };

/**
 * Slices that the links of one principal have together in a turn of the event loop, however many they are: else a
 * thousand links would have a thousand.
 */
export const SHARE_SLICES = 4;

/** What the links of one principal have used of a turn of the event loop, and those of them that wait for theirs. */
export class Share {
  readonly waiting: (() => void)[] = [];
  links = 0;
  frames = 0;
  usedMs = 0;
  #turn = -1;
  #workedAt = Number.NEGATIVE_INFINITY;

  /** Something more of it is done. */
  begin(turn: number, now: number): void {
    const isSame = this.#turn === turn && now - this.#workedAt < SLICE_MS;
    this.#workedAt = now;
    if (isSame) return;
    this.#turn = turn;
    this.frames = 0;
    this.usedMs = 0;
  }
}

/**
 * Whose turn it is among the links of one broker (rule 44). What comes is worked off at once, up to a slice for each
 * link and turn of the event loop. Who has more than that waits here: those who wait go on one after the other, a
 * slice each, by turns those of each principal, and between two of them the loop sees to timers and to what has come
 * on other links.
 *
 * ```
 * alice's links that wait   a1 a2 a3   |  a turn: the first link of the first share has a slice,
 * bob's                     b1         |  and goes to its end when it has more to do
 *
 * a1 · loop · b1 · loop · a2 · loop · b1 · loop · a3 …
 * ```
 */
export class Turns {
  readonly #runtime: Runtime;
  readonly sliceFrames: number;
  #number = 0;
  #isCounted = false;
  readonly #shares = new Map<string, Share>();
  /** Those of whom somebody waits, in the order in which they are next. */
  readonly #order: Share[] = [];
  #waiting = 0;
  #isArmed = false;

  constructor(runtime: Runtime, sliceFrames = SLICE_FRAMES) {
    this.#runtime = runtime;
    this.sliceFrames = sliceFrames;
  }
  /** Tells turns of the event loop apart, in which more than a little was done. */
  get number(): number {
    return this.#number;
  }
  /** So much has been done in this turn, of a link or of a share. */
  used(frames: number, ms: number): void {
    if (this.#isCounted || (ms < COUNTED.ms && frames < Math.min(COUNTED.frames, this.sliceFrames / 4))) return;
    this.#isCounted = true;
    this.#runtime.atTurnEnd(this.#onTurnEnd);
  }
  readonly #onTurnEnd = (): void => {
    this.#number++;
    this.#isCounted = false;
  };
  /**
   * The share of a principal, for one link more of it; of its own for each link where principals are not told apart
   * (`null`).
   */
  join(principal: string | null): Share {
    const share = (principal === null ? undefined : this.#shares.get(principal)) ?? new Share();
    if (principal !== null) this.#shares.set(principal, share);
    share.links++;
    return share;
  }
  /** The link has ended. */
  leave(principal: string | null, share: Share): void {
    if (--share.links === 0 && principal !== null) this.#shares.delete(principal);
  }
  /** Runs `resume`, which throws nothing, once it is its turn: behind those of its share that wait already. */
  wait(resume: () => void, share: Share): void {
    if (share.waiting.push(resume) === 1) this.#order.push(share);
    this.#waiting++;
    this.#arm();
  }
  #arm(): void {
    if (this.#isArmed || this.#waiting === 0) return;
    this.#isArmed = true;
    this.#runtime.setTimeout(this.#take, 0);
  }
  /** Who is first has a slice; those behind come along as far as that leaves time. */
  readonly #take = (): void => {
    this.#isArmed = false;
    const until = this.#runtime.now() + SLICE_MS;
    let left = this.#waiting;
    do {
      const share = this.#order.shift();
      const resume = share?.waiting.shift();
      if (share === undefined || resume === undefined) break;
      this.#waiting--;
      if (share.waiting.length > 0) this.#order.push(share); // before it goes on: who has more to do is behind the others
      resume();
    } while (--left > 0 && this.#runtime.now() < until);
    this.#arm();
  };
}
