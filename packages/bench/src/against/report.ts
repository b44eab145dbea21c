import type { Compared } from "../frame/compare.ts";
import { ROUNDS_AGAINST } from "../options.ts";
import type { Report } from "../report/figures.ts";
import { notRun, ratios } from "../report/tables.ts";
import { plain, range, tableOf, times, worded } from "../report/text.ts";
import type { Change } from "./change.ts";
import type { Verdict } from "./verdict.ts";

export interface AgainstReport extends Pick<Report, "load" | "rounds" | "node" | "cores" | "skipped" | "failures"> {
  /** Hash of the commit that is "before". */
  readonly commit: string;
  /** What was built when the run began, which is "after". */
  readonly today: string;
  readonly withinPercent: number;
  readonly changes: readonly Change[];
  /** Each side beside peers, where those ran. */
  readonly beside: Readonly<Record<"before" | "after", readonly Compared[]>>;
}
const words: Readonly<Record<Verdict, string>> = {
  within: "within",
  gained: "gained",
  lost: "LOST",
  "too noisy": "too noisy to tell",
  told: "told, not judged",
  "no ratio": "no round has all three",
};
const short = (text: string): string => text.replace(/^[0-9a-f]{40}/, (hash) => hash.slice(0, 10));
/** The report as text for people. */
export function againstText(report: AgainstReport): string {
  const { commit, today, rounds, withinPercent, load, node, cores, beside } = report;
  const parts = [
    `${short(commit)} (before) and ${short(today)} (after), ${rounds} rounds of both, limit ${withinPercent} %; ${plain(load.messages)} messages of ${load.bytes} bytes; Node ${node}, ${cores} cores`,
    changes(report.changes),
    "after / before: the median of the ratios within a round. Noise: how far the same ratio of the commit to itself may be from 1 (95 %), in this run.",
  ];
  for (const side of ["before", "after"] as const)
    if (beside[side].length > 0) parts.push(`${side}, beside peers:`, ratios(beside[side]));
  parts.push(...notRun(report));
  const noisy = report.changes.filter(({ verdict }) => verdict === "too noisy").length;
  if (noisy > 0) parts.push(`${noisy} too noisy to tell: no pass. More --rounds or a quieter machine would tell.`);
  if (rounds < ROUNDS_AGAINST)
    parts.push(`${rounds} rounds: a look, no proof; "within ${withinPercent} %" takes ${ROUNDS_AGAINST}.`);
  return parts.join("\n");
}
function changes(all: readonly Change[]): string {
  const table = tableOf(["", "", "before", "after", "after / before", "min to max", "same code", "noise", "verdict"]);
  let shown = "";
  for (const { row, figure, before, after, ratio, sameCode, noise, verdict } of all) {
    table.push([
      row === shown ? "" : row,
      worded(figure),
      before === undefined ? "" : plain(before.median),
      after === undefined ? "" : plain(after.median),
      ratio === undefined ? "" : times(ratio.median),
      ratio === undefined ? "" : range(ratio, times),
      sameCode === undefined ? "" : times(sameCode.median),
      noise === undefined ? "" : `${(noise * 100).toFixed(1)} %`,
      words[verdict],
    ]);
    shown = row;
  }
  return table.toString();
}
/**
 * 0: every judged row is within the limit or better; 1:
 * one lost more, or failed; 2: none did, but of one it cannot be told.
 */
export function exitCodeOf({ changes, failures }: Pick<AgainstReport, "changes" | "failures">): 0 | 1 | 2 {
  const some = (verdict: Verdict): boolean => changes.some((change) => change.verdict === verdict);
  if (failures.length > 0 || some("lost")) return 1;
  return changes.length === 0 || some("too noisy") || some("no ratio") ? 2 : 0;
}
