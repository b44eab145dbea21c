type Change = () => void | Promise<void>;
type OnBroken = (error: unknown) => void;
interface Waiting {
  readonly change: Change;
  readonly broken: OnBroken | undefined;
}

/**
 * Changes of one subscription, one after another (rule 3): each is applied when its turn comes, at once when nobody is before it and it needs nothing awaited.
 * What it must check (epoch, cursor, parked keys) it checks in its turn, not when it was asked for.
 */
export class SerialQueue {
  readonly #waiting: Waiting[] = [];
  #busy = false;

  /**
   * Runs `change` in its turn. It handles its own failures: a throw or rejection here is a broken invariant and reaches `onBroken`, and then `broken` of the change, for
   * whoever waits for its answer.
   */
  run(change: Change, broken?: OnBroken): void {
    if (this.#busy) {
      this.#waiting.push({ change, broken });
      return;
    }
    this.#busy = true;
    this.#drain({ change, broken });
  }
  /** Runs `change` before all that waits, as soon as the one running now has ended. */
  runNext(change: Change): void {
    if (this.#busy) this.#waiting.unshift({ change, broken: undefined });
    else this.run(change);
  }
  #drain(first: Waiting): void {
    let next: Waiting | undefined = first;
    while (next !== undefined) {
      const { change, broken } = next;
      const failed = (error: unknown) => {
        this.#onBroken(error);
        broken?.(error);
      };
      const pending = begin(change, failed);
      if (pending !== undefined) {
        void pending.catch(failed).then(() => this.#continue());
        return;
      }
      next = this.#waiting.shift();
    }
    this.#busy = false;
  }
  #continue(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#busy = false;
    else this.#drain(next);
  }
  readonly #onBroken: OnBroken;
  constructor(onBroken: OnBroken) {
    this.#onBroken = onBroken;
  }
}
/** What has to be awaited before the next one may begin. */
function begin(change: Change, failed: OnBroken): Promise<void> | undefined {
  try {
    return change() ?? undefined;
  } catch (error) {
    failed(error);
    return undefined;
  }
}
