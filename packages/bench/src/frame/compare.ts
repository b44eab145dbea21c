import type { Results } from "./rounds.ts";
import type { Measured } from "./row.ts";
import { ratioOf, type Spread, spread } from "./statistics.ts";

/** One of these, or the name of a further figure of the row. */
export type Figure = "messagesPerSecond" | "microsPerMessage" | "p50Ms" | "p99Ms" | (string & {});
/** A row of ours held against one of theirs: ours / theirs within the same round. */
export interface Comparison {
  readonly ours: string;
  readonly theirs: string;
  readonly figure: Figure;
  /** What is owed: the median ratio is at least this, or at most. */
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly aim?: number;
}
export type Compared = Comparison & {
  readonly ratio: Spread;
  /** undefined without a bar */
  readonly met?: boolean;
};
/** What a row owes by itself. */
export interface Bar {
  readonly row: string;
  readonly figure: Figure;
  /** The median is at most this. */
  readonly atMost: number;
}
export type Held = Bar & { readonly value: Spread; readonly met: boolean };

export function figureOf(measured: Measured | undefined, figure: Figure): number | undefined {
  const rate = measured?.messagesPerSecond;
  if (figure === "messagesPerSecond") return rate;
  if (figure === "microsPerMessage") return rate === undefined ? undefined : 1_000_000 / rate;
  if (figure === "p50Ms") return measured?.latency?.p50Ms;
  if (figure === "p99Ms") return measured?.latency?.p99Ms;
  return measured?.figures?.[figure];
}
/** Leaves out bars of rows that did not run. */
export function hold(bars: readonly Bar[], { of }: Results): readonly Held[] {
  return bars.flatMap((bar) => {
    const values = (of.get(bar.row) ?? []).flatMap((measured) => figureOf(measured, bar.figure) ?? []);
    if (values.length === 0) return [];
    const value = spread(values);
    return [{ ...bar, value, met: value.median <= bar.atMost }];
  });
}
/** Leaves out comparisons of rows that did not run. */
export function compare(comparisons: readonly Comparison[], { of }: Results): readonly Compared[] {
  return comparisons.flatMap((comparison) => {
    const values = (name: string) => (of.get(name) ?? []).map((measured) => figureOf(measured, comparison.figure));
    const ratio = ratioOf(values(comparison.ours), values(comparison.theirs));
    if (ratio === undefined) return [];
    const { atLeast, atMost } = comparison;
    if (atLeast !== undefined) return [{ ...comparison, ratio, met: ratio.median >= atLeast }];
    if (atMost !== undefined) return [{ ...comparison, ratio, met: ratio.median <= atMost }];
    return [{ ...comparison, ratio }];
  });
}
