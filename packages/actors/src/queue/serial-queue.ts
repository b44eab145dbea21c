/**
 * Changes of one subscription, one after another (rule 3): each is applied when its turn comes, at once when nobody is before it and it needs nothing awaited.
 * What it must check (epoch, cursor, parked keys) it checks in its turn, not when it was asked for.
 */
export class SerialQueue {
  readonly #waiting: (() => void | Promise<void>)[] = [];
  #busy = false;

  /** Runs `change` in its turn. It handles its own failures: a throw or rejection here is a broken invariant and reaches `onBroken`. */
  run(change: () => void | Promise<void>): void {
    if (this.#busy) {
      this.#waiting.push(change);
      return;
    }
    this.#busy = true;
    this.#drain(change);
  }
  /** Runs `change` before all that waits, as soon as the one running now has ended. */
  runNext(change: () => void | Promise<void>): void {
    if (this.#busy) this.#waiting.unshift(change);
    else this.run(change);
  }
  #drain(first: () => void | Promise<void>): void {
    let next: (() => void | Promise<void>) | undefined = first;
    while (next !== undefined) {
      const pending = this.#begin(next);
      if (pending !== undefined) {
        void pending.catch(this.#onBroken).then(() => this.#continue());
        return;
      }
      next = this.#waiting.shift();
    }
    this.#busy = false;
  }
  /** What has to be awaited before the next one may begin. */
  #begin(change: () => void | Promise<void>): Promise<void> | undefined {
    try {
      return change() ?? undefined;
    } catch (error) {
      this.#onBroken(error);
      return undefined;
    }
  }
  #continue(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#busy = false;
    else this.#drain(next);
  }
  readonly #onBroken: (error: unknown) => void;
  constructor(onBroken: (error: unknown) => void) {
    this.#onBroken = onBroken;
  }
}
