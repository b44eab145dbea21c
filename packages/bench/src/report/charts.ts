import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as echarts from "echarts";
import type { Report, RowFigures } from "./figures.ts";
import { grouped } from "./grouped.ts";

const WIDTH = 900;
const OURS = "#1f6f8b";
const THEIRS = "#b8b8b8";
type Option = echarts.EChartsOption;

/** Writes one SVG per kind of figure the report has. @returns the files */
export async function writeCharts(report: Report, folder: string): Promise<readonly string[]> {
  await mkdir(folder, { recursive: true });
  const charts = chartsOf(report);
  for (const { file, svg } of charts) await writeFile(join(folder, file), svg);
  return charts.map(({ file }) => join(folder, file));
}
export function chartsOf(report: Report): readonly { readonly file: string; readonly svg: string }[] {
  const charts: { file: string; svg: string }[] = [];
  const bars = (file: string, title: string, rows: readonly RowFigures[], value: (row: RowFigures) => number): void => {
    if (rows.length > 0) charts.push({ file, svg: render(barOption(title, rows, value), 90 + rows.length * 30) });
  };
  const rate = (row: RowFigures): number => Math.round(row.messagesPerSecond.median);
  const throughput = report.rows.filter(({ scenario }) => scenario === "throughput");
  const kind = ({ name, cpuMicros }: RowFigures): string =>
    "process" in cpuMicros ? "in-one-process" : name.startsWith("strict") ? "strict" : "over-the-wire";
  bars(
    "over-the-wire.svg",
    "Ordered messages/s, windowed",
    throughput.filter((row) => kind(row) === "over-the-wire"),
    rate,
  );
  bars(
    "strict.svg",
    "Ordered messages/s, one in flight per queue",
    throughput.filter((row) => kind(row) === "strict"),
    rate,
  );
  bars(
    "in-one-process.svg",
    "Ordered messages/s, in one process",
    throughput.filter((row) => kind(row) === "in-one-process"),
    rate,
  );
  const steady = report.rows.filter(({ latency }) => latency !== undefined);
  const p99 = (row: RowFigures): number => Number(row.latency?.p99Ms.median.toFixed(2) ?? 0);
  bars("latency.svg", "Send to handler, p99, ms (log scale)", steady, p99);
  const points = report.rows.filter(({ point }) => point !== undefined);
  if (points.length > 0) charts.push({ file: "cost-against-size.svg", svg: render(costOption(points), 420) });
  return charts;
}
function barOption(title: string, rows: readonly RowFigures[], value: (row: RowFigures) => number): Option {
  const steady = rows[0]?.latency !== undefined;
  return {
    title: { text: title, textStyle: { fontSize: 15 } },
    grid: { left: 370, right: 90, top: 50, bottom: 30 },
    xAxis: { type: steady ? "log" : "value" },
    yAxis: { type: "category", inverse: true, data: rows.map(({ name }) => name), axisLabel: { width: 360 } },
    series: [
      {
        type: "bar",
        label: { show: true, position: "right", formatter: ({ value: shown }) => Number(shown).toLocaleString("en") },
        data: rows.map((row) => ({ value: value(row), itemStyle: { color: row.ours ? OURS : THEIRS } })),
      },
    ],
  };
}
/** Time per message, end to end, against how much there is of what grows: a flat line is what is promised. */
function costOption(rows: readonly RowFigures[]): Option {
  const lines = grouped(rows, ({ point }) => point?.line ?? "");
  return {
    title: { text: "Cost of a message against size (log axes)", textStyle: { fontSize: 15 } },
    legend: { top: 30 },
    grid: { left: 80, right: 40, top: 70, bottom: 60 },
    xAxis: { type: "log", name: "how many", nameLocation: "middle", nameGap: 30 },
    yAxis: { type: "log", name: "µs per message, end to end" },
    series: [...lines].map(([name, points]) => ({
      type: "line" as const,
      name,
      data: points.map((row) => [row.point?.size ?? 0, Number((1_000_000 / row.messagesPerSecond.median).toFixed(2))]),
    })),
  };
}
function render(option: Option, height: number): string {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  chart.setOption({ animation: false, backgroundColor: "#ffffff", ...option });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
