import type { Runtime } from "./runtime.ts";

/** Work that comes round: again `ms` after its last turn has ended, whatever that ended with. */
export class Recurring {
  readonly #runtime: Runtime;
  readonly #ms: number;
  readonly #turn: () => unknown;
  readonly #failed: (error: unknown) => void;
  #timer: unknown = null;
  #stopped = false;

  /** `turn` may be asynchronous; what it throws or rejects with goes to `failed`. */
  constructor(runtime: Runtime, ms: number, turn: () => unknown, failed: (error: unknown) => void) {
    this.#runtime = runtime;
    this.#ms = ms;
    this.#turn = turn;
    this.#failed = failed;
    this.#arm();
  }
  /** The turn under way is the last. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) this.#runtime.clearTimeout(this.#timer);
    this.#timer = null;
  }
  #arm(): void {
    if (!this.#stopped) this.#timer = this.#runtime.setTimeout(() => void this.#take(), this.#ms);
  }
  async #take(): Promise<void> {
    this.#timer = null;
    try {
      await this.#turn();
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#arm();
    }
  }
}
