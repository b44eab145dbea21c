import type { Runtime } from "./runtime.ts";

/**
 * Tells that nothing has gone on for a while: between `ms` and twice that after the last `reset`. One timer, however
 * often that is called.
 */
export class QuietTimer {
  readonly #runtime: Runtime;
  readonly #ms: number;
  readonly #onQuiet: () => void;
  #timer: unknown = null;
  #wasReset = false;

  constructor(runtime: Runtime, ms: number, onQuiet: () => void) {
    this.#runtime = runtime;
    this.#ms = ms;
    this.#onQuiet = onQuiet;
  }
  /** Something went on, just now. */
  reset(): void {
    if (this.#timer === null) this.#arm();
    else this.#wasReset = true;
  }
  stop(): void {
    if (this.#timer !== null) this.#runtime.clearTimeout(this.#timer);
    this.#timer = null;
    this.#wasReset = false;
  }
  #arm(): void {
    this.#timer = this.#runtime.setTimeout(this.#ring, this.#ms);
  }
  readonly #ring = (): void => {
    this.#timer = null;
    if (this.#wasReset) {
      this.#wasReset = false;
      this.#arm();
    } else this.#onQuiet();
  };
}
