import { figureOf } from "../frame/compare.ts";
import type { Results } from "../frame/rounds.ts";
import type { Measured, Row } from "../frame/row.ts";
import { ratiosOf, type Spread, spread } from "../frame/statistics.ts";
import { resultsOf, SIDES, type Side } from "./sided.ts";
import { type Better, type Judged, judge } from "./verdict.ts";

/** One figure of one row, before and after. */
export interface Change extends Judged {
  readonly row: string;
  readonly figure: string;
  readonly better: Better;
  readonly before?: Spread;
  readonly after?: Spread;
  /** Of each side, what each round measured; null where it failed. */
  readonly perRound: Readonly<Record<Side, readonly (number | null)[]>>;
}
interface Judgeable {
  readonly figure: string;
  readonly better: Better;
  /** Otherwise it is only told. */
  readonly judged: boolean;
  of(measured: Measured): number | undefined;
}
const cpu: Judgeable = {
  figure: "CPU µs/msg",
  better: "less",
  judged: false,
  of: ({ cpuMicros }) => Object.values(cpuMicros).reduce((sum, micros) => sum + micros, 0) || undefined,
};
/**
 * A row that sends at a steady rate is judged by its times, another by its rate;
 * one that has neither by the figures it has.
 */
function judgeableOf(measured: Measured): readonly Judgeable[] {
  const { cpuMicros, latency, messagesPerSecond, figures = {} } = measured;
  const named = (figure: string, better: Better, judged: boolean): Judgeable => ({
    figure,
    better,
    judged,
    of: (each) => figureOf(each, figure),
  });
  const told = Object.keys(cpuMicros).length === 0 ? [] : [cpu];
  if (latency !== undefined) return [named("p50Ms", "less", true), named("p99Ms", "less", true), ...told];
  const judged = (name: string): boolean => messagesPerSecond === undefined && !name.endsWith(", msgs"); // a count is no cost
  const further = Object.keys(figures).map((name) => named(name, "less", judged(name)));
  return messagesPerSecond === undefined ? further : [named("messagesPerSecond", "more", true), ...told, ...further];
}
/** Every figure of every row of ours. */
export function changesOf(rows: readonly Row[], results: Results, within: number): readonly Change[] {
  const sides = new Map(SIDES.map((side) => [side, resultsOf(rows, results, side).of]));
  return rows
    .filter(({ ours }) => ours)
    .flatMap((row): readonly Change[] => {
      const rounds = (side: Side): readonly (Measured | undefined)[] => sides.get(side)?.get(row.name) ?? [];
      const sample = SIDES.flatMap(rounds).find((measured) => measured !== undefined);
      if (sample === undefined) return [];
      return judgeableOf(sample).map(({ figure, better, judged, of }): Change => {
        const values = (side: Side) => rounds(side).map((measured) => measured && of(measured));
        const [before, after, again] = [values("before"), values("after"), values("before again")];
        const found = judge(ratiosOf(after, before), ratiosOf(again, before), better, within);
        return {
          row: row.name,
          figure,
          better,
          ...found,
          verdict: judged ? found.verdict : "told",
          ...spreadOf("before", before),
          ...spreadOf("after", after),
          perRound: { before: noted(before), after: noted(after), "before again": noted(again) },
        };
      });
    });
}
const noted = (values: readonly (number | undefined)[]): readonly (number | null)[] =>
  values.map((value) => value ?? null);
function spreadOf(name: "before" | "after", values: readonly (number | undefined)[]) {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? {} : { [name]: spread(known) };
}
