import type { Results } from "../frame/rounds.ts";
import type { Row } from "../frame/row.ts";

/**
 * Who runs in a round: the commit, today's code, and the commit a second time, whose ratio to the first is the noise.
 */
export const SIDES = ["before", "after", "before again"] as const;
export type Side = (typeof SIDES)[number];
export type SidedRow = Row & { readonly side?: Side };

/**
 * Every order of three, each followed by its mirror:
 * each pair is next to each other equally often, and each side is first as often as last.
 */
const ORDERS = [
  [0, 1, 2],
  [2, 1, 0],
  [1, 2, 0],
  [0, 2, 1],
  [2, 0, 1],
  [1, 0, 2],
] as const;
/** @param round from 1 */
export const sidesOf = (round: number): readonly Side[] =>
  ORDERS[(round - 1) % ORDERS.length]!.map((nth) => SIDES[nth]!);

const nameOf = (row: string, side: Side): string => `${row} (${side})`;
/** The rows of a round: of each row of ours all sides, one right after the other; of a peer's row itself. */
export const sidedRows = (rows: readonly Row[], round: number): readonly SidedRow[] =>
  rows.flatMap((row) =>
    row.ours ? sidesOf(round).map((side) => ({ ...row, name: nameOf(row.name, side), side })) : [row],
  );
/** Results as one side has them, under the names of the rows; peers' rows are in each. */
export function resultsOf(rows: readonly Row[], { of, failures }: Results, side: Side): Results {
  const own = rows.map(({ name, ours }) => [name, of.get(ours ? nameOf(name, side) : name) ?? []] as const);
  return { of: new Map(own), failures };
}
