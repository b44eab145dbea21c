import type { Runtime } from "./runtime.ts";

/** Allows `perSecond` on average and as much at once. Asks for the time only when its store is used up. */
export class TokenBucket {
  readonly #runtime: Pick<Runtime, "now">;
  readonly #perSecond: number;
  readonly #burst: number;
  #left: number;
  #filledAt: number;
  constructor(runtime: Pick<Runtime, "now">, perSecond: number, burst: number) {
    this.#runtime = runtime;
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#left = burst;
    this.#filledAt = runtime.now();
  }
  /**
   * Takes `n`, into debt if need be, and tells how long to wait until the debt is paid: 0 when there is none, in ms.
   */
  take(n: number): number {
    this.#left -= n;
    if (this.#left >= 0) return 0;
    this.#fill();
    return this.#left >= 0 ? 0 : (-this.#left / this.#perSecond) * 1000;
  }
  /** Takes `n` if that needs no debt. */
  tryTake(n: number): boolean {
    if (this.#left < n) this.#fill();
    if (this.#left < n) return false;
    this.#left -= n;
    return true;
  }
  get full(): boolean {
    this.#fill();
    return this.#left >= this.#burst;
  }
  #fill(): void {
    const now = this.#runtime.now();
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#filledAt) / 1000) * this.#perSecond);
    this.#filledAt = now;
  }
}
