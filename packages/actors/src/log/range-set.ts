import type { OffsetRange } from "../protocol/frames.ts";

/** Shared by all sets that hold nothing, and never written to: most do, and there are four per subscription. */
const NONE: number[] = [];

/**
 * A set of offsets kept as sorted, disjoint, half-open ranges: small as long as what is in it is mostly consecutive.
 */
export class RangeSet {
  #from = NONE;
  #to = NONE;
  #size = 0;

  constructor(pairs: Iterable<OffsetRange> = []) {
    for (const [from, to] of pairs) this.add(from, to);
  }
  /** Number of offsets in the set. */
  get size(): number {
    return this.#size;
  }
  get isEmpty(): boolean {
    return this.#size === 0;
  }
  /** Index of the first range that ends above `offset`. */
  #indexAt(offset: number): number {
    let low = 0;
    let high = this.#to.length;
    if (high === 0 || this.#to[high - 1]! <= offset) return high; // the common case: at the end
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#to[middle]! > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }
  has(offset: number): boolean {
    const index = this.#indexAt(offset);
    return index < this.#from.length && this.#from[index]! <= offset;
  }
  /** Whether any offset of `from … to − 1` is in the set. */
  intersects(from: number, to: number): boolean {
    const index = this.#indexAt(from);
    return index < this.#from.length && this.#from[index]! < to;
  }
  /** The first offset at or after `from` that is not in the set. */
  nextAbsent(from: number): number {
    const index = this.#indexAt(from);
    return index < this.#from.length && this.#from[index]! <= from ? this.#to[index]! : from;
  }
  /** Adds `from … to − 1`; returns how many of them were new. */
  add(from: number, to: number): number {
    if (to <= from) return 0;
    let first = this.#indexAt(from);
    if (first > 0 && this.#to[first - 1] === from) first--; // touches the one before
    let last = first;
    let covered = 0;
    let low = from;
    let high = to;
    while (last < this.#from.length && this.#from[last]! <= to) {
      low = Math.min(low, this.#from[last]!);
      high = Math.max(high, this.#to[last]!);
      covered += this.#to[last]! - this.#from[last]!;
      last++;
    }
    if (this.#from === NONE) {
      this.#from = [];
      this.#to = [];
    }
    this.#from.splice(first, last - first, low);
    this.#to.splice(first, last - first, high);
    const added = high - low - covered;
    this.#size += added;
    return added;
  }
  /** Takes `from … to − 1` out. */
  remove(from: number, to: number): void {
    if (to <= from) return;
    let index = this.#indexAt(from);
    while (index < this.#from.length && this.#from[index]! < to) {
      const low = this.#from[index]!;
      const high = this.#to[index]!;
      const left = low < from ? 1 : 0;
      const right = high > to ? 1 : 0;
      this.#size -= Math.min(high, to) - Math.max(low, from);
      const starts = [...(left ? [low] : []), ...(right ? [to] : [])];
      const ends = [...(left ? [from] : []), ...(right ? [high] : [])];
      this.#from.splice(index, 1, ...starts);
      this.#to.splice(index, 1, ...ends);
      index += left + right;
    }
  }
  /** Number of offsets in the set below `offset`: counted from whichever end is nearer. */
  countBelow(offset: number): number {
    const index = this.#indexAt(offset);
    if (index * 2 <= this.#from.length) return this.#countOf(0, index) + this.#partBelow(index, offset);
    return this.#size - this.#countOf(index, this.#from.length) + this.#partBelow(index, offset);
  }
  /** Offsets of the ranges `first … end − 1`. */
  #countOf(first: number, end: number): number {
    let count = 0;
    for (let index = first; index < end; index++) count += this.#to[index]! - this.#from[index]!;
    return count;
  }
  /** What of a range that reaches above `offset` lies below it. */
  #partBelow(index: number, offset: number): number {
    return index < this.#from.length ? Math.max(0, offset - this.#from[index]!) : 0;
  }
  /** The first offset at or after `from` that is in the set. */
  nextPresent(from: number): number {
    const index = this.#indexAt(from);
    return index < this.#from.length ? Math.max(from, this.#from[index]!) : Number.MAX_SAFE_INTEGER;
  }
  pairs(): OffsetRange[] {
    return this.#from.map((from, index) => [from, this.#to[index]!] as const);
  }
  *offsets(): IterableIterator<number> {
    for (let index = 0; index < this.#from.length; index++)
      for (let offset = this.#from[index]!; offset < this.#to[index]!; offset++) yield offset;
  }
}
