import type { LogBatch } from "./stored-batch.ts";

/** Bytes of the newest batches a queue keeps in memory, so that consumers at the tail need not read the store. */
const CACHE_BYTES_MAX = 2 * 1024 * 1024;
/** The same for all queues of a broker together. */
const BUDGET_BYTES_MAX = 64 * 1024 * 1024;

/**
 * What the tails of all queues of a broker take together: past its bound, those that were written to longest ago give
 * way.
 */
export class TailBudget {
  readonly #bytesMax: number;
  /** Those that hold something, the one written to last at the end. */
  readonly #caches = new Set<TailCache>();
  #last: TailCache | null = null;
  #bytes = 0;

  constructor(bytesMax = BUDGET_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }
  get bytes(): number {
    return this.#bytes;
  }
  added(cache: TailCache, bytes: number): void {
    this.#bytes += bytes;
    if (this.#last !== cache) {
      this.#caches.delete(cache); // moves it to the end
      this.#caches.add(cache);
      this.#last = cache;
    }
    if (this.#bytes <= this.#bytesMax) return;
    for (const oldest of this.#caches) {
      if (this.#bytes <= this.#bytesMax || oldest === cache) return;
      oldest.clear();
    }
  }
  removed(cache: TailCache, bytes: number, isEmpty: boolean): void {
    this.#bytes -= bytes;
    if (!isEmpty) return;
    this.#caches.delete(cache);
    if (this.#last === cache) this.#last = null;
  }
}

/** The newest batches of a log, oldest leaving first. */
export class TailCache {
  readonly #budget: TailBudget;
  /** Undefined below `#head`. */
  #batches: (LogBatch | undefined)[] = [];
  #sizes: number[] = [];
  #head = 0;
  #bytes = 0;

  constructor(budget: TailBudget) {
    this.#budget = budget;
  }
  push(batch: LogBatch, bytes: number): void {
    this.#batches.push(batch);
    this.#sizes.push(bytes);
    this.#bytes += bytes;
    this.#budget.added(this, bytes);
    if (this.#bytes <= CACHE_BYTES_MAX) return;
    this.#dropWhile(() => this.#bytes > CACHE_BYTES_MAX && this.#head < this.#batches.length - 1);
  }
  /** Lets go of batches that lie wholly below `before`: retention has removed them. */
  dropBelow(before: number): void {
    this.#dropWhile(({ first, count }) => first + count <= before);
  }
  clear(): void {
    this.#dropWhile(() => true);
  }
  #dropWhile(goes: (oldest: LogBatch) => boolean): void {
    let dropped = 0;
    for (;;) {
      const oldest = this.#batches[this.#head];
      if (oldest === undefined || !goes(oldest)) break;
      const bytes = this.#sizes[this.#head]!;
      this.#batches[this.#head++] = undefined;
      this.#bytes -= bytes;
      dropped += bytes;
    }
    const isEmpty = this.#head === this.#batches.length;
    if (isEmpty || (this.#head > 64 && this.#head * 2 > this.#batches.length)) {
      this.#batches = this.#batches.slice(this.#head);
      this.#sizes = this.#sizes.slice(this.#head);
      this.#head = 0;
    }
    if (dropped > 0) this.#budget.removed(this, dropped, isEmpty);
  }
  /**
   * Batches from the one that holds `from` up to `end`, while `bytesMax` is not passed; undefined when `from` is no
   * longer here.
   */
  read(from: number, end: number, bytesMax: number): LogBatch[] | undefined {
    const oldest = this.#batches[this.#head];
    if (oldest === undefined || from < oldest.first) return undefined;
    let low = this.#head;
    let high = this.#batches.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#batches[middle]!.first <= from) low = middle;
      else high = middle - 1;
    }
    const found: LogBatch[] = [];
    let bytes = 0;
    for (let index = low; index < this.#batches.length; index++) {
      const batch = this.#batches[index]!;
      if (batch.first + batch.count > end) break; // not flushed yet
      if (batch.first + batch.count <= from) continue;
      if (found.length > 0 && bytes + batch.messages.length > bytesMax) break;
      found.push(batch);
      bytes += batch.messages.length;
    }
    return found;
  }
}
