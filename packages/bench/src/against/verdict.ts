import { type Spread, spread } from "../frame/statistics.ts";

/** `lost` fails the run; so does `too noisy`, which is no pass; `told` is judged by nobody. */
export type Verdict = "within" | "gained" | "lost" | "too noisy" | "told" | "no ratio";
/** Which is better: more of a figure, as of messages/s, or less of it, as of milliseconds. */
export type Better = "more" | "less";

/**
 * Where the true median lies with a certainty of 95 %, whatever the distribution: between two of the
 * sorted values, as a sign test has it. With fewer than six values there is no such certainty, and it
 * is their whole range; of more than a thousand the chance of the first is too small for a number.
 * @throws RangeError without values
 */
export function medianBetween(values: readonly number[]): Pick<Spread, "min" | "max"> {
  const sorted = values.toSorted((a, b) => a - b);
  const count = sorted.length;
  if (count === 0) throw new RangeError("expected at least one value, found none");
  // Chance that the true median lies below the value of that rank: of at most so many heads in `count` tosses.
  let chance = 0;
  let ofRank = 0.5 ** count;
  let rank = 0;
  while (chance + ofRank <= 0.025) {
    chance += ofRank;
    ofRank = (ofRank * (count - rank)) / (rank + 1);
    rank += 1;
  }
  const outermost = Math.max(0, rank - 1);
  return { min: sorted[outermost]!, max: sorted[count - 1 - outermost]! };
}
/** How far the median of the ratios of one and the same code may be from 1 by chance. */
export function noiseOf(again: readonly number[]): number {
  const { min, max } = medianBetween(again);
  return Math.max(1 - min, max - 1);
}
export interface Judged {
  readonly verdict: Verdict;
  /** after / before, of the rounds. */
  readonly ratio?: Spread;
  /** before again / before, of the rounds. */
  readonly sameCode?: Spread;
  readonly noise?: number;
}
/**
 * Judges the median ratio. Where the noise is above the limit the median alone says nothing:
 * then it is lost, or not, only if it would be so at either end of the noise.
 * @param within the limit, as a share
 */
export function judge(after: readonly number[], again: readonly number[], better: Better, within: number): Judged {
  if (after.length === 0 || again.length === 0) return { verdict: "no ratio" };
  const ratio = spread(after);
  const noise = noiseOf(again);
  const loss = better === "more" ? 1 - ratio.median : ratio.median - 1;
  const doubt = noise > within ? noise : 0;
  const verdict = ((): Verdict => {
    if (loss - doubt > within) return "lost";
    if (loss + doubt > within) return "too noisy";
    return -loss - doubt > within ? "gained" : "within";
  })();
  return { verdict, ratio, sameCode: spread(again), noise };
}
