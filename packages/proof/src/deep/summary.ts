import Table from "cli-table3";
import type { Part } from "./part.ts";
import type { PartResult } from "./run-part.ts";

const PLAIN = { head: [], border: [] };
const RIGHT = "right" as const;
const LEFT = "left" as const;
const minutes = (value: number): string => value.toFixed(1);

/** The table that minutes are divided by. */
export function partsText(parts: readonly Part[]): string {
  const table = new Table({
    head: ["part", "share", "at least", "what it does"],
    colAligns: [LEFT, RIGHT, RIGHT, LEFT],
    colWidths: [13, 7, 10, 44],
    wordWrap: true,
    style: PLAIN,
  });
  for (const { name, share, minutesMin, about, isFixed } of parts)
    table.push([name, share, minutes(minutesMin), isFixed ? `${about} (takes what it takes)` : about]);
  return table.toString();
}
/** What came of each. */
export function summaryText(results: readonly PartResult[]): string {
  const table = new Table({
    head: ["part", "given", "used", "did", "verdict"],
    colAligns: [LEFT, RIGHT, RIGHT, LEFT, LEFT],
    colWidths: [13, 7, 7, 26, 18],
    wordWrap: true,
    style: PLAIN,
  });
  for (const { name, minutesGiven, minutesUsed, did, verdict } of results)
    table.push([name, minutes(minutesGiven), minutes(minutesUsed), did, verdict]);
  return table.toString();
}
/** The last line: what failed, and what is not proved. */
export function verdictText(results: readonly PartResult[]): string {
  const named = (...verdicts: readonly string[]): string[] =>
    results.filter(({ verdict }) => verdicts.includes(verdict)).map(({ name }) => name);
  const [failed, whole, some, open] = [
    named("FAILED"),
    named("passed"),
    named("passed, not all"),
    named("cut", "not reached"),
  ];
  return [
    failed.length > 0 ? `FAILED: ${failed.join(", ")}.` : null,
    `${whole.length} of ${results.length} parts passed whole.`,
    some.length > 0 ? `Passed as far as they came: ${some.join(", ")}.` : null,
    open.length > 0 ? `NOT PROVED, for want of time: ${open.join(", ")}.` : null,
  ]
    .filter((line) => line !== null)
    .join("\n");
}
