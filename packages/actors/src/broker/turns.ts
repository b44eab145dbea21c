import type { Runtime } from "../runtime/runtime.ts";

/** Time that one link's frames may take until it is the others' turn, ms: a frame under way is finished. */
export const SLICE_MS = 5;
/** Frames after which it is, whatever they took: what decides on a virtual clock. */
export const SLICE_FRAMES = 1_024;

/**
 * Whose turn it is among the links of one broker (rule 44). What comes is worked off at once, up to a slice for each link and turn of the event loop. Who has more than that waits here: those who wait go on one after
 * the other, a slice each, and between two of them the loop sees to timers and to what has come on other links.
 */
export class Turns {
  readonly #runtime: Runtime;
  readonly sliceFrames: number;
  #number = 0;
  #isCounted = false;
  #waiting: (() => void)[] = [];
  #isArmed = false;

  constructor(runtime: Runtime, sliceFrames = SLICE_FRAMES) {
    this.#runtime = runtime;
    this.sliceFrames = sliceFrames;
  }
  /** Tells turns of the event loop apart. */
  get number(): number {
    if (!this.#isCounted) {
      this.#isCounted = true;
      this.#runtime.atTurnEnd(this.#onTurnEnd);
    }
    return this.#number;
  }
  readonly #onTurnEnd = (): void => {
    this.#number++;
    this.#isCounted = false;
  };
  /** Runs `goOn`, which throws nothing, once it is its turn: behind those that wait already. */
  wait(goOn: () => void): void {
    this.#waiting.push(goOn);
    this.#arm();
  }
  #arm(): void {
    if (this.#isArmed || this.#waiting.length === 0) return;
    this.#isArmed = true;
    this.#runtime.setTimeout(this.#take, 0);
  }
  /** Who is first has a slice; those behind come along as far as that leaves time. */
  readonly #take = (): void => {
    this.#isArmed = false;
    const round = this.#waiting;
    this.#waiting = [];
    const until = this.#runtime.now() + SLICE_MS;
    let taken = 0;
    do round[taken++]?.();
    while (taken < round.length && this.#runtime.now() < until);
    // those who have more to do are behind those who had no turn
    if (taken < round.length) this.#waiting = [...round.slice(taken), ...this.#waiting];
    this.#arm();
  };
}
