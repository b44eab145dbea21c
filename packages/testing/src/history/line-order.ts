import type { HistoryEvent } from "./history-event.ts";
import { HistoryFormatError } from "./history-format-error.ts";

/** Holds the lines of each process against "`n` counts from 0 without gaps"; a process may end anywhere. */
export class LineOrder {
  readonly #next = new Map<string, number>();

  /** Throws `HISTORY_LINE_MISSING` unless this is the next line of its process. */
  accept(event: HistoryEvent): void {
    const expected = this.#next.get(event.process) ?? 0;
    if (event.n !== expected) {
      throw new HistoryFormatError(
        "HISTORY_LINE_MISSING",
        `history of ${event.process}: expected line n = ${expected}, found n = ${event.n} (${event.type})`,
      );
    }
    this.#next.set(event.process, expected + 1);
  }
}
