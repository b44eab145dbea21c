// A layer on its way into lmdb: a slice at a time, so that nothing else waits long for the thread.
import type { Changes, NewBatch } from "./changes.ts";
import type { LogState } from "./encoding.ts";
import type { Layer, LayerEntry } from "./layer.ts";

/** What a slice holds at most, at first: about a millisecond's work. */
export const SLICE = { entries: 256, bytes: 2 ** 20 };

/** In a slice each log ends with the last of its batches there, so that what lmdb holds is sound after each. */
export interface Slice extends Changes {
  /** Once it is written, all of the layer is. */
  readonly isLast: boolean;
}

/** Cuts a layer to which nothing is added any more. */
export class Slices {
  readonly #entries: Iterator<LayerEntry, undefined>;
  #ahead: IteratorResult<LayerEntry, undefined>;
  #size = 1;
  #growth = 1;
  #next: Slice | undefined;

  constructor(layer: Layer) {
    this.#entries = layer.entries();
    this.#ahead = this.#entries.next();
  }

  /**
   * Somebody waits for all of it: from now on each slice may be four times as
   * large as the one before, since few transactions are over sooner than many.
   */
  hurry(): void {
    this.#growth = 4;
  }
  /** What is left becomes one slice. */
  join(): void {
    this.#size = Number.POSITIVE_INFINITY;
  }
  /** What to write next: the same one until it is `written`. There is always a last one, if an empty one. */
  get next(): Slice {
    this.#next ??= this.#cut();
    return this.#next;
  }
  written(): void {
    this.#next = undefined;
  }

  #cut(): Slice {
    this.#size *= this.#growth;
    const logs = new Map<string, LogState>();
    const records = new Map<string, Uint8Array | undefined>();
    const batches: NewBatch[] = [];
    let bytes = 0;
    for (let left = SLICE.entries * this.#size; left > 0 && bytes < SLICE.bytes * this.#size; left--) {
      if (this.#ahead.done === true) break;
      const entry = this.#ahead.value;
      if ("key" in entry) {
        records.set(entry.key, entry.value ?? undefined);
        bytes += entry.value?.length ?? 0;
      } else {
        logs.set(entry.log, entry.state);
        if (entry.batch !== undefined) batches.push(entry.batch);
        bytes += entry.batch?.bytes.length ?? 0;
      }
      this.#ahead = this.#entries.next();
    }
    return { logs, records, batches, isLast: this.#ahead.done === true };
  }
}
