export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}
/** @throws RangeError without values */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("expected at least one value, found none");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
/** @throws RangeError without values */
export const spread = (values: readonly number[]): Spread => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values),
});
/**
 * Ratios within the same round, since the machine's speed changes from round to round;
 * of rounds in which both have a value.
 */
export function ratiosOf(
  ours: readonly (number | undefined)[],
  theirs: readonly (number | undefined)[],
): readonly number[] {
  return ours.flatMap((mine, round) => {
    const other = theirs[round];
    return mine === undefined || other === undefined || !(other > 0) ? [] : [mine / other];
  });
}
/** @returns undefined without a round in which both have a value */
export function ratioOf(
  ours: readonly (number | undefined)[],
  theirs: readonly (number | undefined)[],
): Spread | undefined {
  const ratios = ratiosOf(ours, theirs);
  return ratios.length === 0 ? undefined : spread(ratios);
}
