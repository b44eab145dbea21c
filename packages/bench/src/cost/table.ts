import type { Report, RowFigures } from "../report/figures.ts";
import { plain, tableOf, whole } from "../report/text.ts";
import { figureNames, IDLE, NAMES } from "./figures.ts";
import type { PrincipalName } from "./wire.ts";

const SCENARIO = "cost";
export const isOfCost = ({ scenario }: Pick<RowFigures, "scenario">): boolean => scenario === SCENARIO;
/** What stands in place of a figure that the machine does not tell. */
const UNKNOWN = "";

const median = ({ figures }: RowFigures, name: string): number | undefined => figures?.[name]?.median;
const shown = (value: number | undefined): string => (value === undefined ? UNKNOWN : plain(value));
const most = ({ figures }: RowFigures, name: string): string => shown(figures?.[name]?.max);

/** What most of it was answered with. */
function answeredWith({ figures = {} }: RowFigures, principal: PrincipalName): string {
  const prefix = figureNames(principal).answered("");
  const answers = Object.entries(figures).filter(([name]) => name.startsWith(prefix));
  const [name = prefix] = answers.toSorted(([, a], [, b]) => b.median - a.median)[0] ?? [];
  return name === prefix ? "nothing" : name.slice(prefix.length);
}
const HEAD = ["frame, or question", "bytes", "answered with", "CPU, ns/B", "×", "memory, B/B", "×", "waits, ms"];
/** A line for each frame and client: without a right, then with every right. */
function lines(rows: readonly RowFigures[], principal: PrincipalName): readonly (readonly string[])[] {
  const names = figureNames(principal);
  return rows.map((row) => [
    row.name.slice(`${SCENARIO}: `.length),
    whole(median(row, names.bytes) ?? Number.NaN),
    answeredWith(row, principal),
    shown(median(row, names.cpu)),
    shown(median(row, names.cpuTimes)),
    shown(median(row, names.memory)),
    shown(median(row, names.memoryTimes)),
    `${shown(median(row, names.p50))} / ${shown(median(row, names.p99))} / ${most(row, names.longest)}`,
  ]);
}
/** Over all rows: each measured it again. */
function over(rows: readonly RowFigures[], name: string): string {
  const values = rows.flatMap((row) => median(row, name) ?? []).sort((a, b) => a - b);
  return values.length === 0 ? UNKNOWN : shown(values[Math.floor(values.length / 2)]);
}
export function heldAgainst(rows: readonly RowFigures[]): string {
  const idle = figureNames(IDLE);
  return `an appended byte: ${over(rows, NAMES.appendedCpu)} ns of CPU, ${over(rows, NAMES.appendedMemory)} bytes of memory; a heartbeat of the idle broker waits ${over(rows, idle.p50)} / ${over(rows, idle.p99)} / ${over(rows, idle.longest)} ms`;
}
const CALLED = { stranger: "without a right", worker: "with every right" } as const;
const CLIENTS = ["stranger", "worker"] as const;

/** For the terminal. */
export function costTables(rows: readonly RowFigures[]): readonly string[] {
  return [
    heldAgainst(rows),
    ...CLIENTS.map((principal) => {
      const table = tableOf([`${CALLED[principal]}: ${HEAD[0]}`, ...HEAD.slice(1)]);
      table.push(...lines(rows, principal).map((line) => [...line]));
      return table.toString();
    }),
  ];
}
/** For a page. @param note what is to be known of the machine */
export function costPage(report: Report, note: string): string {
  const rows = report.rows.filter(isOfCost);
  if (rows.length === 0) throw new RangeError("the run has no figures of the scenario cost");
  const { node, cores, rounds } = report;
  const table = (principal: PrincipalName): string => {
    const head = [`${CALLED[principal]}`, ...HEAD.slice(1)];
    const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
    return [
      line(head),
      line(head.map((_, at) => (at === 0 || at === 2 ? "---" : "---:"))),
      ...lines(rows, principal).map(([name = "", ...rest]) => line([`\`${name}\``, ...rest])),
    ].join("\n");
  };
  return [
    `Node ${node}, ${cores} cores, ${rounds === 1 ? "1 round" : `medians of ${rounds} rounds`}${note === "" ? "" : `; ${note}`}. ${heldAgainst(rows).replace(/^a/, "A")}.`,
    ...CLIENTS.map(table),
  ].join("\n\n");
}
