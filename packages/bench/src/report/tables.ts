import { costTables, isOfCost } from "../cost/table.ts";
import type { Report, RowFigures } from "./figures.ts";
import { grouped } from "./grouped.ts";
import { plain, range, tableOf, times, whole, worded } from "./text.ts";

const ms = (value: number): string => value.toFixed(value < 10 ? 2 : 0);

/** The report as text for people. */
export function tablesOf(report: Report): string {
  const { load, rounds, node, cores } = report;
  const parts = [
    `${whole(load.messages)} messages of ${load.bytes} bytes after a warm-up of ${load.warmUpPercent} % as many, ${load.keys} keys, ${load.queues} queues, ${rounds} rounds; Node ${node}, ${cores} cores`,
  ];
  const steady = report.rows.filter(({ latency }) => latency !== undefined);
  const fast = report.rows.filter(
    ({ latency, messagesPerSecond: rate }) => latency === undefined && rate !== undefined,
  );
  const ofCost = report.rows.filter(isOfCost);
  const further = report.rows.filter((row) => row.figures !== undefined && !isOfCost(row));
  if (fast.length > 0) parts.push(rates(fast));
  if (steady.length > 0) parts.push(latencies(steady));
  if (further.length > 0) parts.push(furtherFigures(further));
  if (ofCost.length > 0) parts.push(...costTables(ofCost));
  if (report.ratios.length > 0) parts.push(ratios(report.ratios));
  if (report.bars.length > 0) parts.push(bars(report));
  return [...parts, ...notRun(report)].join("\n");
}
/** Lines on rows that were skipped or failed. */
export function notRun({ skipped, failures }: Pick<Report, "skipped" | "failures">): readonly string[] {
  const packages = [...grouped(skipped, ({ debianPackage }) => debianPackage)];
  return [
    ...packages.map(
      ([debianPackage, rows]) =>
        `not installed: ${debianPackage} (Debian package); rows skipped: ${rows.map(({ row }) => row).join("; ")}`,
    ),
    ...failures.map(({ row, round, error }) => `FAILED: ${row}, round ${round}: ${error}`),
  ];
}
function rates(rows: readonly RowFigures[]): string {
  const table = tableOf([
    "",
    "messages",
    "msgs/s median",
    "min to max",
    "CPU µs/msg: server",
    "producer",
    "consumer",
    "durable before the ack",
  ]);
  for (const row of rows) {
    if (row.messagesPerSecond === undefined) continue;
    const cpu = (process: string): string => row.cpuMicros[process]?.toFixed(1) ?? "";
    table.push([
      row.name,
      whole(row.messages),
      whole(row.messagesPerSecond.median),
      range(row.messagesPerSecond, whole),
      ...("process" in row.cpuMicros
        ? [{ content: `${cpu("process")} in one process`, colSpan: 3 }]
        : [cpu("server"), cpu("producer"), cpu("consumer")]),
      row.durable,
    ]);
  }
  return table.toString();
}
function latencies(rows: readonly RowFigures[]): string {
  const table = tableOf(["", "p50 ms", "min to max", "p99 ms", "min to max", "longest ms", "durable before the ack"]);
  for (const { name, latency, durable } of rows)
    if (latency !== undefined) {
      const { p50Ms, p99Ms, maxMs } = latency;
      table.push([
        name,
        ms(p50Ms.median),
        range(p50Ms, ms),
        ms(p99Ms.median),
        range(p99Ms, ms),
        ms(maxMs.max),
        durable,
      ]);
    }
  return table.toString();
}
function furtherFigures(rows: readonly RowFigures[]): string {
  const table = tableOf(["", "", "median", "min to max"]);
  for (const { name, figures = {} } of rows)
    for (const [index, [figure, value]] of Object.entries(figures).entries())
      table.push([index === 0 ? name : "", figure, plain(value.median), range(value, plain)]);
  return table.toString();
}
/** Those of `cost` are as many as there are frames: only what is missed is told. */
function bars({ bars: all, rows }: Report): string {
  const table = tableOf(["row", "", "median", "min to max", "owed"]);
  const told = new Set(rows.filter(isOfCost).map(({ name }) => name));
  for (const { row, figure, value, atMost, met } of all) {
    if (met && told.has(row)) continue;
    const owed = `at most ${plain(atMost)}: ${met ? "met" : "MISSED"}`;
    table.push([row, worded(figure), plain(value.median), range(value, plain), owed]);
  }
  return table.toString();
}
export function ratios(all: Report["ratios"]): string {
  const table = tableOf(["ours / theirs, within a round", "", "median", "min to max", "owed", "aim"]);
  for (const { ours, theirs, figure, ratio, atLeast, atMost, aim, met } of all) {
    const bar = atLeast === undefined ? atMost : atLeast;
    const owed =
      bar === undefined ? "" : `${atLeast === undefined ? "at most" : "at least"} ${bar}: ${met ? "met" : "MISSED"}`;
    table.push([`${ours} / ${theirs}`, worded(figure), times(ratio.median), range(ratio, times), owed, aim ?? ""]);
  }
  return table.toString();
}
