import type { Measured, Row } from "./row.ts";

/** Of each row, what each round measured; undefined where it failed. */
export interface Results {
  readonly of: ReadonlyMap<string, readonly (Measured | undefined)[]>;
  readonly failures: readonly { readonly row: string; readonly round: number; readonly error: string }[];
}
/**
 * Runs all rows once per round, so that a change of the machine's speed meets all of them; every other round goes backwards.
 * A row that fails does not end the rounds.
 * @param soFar hears of all results after each round, so that a run that is ended early is not lost
 */
export async function runRounds(
  rows: readonly Row[],
  rounds: number,
  measure: (row: Row) => Promise<Measured>,
  tell: (line: { readonly row: Row; readonly round: number; readonly outcome: Measured | Error }) => void,
  soFar: (results: Results) => Promise<void> = async () => {},
): Promise<Results> {
  const of = new Map<string, (Measured | undefined)[]>(rows.map(({ name }) => [name, []]));
  const failures: { row: string; round: number; error: string }[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const row of round % 2 === 1 ? rows : rows.toReversed())
      try {
        const measured = await measure(row);
        of.get(row.name)?.push(measured);
        tell({ row, round, outcome: measured });
      } catch (cause) {
        const error = cause instanceof Error ? cause : new Error(String(cause));
        of.get(row.name)?.push(undefined);
        failures.push({ row: row.name, round, error: error.message });
        tell({ row, round, outcome: error });
      }
    await soFar({ of, failures });
  }
  return { of, failures };
}
