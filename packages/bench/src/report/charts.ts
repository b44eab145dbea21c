import * as echarts from "echarts";
import type { Report, RowFigures } from "./figures.ts";
import { grouped } from "./grouped.ts";

const WIDTH = 900;
const OURS = "#1f6f8b";
const THEIRS = "#b8b8b8";
const INK = "#333333";
const LINES = ["#1f6f8b", "#c8553d", "#6a994e", "#7b5ea7", "#bc8a00"];
const SHAPES = ["circle", "rect", "triangle", "diamond", "roundRect"];
type Option = echarts.EChartsOption;

interface Chart {
  readonly file: string;
  readonly title: string;
  readonly draw: (title: string, rows: readonly RowFigures[]) => string;
  readonly has: (row: RowFigures) => boolean;
}
const rate = ({ messagesPerSecond }: RowFigures): number => Math.round(messagesPerSecond?.median ?? 0);
const p99 = ({ latency }: RowFigures): number => latency?.p99Ms.median ?? 0;
const kindOf = ({ scenario, name, cpuMicros }: RowFigures): string => {
  if (scenario !== "throughput") return scenario;
  if ("process" in cpuMicros) return "in one process";
  return name.startsWith("strict") ? "strict" : "windowed";
};
const bars = (file: string, title: string, kind: string): Chart => ({
  file,
  title,
  draw: (heading, rows) => barChart(heading, rows, rate, "value"),
  has: (row) => kindOf(row) === kind && row.messagesPerSecond !== undefined,
});
const charts: readonly Chart[] = [
  bars("over-the-wire.svg", "Ordered messages/s, windowed", "windowed"),
  bars("strict.svg", "Ordered messages/s, one in flight per queue", "strict"),
  bars("in-one-process.svg", "Ordered messages/s, in one process", "in one process"),
  bars("bodies.svg", "Ordered messages/s, bodies of 1 KB", "bodies"),
  bars("one-sided.svg", "Messages/s, one end at a time", "one-sided"),
  {
    file: "latency.svg",
    title: "Send to handler, p99 in ms (log axis)",
    draw: (heading, rows) => barChart(heading, rows, p99, "log"),
    has: ({ latency }) => latency !== undefined,
  },
  {
    file: "cost-against-size.svg",
    title: "Time per message against size (log axes)",
    draw: costChart,
    has: ({ point }) => point !== undefined,
  },
];
/** Every chart there can be, in the order of the page. */
export const chartFiles: readonly { readonly file: string; readonly title: string }[] = charts;

/** One chart for each kind of figure the report has. */
export function chartsOf(report: Report): readonly { readonly file: string; readonly svg: string }[] {
  return charts.flatMap(({ file, title, draw, has }) => {
    const rows = report.rows.filter(has);
    return rows.length === 0 ? [] : [{ file, svg: draw(title, rows) }];
  });
}
const short = (value: number): string =>
  value.toLocaleString("en", value < 100 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 0 });
/** Of an axis: 1,000 as 1k. */
const tick = (value: number): string => value.toLocaleString("en", { notation: "compact" });
const heading = (text: string) => ({
  text,
  left: 10,
  top: 8,
  textStyle: { fontSize: 15, color: INK, fontFamily: "sans-serif" },
});

function barChart(
  title: string,
  rows: readonly RowFigures[],
  value: (row: RowFigures) => number,
  axis: "value" | "log",
): string {
  const option: Option = {
    title: heading(`${title}; ours in blue`),
    grid: { left: 330, right: 80, top: 44, bottom: 30 },
    xAxis: {
      type: axis,
      axisLabel: { formatter: tick, hideOverlap: true },
      ...(axis === "log" ? logRange(rows.map(value)) : {}),
    },
    yAxis: {
      type: "category",
      inverse: true,
      data: rows.map(({ name }) => name),
      axisTick: { show: false },
      axisLabel: { interval: 0, color: INK, width: 315, overflow: "truncate" },
    },
    series: [
      {
        type: "bar",
        barMaxWidth: 18,
        label: { show: true, position: "right", color: INK, formatter: ({ value: shown }) => short(Number(shown)) },
        data: rows.map((row) => ({ value: value(row), itemStyle: { color: row.ours ? OURS : THEIRS } })),
      },
    ],
  };
  return render(option, 90 + rows.length * 28);
}
/** Time per message, end to end, against how much there is of what grows: a flat line is what is promised. */
function costChart(title: string, rows: readonly RowFigures[]): string {
  const lines = grouped(
    rows.filter(({ messagesPerSecond }) => messagesPerSecond !== undefined),
    ({ point }) => point?.line ?? "",
  );
  const micros = (row: RowFigures): number => 1_000_000 / (row.messagesPerSecond?.median ?? Number.NaN);
  const option: Option = {
    color: LINES,
    title: heading(title),
    legend: { top: 36, left: 10, itemGap: 22, textStyle: { color: INK } },
    grid: { left: 80, right: 40, top: 76, bottom: 56 },
    xAxis: {
      type: "log",
      name: "how many",
      nameLocation: "middle",
      nameGap: 30,
      ...logRange(rows.map(({ point }) => point?.size ?? 1)),
      axisLabel: { formatter: tick },
    },
    yAxis: {
      type: "log",
      name: "µs per message, end to end",
      nameLocation: "middle",
      nameGap: 50,
      ...logRange([...lines.values()].flat().map(micros)),
      axisLabel: { formatter: tick },
    },
    series: [...lines].map(([name, points], index) => ({
      type: "line" as const,
      name,
      symbol: SHAPES[index % SHAPES.length] ?? "circle",
      symbolSize: 8,
      data: points.map((row) => [row.point?.size ?? 0, Number(micros(row).toFixed(2))]),
    })),
  };
  return render(option, 440);
}
/** Whole powers of ten round the values. */
function logRange(values: readonly number[]): { readonly min: number; readonly max: number } {
  const min = 10 ** Math.floor(Math.log10(Math.min(...values)));
  const max = 10 ** Math.ceil(Math.log10(Math.max(...values)));
  return { min, max: max > min ? max : min * 10 };
}
function render(option: Option, height: number): string {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  chart.setOption({ animation: false, backgroundColor: "#ffffff", textStyle: { fontFamily: "sans-serif" }, ...option });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}
