import { lineThrough } from "../resources/line.ts";

/** A figure of one process over time. */
export interface Series {
  readonly name: string;
  /** Since the load began, with what was found then. */
  readonly points: readonly { readonly minutes: number; readonly value: number }[];
}
export interface Verdict {
  readonly name: string;
  readonly perHour: number;
  readonly first: number;
  readonly last: number;
  readonly flat: boolean;
}
const SHARE_MAX = 0.05;
const HEAP_BYTES_PER_HOUR_MAX = 1_000_000;

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
/** The first third warms up: caches fill, code is compiled. */
function thirds(series: Series) {
  const { points } = series;
  const middle = points.slice(Math.floor(points.length / 3), Math.floor((points.length * 2) / 3));
  const last = points.slice(Math.floor((points.length * 2) / 3));
  return { middle, last };
}
const verdictOf = (series: Series, slope: number, flat: boolean): Verdict => ({
  name: series.name,
  perHour: slope * 60,
  first: series.points[0]?.value ?? 0,
  last: series.points.at(-1)?.value ?? 0,
  flat,
});

/**
 * Memory is flat when the last third's mean is within 5 % of the middle third's,
 * or the line through both rises by less than 1 MB an hour.
 */
export function memoryVerdict(series: Series): Verdict {
  const { middle, last } = thirds(series);
  if (middle.length === 0 || last.length === 0) return verdictOf(series, 0, false); // too short to tell
  const { slope } = lineThrough([...middle, ...last].map(({ minutes, value }) => ({ x: minutes, y: value })));
  const before = mean(middle.map(({ value }) => value));
  const now = mean(last.map(({ value }) => value));
  return verdictOf(series, slope, now <= before * (1 + SHARE_MAX) || slope * 60 < HEAP_BYTES_PER_HOUR_MAX);
}
/**
 * What is counted (handles, file descriptors, bytes of a store that retention
 * bounds) is flat when it does not pass its earlier highest by more than `slack`.
 */
export function boundVerdict(series: Series, slack: number): Verdict {
  const { last } = thirds(series);
  const earlier = series.points.slice(0, series.points.length - last.length);
  if (earlier.length === 0 || last.length === 0) return verdictOf(series, 0, false);
  const { slope } = lineThrough(series.points.map(({ minutes, value }) => ({ x: minutes, y: value })));
  const highest = Math.max(...earlier.map(({ value }) => value));
  return verdictOf(series, slope, Math.max(...last.map(({ value }) => value)) <= highest + slack);
}
