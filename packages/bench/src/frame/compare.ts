import type { Results } from "./rounds.ts";
import type { Measured } from "./row.ts";
import { ratioOf, type Spread } from "./statistics.ts";

export type Figure = "messagesPerSecond" | "p50Ms" | "p99Ms";
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
export const figureOf = (measured: Measured | undefined, figure: Figure): number | undefined =>
  figure === "messagesPerSecond" ? measured?.messagesPerSecond : measured?.latency?.[figure];

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
