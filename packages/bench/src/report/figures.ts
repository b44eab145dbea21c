import type { Compared, Held } from "../frame/compare.ts";
import type { Results } from "../frame/rounds.ts";
import type { Measured, Row } from "../frame/row.ts";
import { median, type Spread, spread } from "../frame/statistics.ts";
import type { Load } from "../frame/system.ts";
import type { Traffic } from "../frame/traffic.ts";

export interface RowFigures {
  readonly name: string;
  readonly scenario: string;
  readonly ours: boolean;
  readonly durable: string;
  readonly messages: number;
  readonly rounds: number;
  /** Absent where something else is measured. */
  readonly messagesPerSecond?: Spread;
  /** Medians, µs per message. */
  readonly cpuMicros: Readonly<Record<string, number>>;
  readonly latency?: { readonly p50Ms: Spread; readonly p99Ms: Spread; readonly maxMs: Spread };
  /** What is measured besides, or instead, under names that end with their unit. */
  readonly figures?: Readonly<Record<string, Spread>>;
  /** Medians, per message. */
  readonly traffic?: Traffic;
  /** What each round measured, for readers who check the medians; null where it failed. */
  readonly perRound: readonly (Measured | null)[];
  readonly point?: Row["point"] & object;
}
export interface Report {
  readonly load: Pick<Load, "messages" | "bytes" | "keys" | "queues" | "window"> & { readonly warmUpPercent: number };
  readonly rounds: number;
  readonly node: string;
  readonly cores: number;
  readonly rows: readonly RowFigures[];
  readonly ratios: readonly Compared[];
  readonly bars: readonly Held[];
  readonly skipped: readonly { readonly row: string; readonly debianPackage: string }[];
  readonly failures: Results["failures"];
}

/** @returns finds a row by its name @throws RangeError when it is not in the report */
export const figuresNamed =
  ({ rows }: Report) =>
  (name: string): RowFigures => {
    const found = rows.find((row) => row.name === name);
    if (found === undefined) throw new RangeError(`the run has no figures of the row "${name}"`);
    return found;
  };

/** Of the rounds in which the row did not fail; leaves out rows that always did. */
export function figuresOf(
  rows: readonly Row[],
  results: Results,
  messagesOf: (row: Row) => number,
): readonly RowFigures[] {
  return rows.flatMap((row) => {
    const all = results.of.get(row.name) ?? [];
    const rounds = all.filter((measured) => measured !== undefined);
    if (rounds.length === 0) return [];
    const processes = Object.keys(rounds[0]!.cpuMicros);
    const figures: RowFigures = {
      name: row.name,
      scenario: row.scenario,
      ours: row.ours,
      durable: row.durable,
      messages: messagesOf(row),
      rounds: rounds.length,
      ...rateOf(rounds),
      cpuMicros: Object.fromEntries(
        processes.map((process) => [process, median(rounds.map(({ cpuMicros }) => cpuMicros[process] ?? 0))]),
      ),
      ...latencyOf(rounds),
      ...furtherOf(rounds),
      ...trafficOf(rounds),
      perRound: all.map((measured) => measured ?? null),
      ...(row.point === undefined ? {} : { point: row.point }),
    };
    return [figures];
  });
}
function rateOf(rounds: readonly Measured[]): Pick<RowFigures, "messagesPerSecond"> {
  const rates = rounds.flatMap(({ messagesPerSecond }) => messagesPerSecond ?? []);
  return rates.length === 0 ? {} : { messagesPerSecond: spread(rates) };
}
function furtherOf(rounds: readonly Measured[]): Pick<RowFigures, "figures"> {
  const names = [...new Set(rounds.flatMap(({ figures }) => Object.keys(figures ?? {})))];
  if (names.length === 0) return {};
  const of = (name: string): Spread => spread(rounds.flatMap(({ figures }) => figures?.[name] ?? []));
  return { figures: Object.fromEntries(names.map((name) => [name, of(name)])) };
}
function trafficOf(rounds: readonly Measured[]): Pick<RowFigures, "traffic"> {
  const names = [...new Set(rounds.flatMap(({ traffic }) => Object.keys(traffic ?? {}) as (keyof Traffic)[]))];
  if (names.length === 0) return {};
  const of = (name: keyof Traffic): number => median(rounds.flatMap(({ traffic }) => traffic?.[name] ?? []));
  return { traffic: Object.fromEntries(names.map((name) => [name, of(name)])) };
}
function latencyOf(rounds: readonly Measured[]): Pick<RowFigures, "latency"> {
  const latencies = rounds.flatMap(({ latency }) => (latency === undefined ? [] : [latency]));
  if (latencies.length === 0) return {};
  const of = (figure: "p50Ms" | "p99Ms" | "maxMs"): Spread => spread(latencies.map((latency) => latency[figure]));
  return { latency: { p50Ms: of("p50Ms"), p99Ms: of("p99Ms"), maxMs: of("maxMs") } };
}
