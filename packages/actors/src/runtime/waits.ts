import type { WaitOptions } from "../contracts/options.ts";

interface Waiter<At> {
  readonly at: At;
  readonly come: () => void;
  readonly fail: (error: unknown) => void;
}

/** Callers that wait for a moment: each leaves when it has come, or when its signal fires. */
export class Waits<At> {
  #waiting: Waiter<At>[] = [];

  /** How many wait. */
  get size(): number {
    return this.#waiting.length;
  }
  get any(): boolean {
    return this.#waiting.length > 0;
  }
  wait(at: At, { signal }: WaitOptions = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const leave = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter);
        reject(signal?.reason);
      };
      const waiter = {
        at,
        come: () => {
          signal?.removeEventListener("abort", leave);
          resolve();
        },
        fail: (error: unknown) => {
          signal?.removeEventListener("abort", leave);
          reject(error);
        },
      };
      signal?.addEventListener("abort", leave, { once: true });
      this.#waiting.push(waiter);
    });
  }
  /** Lets those go whose moment has come, in order. */
  release(hasCome: (at: At) => boolean): void {
    if (this.#waiting.length === 0) return;
    const come: Waiter<At>[] = [];
    const stay: Waiter<At>[] = [];
    for (const waiter of this.#waiting) (hasCome(waiter.at) ? come : stay).push(waiter);
    this.#waiting = stay;
    for (const waiter of come) waiter.come();
  }
  failAll(error: unknown): void {
    const all = this.#waiting;
    this.#waiting = [];
    for (const waiter of all) waiter.fail(error);
  }
}
