/**
 * That somebody has gone, for those who wait for it. Unlike with a promise, whoever waits no longer is forgotten,
 * however long that takes.
 */
export class Departure {
  readonly #waiting = new Set<() => void>();
  #gone = false;

  /** Calls back, once: when it happens, or at once when it has. Returns what takes that back. */
  when(gone: () => void): () => void {
    if (this.#gone) {
      gone();
      return () => {};
    }
    const waiter = () => gone(); // one of its own, however often the same is passed
    this.#waiting.add(waiter);
    return () => void this.#waiting.delete(waiter);
  }
  /** How many wait for it. */
  get awaited(): number {
    return this.#waiting.size;
  }
  happen(): void {
    this.#gone = true;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const gone of waiting) gone();
  }
}
