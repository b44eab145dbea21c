import Table from "cli-table3";
import type { Spread } from "../frame/statistics.ts";

export const whole = (value: number): string => Math.round(value).toLocaleString("en");
export const plain = (value: number): string =>
  Math.abs(value) < 100 ? String(Number(value.toPrecision(3))) : whole(value);
export const times = (value: number): string => `${value.toFixed(2)} ×`;
export const range = ({ min, max }: Pick<Spread, "min" | "max">, text: (value: number) => string): string =>
  `${text(min)} to ${text(max)}`;
/** Plain, for files as well. */
export const tableOf = (head: string[]) => new Table({ head, style: { head: [], border: [] } });
/** What a figure is called in tables. */
export const worded = (figure: string): string => words[figure] ?? figure;
const words: Readonly<Record<string, string>> = {
  messagesPerSecond: "msgs/s",
  microsPerMessage: "µs/msg",
  p50Ms: "p50, ms",
  p99Ms: "p99, ms",
};
