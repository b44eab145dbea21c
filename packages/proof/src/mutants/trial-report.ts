/** What a trial's process is told: the seeds to run, in order. */
export interface TrialOrder {
  /** `null`: the product as it is. */
  readonly mutant: string | null;
  readonly from: number;
  readonly seeds: number;
  /** In each of them. */
  readonly messages: number;
}
/** What it tells: each seed it has run, until one has a problem. */
export interface SeedReport {
  readonly seed: number;
  /** The first promise that was broken, if one was. */
  readonly problem: { readonly promise: string; readonly text: string } | null;
}
