import type { Runtime } from "@seriatim/actors";

/** How long an exchange may go on before timers and I/O get a turn, in ms. */
const TURN_MS = 20;

/**
 * `runtime.defer` with a conscience. Deferred work runs before any timer or I/O, so two sides that
 * answer each other without a pause would keep those out for ever, lease renewals and signals among
 * them. A timer is armed with the first work of a turn; when it is overdue, the next work waits for
 * it. An exchange that pauses by itself, and a simulated clock that stands still, never notice.
 */
export class Turns {
  readonly #runtime: Runtime;
  #armedAt: number | null = null;
  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }
  soon(fn: () => void): void {
    const now = this.#runtime.now();
    if (this.#armedAt === null) {
      this.#armedAt = now;
      this.#runtime.setTimeout(() => {
        this.#armedAt = null;
      }, 0);
    }
    if (now - this.#armedAt > TURN_MS) this.#runtime.setTimeout(fn, 0);
    else this.#runtime.defer(fn);
  }
}
