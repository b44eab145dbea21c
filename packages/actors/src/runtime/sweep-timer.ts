import type { Runtime } from "./runtime.ts";

/**
 * One timer for many times: it rings at the earliest that it was armed for since it last rang.
 * Arming it costs nothing when it rings early enough already.
 */
export class SweepTimer {
  readonly #runtime: Runtime;
  readonly #ring: () => void;
  #id: unknown = null;
  #at = Number.POSITIVE_INFINITY;

  constructor(runtime: Runtime, ring: () => void) {
    this.#runtime = runtime;
    this.#ring = () => {
      this.#id = null;
      this.#at = Number.POSITIVE_INFINITY;
      ring();
    };
  }
  /** @param at `runtime.now()` at which to ring, or shortly after; `Infinity`: not for this */
  arm(at: number): void {
    if (at >= this.#at) return;
    if (this.#id !== null) this.#runtime.clearTimeout(this.#id);
    this.#at = at;
    this.#id = this.#runtime.setTimeout(this.#ring, Math.max(at - this.#runtime.now(), 0));
  }
  stop(): void {
    if (this.#id !== null) this.#runtime.clearTimeout(this.#id);
    this.#id = null;
    this.#at = Number.POSITIVE_INFINITY;
  }
}
