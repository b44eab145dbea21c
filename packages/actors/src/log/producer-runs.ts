import type { Offset, Sequence } from "../message/brands.ts";
import type { AppendedRun } from "../protocol/frames.ts";

/** Runs in one record: what a batch that adds one encodes anew at most. */
export const PART_RUNS = 16;
/**
 * Full parts that are remembered, each in a record of its own: with the part that fills, more runs than a producer's
 * batches in flight can make.
 */
export const PARTS_MAX = 16;

/** Sequence numbers in a row that stand at offsets in a row. */
interface Run {
  sequence: number;
  offset: number;
  count: number;
  /** They were known by their ids: an earlier message stands there. */
  duplicate: boolean;
}
type StoredRun = readonly [sequence: number, offset: number, count: number, duplicate: 0 | 1];
/** A full part, as it is stored: how many came before it, and its runs. */
export type StoredPart = readonly [nth: number, runs: readonly StoredRun[]];
/** What the producer's own record holds of its runs: those of the part that fills, and how many parts are full. */
export interface FillingPart {
  readonly runs: readonly StoredRun[];
  readonly full: number;
}

/**
 * Where the sequence numbers of one producer stand in the queue, the newest of them: what a repeated send is answered
 * with.
 */
export class ProducerRuns {
  /** Of the full parts that are remembered, then of the one that fills. */
  readonly #runs: Run[] = [];
  /** Parts that are full, those that are forgotten too. */
  #full = 0;
  /** How many of them have been taken to be stored. */
  #taken = 0;

  /** @param parts in any order. Without any, the filling one may hold more than a part: so it was stored once. */
  static load({ runs, full }: FillingPart, parts: readonly StoredPart[]): ProducerRuns {
    const loaded = new ProducerRuns();
    const inOrder = [...parts].sort(([a], [b]) => a - b).flatMap(([, of]) => of);
    for (const [sequence, offset, count, duplicate] of [...inOrder, ...runs])
      loaded.#runs.push({ sequence, offset, count, duplicate: duplicate === 1 });
    loaded.#taken = full;
    loaded.#full = full + Math.max(0, Math.ceil(runs.length / PART_RUNS) - 1);
    return loaded;
  }

  /** Notes where the next `count` sequences stand. */
  note(sequence: number, offset: number, count: number, duplicate: boolean): void {
    const last = this.#runs.at(-1);
    const goesOn =
      last?.duplicate === duplicate && last.sequence + last.count === sequence && last.offset + last.count === offset;
    if (goesOn) {
      last.count += count;
      return;
    }
    if (this.#runs.length - this.#fillingFrom === PART_RUNS) {
      this.#full += 1;
      if (this.#full > PARTS_MAX) this.#runs.splice(0, PART_RUNS);
    }
    this.#runs.push({ sequence, offset, count, duplicate });
  }
  /**
   * The places of `count` sequences from `from` on, all of them noted; undefined when that is longer ago than is
   * remembered.
   */
  places(from: Sequence, count: number): AppendedRun[] | undefined {
    const places: AppendedRun[] = [];
    let at = from as number;
    const end = from + count;
    for (const run of this.#runs) {
      if (run.sequence + run.count <= at) continue;
      if (run.sequence > at) return undefined;
      const taken = Math.min(run.sequence + run.count, end) - at;
      places.push({ count: taken, offset: (run.offset + at - run.sequence) as Offset, duplicate: true });
      at += taken;
      if (at === end) return places;
    }
    return undefined;
  }

  get filling(): FillingPart {
    return { runs: this.#runs.slice(this.#fillingFrom).map(stored), full: this.#full };
  }
  /** Parts that have become full since they were taken last, and the place of each, which an older one may have had. */
  takeFull(): { readonly place: number; readonly part: StoredPart }[] {
    const parts: { place: number; part: StoredPart }[] = [];
    for (let nth = Math.max(this.#taken, this.#full - PARTS_MAX); nth < this.#full; nth++) {
      const from = this.#fillingFrom - (this.#full - nth) * PART_RUNS;
      const runs = this.#runs.slice(from, from + PART_RUNS).map(stored);
      parts.push({ place: nth % PARTS_MAX, part: [nth, runs] });
    }
    this.#taken = this.#full;
    return parts;
  }
  /** How many places have been taken. */
  get placesTaken(): number {
    return Math.min(this.#taken, PARTS_MAX);
  }
  get #fillingFrom(): number {
    return Math.min(this.#full, PARTS_MAX) * PART_RUNS;
  }
}
const stored = ({ sequence, offset, count, duplicate }: Run): StoredRun => [sequence, offset, count, duplicate ? 1 : 0];
