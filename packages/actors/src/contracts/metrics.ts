/** Counters for a metrics library: what a broker counts, at most once per batch or frame. */
export interface Metrics {
  /** `n` more, at least 1. Called synchronously; what it throws is logged and dropped. */
  count(name: string, n: number, labels: Readonly<Record<string, string>>): void;
}
