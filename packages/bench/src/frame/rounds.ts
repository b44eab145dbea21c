import type { Measured, Row } from "./row.ts";

/** Of each row, what each round measured; undefined where it failed. */
export interface Results {
  readonly of: ReadonlyMap<string, readonly (Measured | undefined)[]>;
  readonly failures: readonly { readonly row: string; readonly round: number; readonly error: string }[];
}
/** Rows of a run in the order of a round, counted from 1; every other round goes backwards. */
export const backAndForth =
  <R extends Row>(rows: readonly R[]) =>
  (round: number): readonly R[] =>
    round % 2 === 1 ? rows : rows.toReversed();
/**
 * Runs all rows once per round, so that a change of the machine's speed meets all of them.
 * A row that fails does not end the rounds.
 * @param rowsOf the rows of a round, in its order: in every round the same ones
 * @param soFar hears of all results after each round, so that a run that is ended early is not lost
 */
export async function runRounds<R extends Row>(
  rowsOf: (round: number) => readonly R[],
  rounds: number,
  measure: (row: R) => Promise<Measured>,
  tell: (line: { readonly row: R; readonly round: number; readonly outcome: Measured | Error }) => void,
  soFar: (results: Results) => Promise<void> = async () => {},
): Promise<Results> {
  const of = new Map<string, (Measured | undefined)[]>();
  const note = ({ name }: R, measured: Measured | undefined): void => {
    const found = of.get(name);
    if (found === undefined) of.set(name, [measured]);
    else found.push(measured);
  };
  const failures: { row: string; round: number; error: string }[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const row of rowsOf(round))
      try {
        const measured = await measure(row);
        note(row, measured);
        tell({ row, round, outcome: measured });
      } catch (cause) {
        const error = cause instanceof Error ? cause : new Error(String(cause));
        note(row, undefined);
        failures.push({ row: row.name, round, error: error.message });
        tell({ row, round, outcome: error });
      }
    await soFar({ of, failures });
  }
  return { of, failures };
}
