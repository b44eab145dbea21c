import Table from "cli-table3";
import type { Spread } from "../frame/statistics.ts";
import type { Report, RowFigures } from "./figures.ts";
import { grouped } from "./grouped.ts";

const whole = (value: number): string => Math.round(value).toLocaleString("en");
const ms = (value: number): string => value.toFixed(value < 10 ? 2 : 0);
const range = ({ min, max }: Spread, text: (value: number) => string): string => `${text(min)} to ${text(max)}`;

/** The report as text for people. */
export function tablesOf(report: Report): string {
  const { load, rounds, node, cores } = report;
  const parts = [
    `${whole(load.messages)} messages of ${load.bytes} bytes, ${load.keys} keys, ${load.queues} queues, ${rounds} rounds; Node ${node}, ${cores} cores`,
  ];
  const steady = report.rows.filter(({ latency }) => latency !== undefined);
  const fast = report.rows.filter(({ latency }) => latency === undefined);
  if (fast.length > 0) parts.push(rates(fast));
  if (steady.length > 0) parts.push(latencies(steady));
  if (report.ratios.length > 0) parts.push(ratios(report));
  const packages = grouped(report.skipped, ({ debianPackage }) => debianPackage);
  for (const [debianPackage, rows] of packages)
    parts.push(
      `not installed: ${debianPackage} (Debian package); rows skipped: ${rows.map(({ row }) => row).join("; ")}`,
    );
  for (const { row, round, error } of report.failures) parts.push(`FAILED: ${row}, round ${round}: ${error}`);
  return parts.join("\n");
}
function rates(rows: readonly RowFigures[]): string {
  const table = new Table({
    head: [
      "",
      "messages",
      "msgs/s median",
      "min to max",
      "CPU µs/msg: server",
      "producer",
      "consumer",
      "durable before the ack",
    ],
  });
  for (const row of rows) {
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
  const table = new Table({
    head: ["", "p50 ms", "min to max", "p99 ms", "min to max", "longest ms", "durable before the ack"],
  });
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
function ratios({ ratios: all }: Report): string {
  const table = new Table({ head: ["ours / theirs, within a round", "", "median", "min to max", "owed", "aim"] });
  const times = (value: number): string => `${value.toFixed(2)} ×`;
  const figures = { messagesPerSecond: "msgs/s", p50Ms: "p50", p99Ms: "p99" };
  for (const { ours, theirs, figure, ratio, atLeast, atMost, aim, met } of all) {
    const bar = atLeast === undefined ? atMost : atLeast;
    const owed =
      bar === undefined ? "" : `${atLeast === undefined ? "at most" : "at least"} ${bar}: ${met ? "met" : "MISSED"}`;
    table.push([`${ours} / ${theirs}`, figures[figure], times(ratio.median), range(ratio, times), owed, aim ?? ""]);
  }
  return table.toString();
}
