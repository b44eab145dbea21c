type Change = () => void | Promise<void>;
type OnBroken = (error: unknown) => void;
interface Waiting {
  readonly change: Change;
  readonly broken: OnBroken | undefined;
  /** Of those that are as good as one. */
  readonly kind: string | null;
}

/**
 * Changes of one subscription, one after another (rule 3): each is applied when its turn comes, at once when nobody
 * is before it and it needs nothing awaited. What it must check (epoch, cursor, parked keys) it checks in its turn,
 * not when it was asked for.
 */
export class SerialQueue {
  readonly #waiting: Waiting[] = [];
  readonly #kinds = new Set<string>();
  #busy = false;

  /**
   * Runs `change` in its turn. It handles its own failures: a throw or rejection here is a broken invariant and
   * reaches `onBroken`, and then `broken` of the change, for whoever waits for its answer.
   */
  run(change: Change, broken?: OnBroken, kind: string | null = null): void {
    if (this.#busy) {
      this.#waiting.push({ change, broken, kind });
      return;
    }
    this.#busy = true;
    this.#drain({ change, broken, kind });
  }
  /**
   * The same, for what is as good as done when another of its
   * kind waits already: however often it is asked for, one waits.
   */
  runOnce(kind: string, change: Change): void {
    if (this.#kinds.has(kind)) return;
    if (this.#busy) this.#kinds.add(kind);
    this.run(change, undefined, kind);
  }
  /** How many changes wait for their turn. */
  get length(): number {
    return this.#waiting.length;
  }
  /** Runs `change` before all that waits, as soon as the one running now has ended. */
  runNext(change: Change): void {
    if (this.#busy) this.#waiting.unshift({ change, broken: undefined, kind: null });
    else this.run(change);
  }
  #drain(first: Waiting): void {
    let next: Waiting | undefined = first;
    while (next !== undefined) {
      const { change, broken, kind } = next;
      if (kind !== null) this.#kinds.delete(kind);
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
