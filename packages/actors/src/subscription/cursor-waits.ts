/**
 * Who waits for a cursor to come so far. Kept in order, so that a cursor that moves looks at what is due and at nothing
 * else; who waits for the same is one entry.
 */
export class CursorWaits {
  /** Descending: what is due first comes last. */
  readonly #ends: number[] = [];
  readonly #waiting = new Map<number, Set<() => void>>();

  /** How many places are waited for. */
  get size(): number {
    return this.#ends.length;
  }
  /** Calls back, once, when everything below `end` is done. Returns what takes that back. */
  add(end: number, reached: () => void): () => void {
    const known = this.#waiting.get(end);
    const waiting = known ?? new Set<() => void>();
    if (known === undefined) {
      this.#waiting.set(end, waiting);
      this.#ends.splice(this.#indexOf(end), 0, end);
    }
    const waiter = () => reached(); // one of its own, however often the same is passed
    waiting.add(waiter);
    return () => {
      if (!waiting.delete(waiter) || waiting.size > 0 || this.#waiting.get(end) !== waiting) return;
      this.#waiting.delete(end);
      this.#ends.splice(this.#indexOf(end), 1);
    };
  }
  /** The first place at or below `end`. */
  #indexOf(end: number): number {
    let low = 0;
    let high = this.#ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ends[middle]! > end) low = middle + 1;
      else high = middle;
    }
    return low;
  }
  /** The cursor has come so far. */
  reach(cursor: number): void {
    for (let end = this.#ends.at(-1); end !== undefined && end <= cursor; end = this.#ends.at(-1)) {
      this.#ends.pop();
      const waiting = this.#waiting.get(end);
      this.#waiting.delete(end);
      for (const reached of waiting ?? []) reached();
    }
  }
}
