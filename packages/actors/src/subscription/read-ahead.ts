import type { QueueLog } from "../log/queue-log.ts";
import type { LogBatch } from "../log/stored-batch.ts";

const NOTHING: readonly LogBatch[] = [];

/** Reads a log, and keeps what was read from the store until it is used up: at most one read of it. */
export class ReadAhead {
  readonly #log: QueueLog;
  #left = NOTHING;
  #stopped = false;

  constructor(log: QueueLog) {
    this.#log = log;
  }
  /** Batches from the one that holds `position` on; none at the end. */
  from(position: number, bytesMax: number): readonly LogBatch[] | Promise<readonly LogBatch[]> {
    let used = 0;
    for (const { first, count } of this.#left) {
      if (first + count > position) break;
      used++;
    }
    if (used > 0) this.#left = used < this.#left.length ? this.#left.slice(used) : NOTHING;
    if (this.#left.length > 0) return this.#left;
    const read = this.#log.read(position, bytesMax);
    if (!(read instanceof Promise)) return read;
    return read.then((batches) => {
      if (!this.#stopped) this.#left = batches;
      return batches;
    });
  }
  stop(): void {
    this.#stopped = true;
    this.#left = NOTHING;
  }
}
