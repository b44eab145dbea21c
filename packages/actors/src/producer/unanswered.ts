import { Ring } from "../runtime/ring.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { PendingSend } from "./pending-send.ts";

/** The sweep for sends that took too long runs this often at most, ms. */
const SWEEP_MS_MIN = 5;
/** And this long after one that went wrong. */
const SWEEP_AGAIN_MS = 1_000;

/**
 * In call order, and so in the order of their deadlines: sends without an answer, and answered ones behind such. Tells
 * of those that took too long.
 */
export class Unanswered {
  readonly #runtime: Runtime;
  readonly #late: (sends: readonly PendingSend[]) => void;
  readonly #sends = new Ring<PendingSend>();
  #answeredBehind = 0;
  readonly #broken: (error: unknown) => void;
  #sweep: unknown = null;

  constructor(runtime: Runtime, late: (sends: readonly PendingSend[]) => void, broken: (error: unknown) => void) {
    this.#runtime = runtime;
    this.#late = late;
    this.#broken = broken;
  }
  get length(): number {
    return this.#sends.length;
  }
  /** Number of the oldest call; infinite when all are answered. */
  get oldestCall(): number {
    return this.#sends.peek()?.call ?? Number.POSITIVE_INFINITY;
  }
  push(send: PendingSend): void {
    this.#sends.push(send);
    if (this.#sweep === null) this.#armSweep();
  }
  /** One of them has its answer. */
  answered(): void {
    this.#answeredBehind++;
  }
  forgetAnswered(): void {
    for (let send = this.#sends.peek(); send?.answered === true; send = this.#sends.peek()) {
      this.#sends.shift();
      this.#answeredBehind--;
    }
    if (this.#answeredBehind > 1_024 && this.#answeredBehind > this.#sends.length / 2) {
      this.#sends.retain((send) => !send.answered);
      this.#answeredBehind = 0;
    }
    if (this.#sends.length === 0) this.#disarm();
  }
  /** Those without an answer, for whom this is the end. */
  left(): readonly PendingSend[] {
    this.#disarm();
    return [...this.#sends].filter((send) => !send.answered);
  }
  clear(): void {
    this.#sends.clear();
  }

  #armSweep(soonestMs = SWEEP_MS_MIN): void {
    const oldest = this.#sends.peek();
    if (oldest === undefined || this.#sweep !== null) return;
    const waitMs = Math.max(soonestMs, oldest.deadline - this.#runtime.now());
    this.#sweep = this.#runtime.setTimeout(this.#sweepLate, waitMs);
  }
  readonly #sweepLate = (): void => {
    this.#sweep = null;
    const now = this.#runtime.now();
    const late: PendingSend[] = [];
    for (const send of this.#sends) {
      if (send.deadline > now) break;
      if (!send.answered) late.push(send);
    }
    let soonestMs = SWEEP_MS_MIN;
    try {
      this.#late(late);
    } catch (error) {
      soonestMs = SWEEP_AGAIN_MS;
      this.#broken(error);
    } finally {
      this.#armSweep(soonestMs);
    }
  };
  #disarm(): void {
    if (this.#sweep !== null) this.#runtime.clearTimeout(this.#sweep);
    this.#sweep = null;
  }
}
