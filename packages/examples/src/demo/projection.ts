/** One write of a handler to the outside world: "this happened to this key". */
export interface ProjectionWrite {
  readonly key: string;
  readonly ordinal: number;
  /** The lease epoch the handler worked under. */
  readonly fence: number;
}
/** `applied`: the next event of its key; `repeated`: known already; `gap`: something before it is missing; `refused`: a newer holder has written. */
export type WriteOutcome = "applied" | "repeated" | "gap" | "refused";

export interface ProjectionCounts {
  readonly applied: number;
  readonly repeated: number;
  readonly gaps: number;
  readonly refused: number;
}

/**
 * What handlers write to: one row a key, as in a shop's own database. It outlives every consumer, and does what such a table should do with
 * `context.fence`: keep the largest one it has seen beside the row, and refuse a write that comes with a smaller one.
 */
export class Projection {
  readonly #rows = new Map<string, { next: number; fence: number }>();
  readonly #counts = { applied: 0, repeated: 0, gaps: 0, refused: 0 };

  apply({ key, ordinal, fence }: ProjectionWrite): WriteOutcome {
    const row = this.#rows.get(key) ?? { next: 0, fence: 0 };
    if (fence < row.fence) {
      this.#counts.refused++;
      return "refused";
    }
    this.#rows.set(key, row);
    row.fence = fence;
    if (ordinal < row.next) {
      this.#counts.repeated++;
      return "repeated";
    }
    const gap = ordinal > row.next;
    row.next = ordinal + 1;
    this.#counts.applied++;
    if (gap) this.#counts.gaps++;
    return gap ? "gap" : "applied";
  }
  /** Keys whose row has seen the first `events` of them, all of them, in order. */
  complete(keys: ReadonlyMap<string, number>): number {
    let complete = 0;
    for (const [key, events] of keys) if (this.#rows.get(key)?.next === events) complete++;
    return complete;
  }
  get counts(): ProjectionCounts {
    return { ...this.#counts };
  }
}
