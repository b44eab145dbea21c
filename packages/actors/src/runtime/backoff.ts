import type { Runtime } from "./runtime.ts";

/**
 * Waits between tries of what fails: each twice the one before, up to the longest, less up to half of it at random, so
 * that many do not try together.
 */
export class Backoff {
  readonly #runtime: Pick<Runtime, "random">;
  readonly #initialMs: number;
  readonly #maxMs: number;
  #failures = 0;

  constructor(runtime: Pick<Runtime, "random">, pace: { readonly initialMs: number; readonly maxMs: number }) {
    this.#runtime = runtime;
    this.#initialMs = pace.initialMs;
    this.#maxMs = pace.maxMs;
  }
  /** In a row. */
  get failures(): number {
    return this.#failures;
  }
  /** It failed once more: how long to wait, ms. */
  next(): number {
    const full = Math.min(this.#initialMs * 2 ** Math.min(this.#failures++, 30), this.#maxMs);
    return full * (0.5 + 0.5 * this.#runtime.random());
  }
  /** It did not fail. */
  reset(): void {
    this.#failures = 0;
  }
}
