import type { OffsetRange } from "../protocol/frames.ts";

/**
 * Offsets as half-open ranges. Adding them in order costs nothing; others are sorted in when the ranges are asked for.
 */
export class OffsetRanges {
  #ranges: [from: number, to: number][] = [];

  get empty(): boolean {
    return this.#ranges.length === 0;
  }
  add(offset: number): void {
    const last = this.#ranges.at(-1);
    if (last !== undefined && last[1] === offset) last[1]++;
    else this.#ranges.push([offset, offset + 1]);
  }
  addAll(ranges: readonly OffsetRange[]): void {
    for (const [from, to] of ranges) this.#ranges.push([from, to]);
  }
  /** In order, neither touching nor overlapping. */
  joined(): readonly OffsetRange[] {
    const sorted = this.#ranges.sort(byStart);
    const joined: [number, number][] = [];
    for (const range of sorted) {
      const last = joined.at(-1);
      if (last !== undefined && range[0] <= last[1]) last[1] = Math.max(last[1], range[1]);
      else joined.push(range);
    }
    this.#ranges = joined;
    return joined.map(([from, to]) => [from, to] as const);
  }
}
const byStart = (a: OffsetRange, b: OffsetRange): number => a[0] - b[0];
