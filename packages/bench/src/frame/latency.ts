import { build } from "hdr-histogram-js";

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}
export class Latencies {
  readonly #histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 600_000_000,
    numberOfSignificantValueDigits: 3,
  });

  note(ms: number): void {
    this.#histogram.recordValue(Math.max(1, Math.round(ms * 1000)));
  }
  get latency(): Latency {
    const { maxValue } = this.#histogram;
    // A percentile is the upper end of its bucket, which can lie above all that was recorded.
    const ms = (percentile: number): number =>
      Math.min(this.#histogram.getValueAtPercentile(percentile), maxValue) / 1000;
    return { p50Ms: ms(50), p99Ms: ms(99), maxMs: maxValue / 1000 };
  }
}
