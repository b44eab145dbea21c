import type { Runtime } from "../runtime/runtime.ts";
import type { Form } from "./forms.ts";

/** Handlers that one turn of the event loop may start, and how long it may go on starting them. */
const STARTS_MAX = 1_024;
const TURN_MS = 5;

/**
 * What every start of a handler passes, one per consumer: its form must want a message, and the turn of the event
 * loop must have time left. Handlers that end at once would else follow one another until the buffers are empty,
 * while heartbeats wait. A turn ends when a timer of 0 ms gets its chance.
 *
 * Queues that are held up wait in line, longest first. When starting may go on, only these are looked at.
 */
export class StartGate {
  /** Nothing starts and no credit is given; leases stay. */
  paused = false;
  /** How messages are taken; `null` until somebody consumes. */
  form: Form | null = null;
  readonly #runtime: Runtime;
  readonly #onTurn: () => void;
  readonly #waiting = new Set<() => void>();
  #timer: unknown = null;
  #startedAt = 0;
  #starts = 0;
  #spent = false;

  /** `onTurn`: starting may go on. */
  constructor(runtime: Runtime, onTurn: () => void) {
    this.#runtime = runtime;
    this.#onTurn = onTurn;
  }
  /** Whether one more may start now; if not, `pump` stands in line, unless it does. */
  pass(now: number, pump: () => void): boolean {
    if (this.form?.ready() === true && this.#hasTime(now)) return true;
    this.#waiting.add(pump);
    return false;
  }
  leave(pump: () => void): void {
    this.#waiting.delete(pump);
  }
  /** Lets one after another start, each once, while it may go on. Who has more afterwards stands behind all others. */
  open(): void {
    let left = this.#waiting.size;
    for (const pump of this.#waiting) {
      if (left-- === 0 || this.#spent || this.form?.ready() !== true) return;
      this.#waiting.delete(pump);
      pump();
    }
  }
  stop(): void {
    if (this.#timer !== null) this.#runtime.clearTimeout(this.#timer);
    this.#timer = null;
    this.#spent = false;
  }

  #hasTime(now: number): boolean {
    if (this.#timer === null) {
      this.#startedAt = now;
      this.#starts = 0;
      this.#timer = this.#runtime.setTimeout(this.#turn, 0);
    }
    if (++this.#starts > STARTS_MAX || now - this.#startedAt >= TURN_MS) this.#spent = true;
    return !this.#spent;
  }
  readonly #turn = (): void => {
    this.#timer = null;
    if (!this.#spent) return;
    this.#spent = false;
    this.#onTurn();
  };
}
