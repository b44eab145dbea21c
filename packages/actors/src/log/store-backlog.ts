/**
 * Bytes of batches handed to the store and not flushed yet, at most, of one queue and of all queues of a broker. A
 * single batch is taken however large it is.
 */
export const UNFLUSHED_BYTES_MAX = { queue: 64 * 1024 * 1024, broker: 256 * 1024 * 1024 };

/** What of a queue's batches waits for the store, under what waits of all queues of the broker. */
export class StoreBacklog {
  readonly #bytesMax: number;
  readonly #whole: StoreBacklog | null;
  #bytes = 0;

  constructor(bytesMax: number = UNFLUSHED_BYTES_MAX.broker, whole: StoreBacklog | null = null) {
    this.#bytesMax = bytesMax;
    this.#whole = whole;
  }
  get bytes(): number {
    return this.#bytes;
  }
  /** The bound that this many bytes more would pass; null when there is room. */
  boundPassedBy(bytes: number): number | null {
    if (this.#bytes > 0 && this.#bytes + bytes > this.#bytesMax) return this.#bytesMax;
    return this.#whole?.boundPassedBy(bytes) ?? null;
  }
  add(bytes: number): void {
    this.#bytes += bytes;
    this.#whole?.add(bytes);
  }
}
