import Table from "cli-table3";
import type { Spread } from "../frame/statistics.ts";
import type { Report, RowFigures } from "./figures.ts";
import { grouped } from "./grouped.ts";

const whole = (value: number): string => Math.round(value).toLocaleString("en");
const plain = (value: number): string => (Math.abs(value) < 100 ? String(Number(value.toPrecision(3))) : whole(value));
const ms = (value: number): string => value.toFixed(value < 10 ? 2 : 0);
const range = ({ min, max }: Spread, text: (value: number) => string): string => `${text(min)} to ${text(max)}`;

const tableOf = (head: string[]) => new Table({ head, style: { head: [], border: [] } }); // plain, for files as well

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
  const further = report.rows.filter(({ figures }) => figures !== undefined);
  if (fast.length > 0) parts.push(rates(fast));
  if (steady.length > 0) parts.push(latencies(steady));
  if (further.length > 0) parts.push(furtherFigures(further));
  if (report.ratios.length > 0) parts.push(ratios(report));
  if (report.bars.length > 0) parts.push(bars(report));
  const packages = grouped(report.skipped, ({ debianPackage }) => debianPackage);
  for (const [debianPackage, rows] of packages)
    parts.push(
      `not installed: ${debianPackage} (Debian package); rows skipped: ${rows.map(({ row }) => row).join("; ")}`,
    );
  for (const { row, round, error } of report.failures) parts.push(`FAILED: ${row}, round ${round}: ${error}`);
  return parts.join("\n");
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
function bars({ bars: all }: Report): string {
  const table = tableOf(["row", "", "median", "min to max", "owed"]);
  for (const { row, figure, value, atMost, met } of all) {
    const owed = `at most ${plain(atMost)}: ${met ? "met" : "MISSED"}`;
    table.push([row, words[figure] ?? figure, plain(value.median), range(value, plain), owed]);
  }
  return table.toString();
}
const words: Readonly<Record<string, string>> = {
  messagesPerSecond: "msgs/s",
  microsPerMessage: "µs/msg",
  p50Ms: "p50, ms",
  p99Ms: "p99, ms",
};
function ratios({ ratios: all }: Report): string {
  const table = tableOf(["ours / theirs, within a round", "", "median", "min to max", "owed", "aim"]);
  const times = (value: number): string => `${value.toFixed(2)} ×`;
  for (const { ours, theirs, figure, ratio, atLeast, atMost, aim, met } of all) {
    const bar = atLeast === undefined ? atMost : atLeast;
    const owed =
      bar === undefined ? "" : `${atLeast === undefined ? "at most" : "at least"} ${bar}: ${met ? "met" : "MISSED"}`;
    table.push([
      `${ours} / ${theirs}`,
      words[figure] ?? figure,
      times(ratio.median),
      range(ratio, times),
      owed,
      aim ?? "",
    ]);
  }
  return table.toString();
}
