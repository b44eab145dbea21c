/** What a handler does to the world: "this happened to this row", under the epoch of its lease. */
export interface WorldWrite {
  readonly row: string;
  /** Place of the event among those of its row, from 0. */
  readonly ordinal: number;
  readonly fence: number;
}
/** `repeated`: known already; `gap`: applied, and one before it is missing; `refused`: a newer holder has written. */
export type WriteOutcome = "applied" | "repeated" | "gap" | "refused";

export interface WorldCounts {
  readonly applied: number;
  readonly repeated: number;
  readonly gaps: number;
  readonly refused: number;
}

/**
 * What handlers write to: a row a key, as in a shop's own database. It outlives every consumer, and does what such a
 * table should do with `context.fence`: it keeps the largest one it has seen beside the row, and refuses a write that
 * comes with a smaller one.
 */
export class OutsideWorld {
  /** What was left out, one sentence each. */
  readonly gaps: string[] = [];
  readonly #rows = new Map<string, { next: number; fence: number }>();
  #applied = 0;
  #repeated = 0;
  #refused = 0;

  apply({ row: name, ordinal, fence }: WorldWrite): WriteOutcome {
    const row = this.#rows.get(name) ?? { next: 0, fence: 0 };
    if (fence < row.fence) {
      this.#refused++;
      return "refused";
    }
    this.#rows.set(name, row);
    row.fence = fence;
    if (ordinal < row.next) {
      this.#repeated++;
      return "repeated";
    }
    const { next } = row;
    row.next = ordinal + 1;
    this.#applied++;
    if (ordinal === next) return "applied";
    this.gaps.push(`number ${ordinal} of ${name} took effect, number ${next} had not`);
    return "gap";
  }
  /** Rows that have seen the first `events` of theirs, all of them, in order. */
  complete(rows: ReadonlyMap<string, number>): number {
    let complete = 0;
    for (const [name, events] of rows) if (this.#rows.get(name)?.next === events) complete++;
    return complete;
  }
  get counts(): WorldCounts {
    return { applied: this.#applied, repeated: this.#repeated, gaps: this.gaps.length, refused: this.#refused };
  }
}

/** Writes on their way to who keeps the world, and what became of them. */
export type WriteQuestion = { readonly type: "write"; readonly writes: readonly WorldWrite[] };
export type WriteAnswer = { readonly type: "written"; readonly outcomes: readonly WriteOutcome[] };

/**
 * The world as a child process reaches it: its parent keeps it.
 * What one turn of the event loop asks goes as one message; answers come in the order of the questions.
 */
export class WriteRelay {
  readonly #tell: (message: WriteQuestion) => void;
  readonly #waiting: ((outcome: WriteOutcome) => void)[] = [];
  #batch: WorldWrite[] = [];

  /** @param tell takes it to the parent */
  constructor(tell: (message: WriteQuestion) => void) {
    this.#tell = tell;
  }
  ask(write: WorldWrite): Promise<WriteOutcome> {
    if (this.#batch.push(write) === 1) setImmediate(() => this.#flush());
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
  answered({ outcomes }: WriteAnswer): void {
    for (const [index, resolve] of this.#waiting.splice(0, outcomes.length).entries())
      resolve(outcomes[index] as WriteOutcome);
  }
  #flush(): void {
    const writes = this.#batch;
    this.#batch = [];
    this.#tell({ type: "write", writes });
  }
}
