import type { Runtime } from "./runtime.ts";

/** Tells that nothing has gone on for a while: between `ms` and twice that after the last `stir`. One timer, however often it is stirred. */
export class QuietTimer {
  readonly #runtime: Runtime;
  readonly #ms: number;
  readonly #onQuiet: () => void;
  #timer: unknown = null;
  #stirred = false;

  constructor(runtime: Runtime, ms: number, onQuiet: () => void) {
    this.#runtime = runtime;
    this.#ms = ms;
    this.#onQuiet = onQuiet;
  }
  /** Something went on, just now. */
  stir(): void {
    if (this.#timer === null) this.#arm();
    else this.#stirred = true;
  }
  stop(): void {
    if (this.#timer !== null) this.#runtime.clearTimeout(this.#timer);
    this.#timer = null;
    this.#stirred = false;
  }
  #arm(): void {
    this.#timer = this.#runtime.setTimeout(this.#ring, this.#ms);
  }
  readonly #ring = (): void => {
    this.#timer = null;
    if (this.#stirred) {
      this.#stirred = false;
      this.#arm();
    } else this.#onQuiet();
  };
}
