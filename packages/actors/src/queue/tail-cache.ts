import type { LogBatch } from "./stored-batch.ts";

/** Bytes of the newest batches a queue keeps in memory, so that consumers at the tail need not read the store. */
const CACHE_BYTES_MAX = 2 * 1024 * 1024;

/** The newest batches of a log, oldest leaving first. */
export class TailCache {
  /** Undefined below `#head`. */
  #batches: (LogBatch | undefined)[] = [];
  #sizes: number[] = [];
  #head = 0;
  #bytes = 0;

  push(batch: LogBatch, bytes: number): void {
    this.#batches.push(batch);
    this.#sizes.push(bytes);
    this.#bytes += bytes;
    while (this.#bytes > CACHE_BYTES_MAX && this.#head < this.#batches.length - 1) {
      this.#batches[this.#head] = undefined;
      this.#bytes -= this.#sizes[this.#head++]!;
    }
    if (this.#head > 64 && this.#head * 2 > this.#batches.length) {
      this.#batches = this.#batches.slice(this.#head);
      this.#sizes = this.#sizes.slice(this.#head);
      this.#head = 0;
    }
  }
  /** Batches from the one that holds `from` up to `end`, while `bytesMax` is not passed; undefined when `from` is no longer here. */
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
