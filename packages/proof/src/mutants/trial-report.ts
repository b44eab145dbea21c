/** What a trial's process tells: each seed it has run, until one has a problem. */
export interface SeedReport {
  readonly seed: number;
  /** The first promise that was broken, if one was. */
  readonly problem: { readonly promise: string; readonly text: string } | null;
}
