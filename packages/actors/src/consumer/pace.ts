import type { Runtime } from "../runtime/runtime.ts";

/** Handlers that one turn of the event loop may start, and how long it may go on starting them. */
const STARTS_MAX = 1_024;
const TURN_MS = 5;

/**
 * Shares the event loop: handlers that end at once, or in a microtask, would otherwise follow one another until the buffers are empty, while heartbeats wait.
 * One per consumer. A turn ends when a timer of 0 ms gets its chance.
 */
export class Pace {
  readonly #runtime: Runtime;
  readonly #onTurn: () => void;
  #timer: unknown = null;
  #startedAt = 0;
  #starts = 0;
  #spent = false;

  /** `onTurn`: starting may go on. */
  constructor(runtime: Runtime, onTurn: () => void) {
    this.#runtime = runtime;
    this.#onTurn = onTurn;
  }
  /** Nothing more starts in this turn. */
  get spent(): boolean {
    return this.#spent;
  }
  /** Whether one more may start in this turn. */
  step(now: number): boolean {
    if (this.#timer === null) {
      this.#startedAt = now;
      this.#starts = 0;
      this.#timer = this.#runtime.setTimeout(this.#turn, 0);
    }
    if (++this.#starts > STARTS_MAX || now - this.#startedAt >= TURN_MS) this.#spent = true;
    return !this.#spent;
  }
  stop(): void {
    if (this.#timer !== null) this.#runtime.clearTimeout(this.#timer);
    this.#timer = null;
    this.#spent = false;
  }

  readonly #turn = (): void => {
    this.#timer = null;
    if (!this.#spent) return;
    this.#spent = false;
    this.#onTurn();
  };
}
