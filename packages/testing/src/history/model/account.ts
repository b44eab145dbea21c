import type { HistoryOffsets, HistoryRange, StateEvent } from "../history-event.ts";

export type ListedClass = "settled" | "filtered" | "skipped" | "expired" | "deadLettered" | "parked" | "discarded";
export type OffsetClass = ListedClass | "backlog" | "removed" | "beyond";

export interface Interval {
  readonly from: number;
  /** One past the last. */
  readonly to: number;
}
export interface ListedInterval extends Interval {
  readonly class: ListedClass;
}

const LISTED: readonly Exclude<ListedClass, "settled">[] = [
  "filtered",
  "skipped",
  "expired",
  "deadLettered",
  "parked",
  "discarded",
];

/**
 * One `state` line as classes of offsets. Below the cursor everything that no list names counts as settled; from the
 * cursor on it is backlog.
 * Classes given as a mere number (`filtered: 12`) lie somewhere below the cursor: then up to `unlisted` of the settled
 * ones are theirs.
 */
export class Account {
  readonly state: StateEvent;
  /** What the lists name, by offset. May overlap, where the state is wrong. */
  readonly listed: readonly ListedInterval[];
  readonly unlisted: number;

  constructor(state: StateEvent) {
    this.state = state;
    const listed: ListedInterval[] = state.settledRanges.map((range) => ({ ...interval(range), class: "settled" }));
    let unlisted = 0;
    for (const name of LISTED) {
      const given = state[name];
      if (typeof given === "number") unlisted += given;
      else for (const each of intervals(given)) listed.push({ ...each, class: name });
    }
    this.listed = listed.sort((a, b) => a.from - b.from || a.to - b.to);
    this.unlisted = unlisted;
  }

  classOf(offset: number): OffsetClass {
    const { start, end, cursor } = this.state;
    const listed = this.#listedAt(offset);
    if (listed !== undefined) return listed.class;
    if (offset < start) return "removed";
    if (offset >= end) return "beyond";
    return offset < cursor ? "settled" : "backlog";
  }

  /** Offsets that count as settled: ascending, disjoint. */
  settled(): Interval[] {
    const { start, end, cursor } = this.state;
    const settled: Interval[] = [];
    const add = (from: number, to: number) => {
      const [low, high] = [Math.max(from, start), Math.min(to, end)];
      if (low < high) settled.push({ from: low, to: high });
    };
    let next = start;
    for (const each of this.listed) {
      if (each.from > next) add(next, Math.min(each.from, cursor));
      if (each.class === "settled") add(Math.max(each.from, next), each.to);
      next = Math.max(next, each.to);
    }
    add(next, cursor);
    return settled;
  }

  /** Offsets from the cursor on that no list names. */
  backlog(): number {
    const { end, cursor } = this.state;
    return Math.max(0, end - cursor) - this.listedBetween(cursor, end);
  }

  /** How many offsets of `[from, to)` the lists name; one named twice counts once. */
  listedBetween(from: number, to: number): number {
    let count = 0;
    let next = from;
    for (const each of this.listed) {
      const [low, high] = [Math.max(each.from, next), Math.min(each.to, to)];
      if (low < high) {
        count += high - low;
        next = high;
      }
    }
    return count;
  }

  #listedAt(offset: number): ListedInterval | undefined {
    let [low, high] = [0, this.listed.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.listed[middle]!.from <= offset) low = middle + 1;
      else high = middle;
    }
    const candidate = this.listed[low - 1];
    return candidate !== undefined && offset < candidate.to ? candidate : undefined;
  }
}

function intervals(offsets: HistoryOffsets): Interval[] {
  return offsets.map((each) => {
    if (typeof each === "number") return { from: each, to: each + 1 };
    return "offset" in each ? { from: each.offset, to: each.offset + 1 } : interval(each);
  });
}

function interval(range: HistoryRange): Interval {
  return isPair(range) ? { from: range[0], to: range[1] } : { from: range.from, to: range.to };
}
function isPair(range: HistoryRange): range is readonly [number, number] {
  return Array.isArray(range);
}
