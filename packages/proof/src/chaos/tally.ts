import { FAULT_KINDS, type FaultKind } from "@seriatim/rig";

/** A fault whose effect was seen. */
export interface Struck {
  readonly kind: FaultKind;
  /** The incarnation, or several of them. */
  readonly targets: readonly string[];
  /** Wall clock: when it struck, and when it was over. */
  readonly atMs: number;
  readonly healedAtMs: number;
  /** `io-error`: calls that failed. `disk-full`: the way. */
  readonly detail: string | null;
}

/** What a run has to show for itself. */
export interface Tally {
  rounds: number;
  failedRounds: number;
  messages: number;
  acknowledged: number;
  handled: number;
  handledAgain: number;
  retried: number;
  parked: number;
  redriven: number;
  duplicateReceipts: number;
  staleSettlesRefused: number;
  writesFencedOut: number;
  kills: number;
  killsWithWorkInFlight: number;
  freezesBeyondLease: number;
  cuts: number;
  holds: number;
  midFrameCuts: number;
  slowed: number;
  diskFull: number;
  ioErrorEpisodes: number;
  ioErrorCalls: number;
  brokerAborts: number;
  restartsOfEverything: number;
  rollingRestarts: number;
  skipped: number;
  /** Violations explained by what the driver knows and the history cannot say, by the explanation. */
  explained: Record<string, number>;
  byKind: Record<FaultKind, number>;
  recoveriesMs: Record<FaultKind, number[]>;
  checks: Record<string, number>;
  violations: Record<string, number>;
}

const perKind = <T>(of: () => T): Record<FaultKind, T> =>
  Object.fromEntries(FAULT_KINDS.map((kind) => [kind, of()])) as Record<FaultKind, T>;

export const emptyTally = (): Tally => ({
  rounds: 0,
  failedRounds: 0,
  messages: 0,
  acknowledged: 0,
  handled: 0,
  handledAgain: 0,
  retried: 0,
  parked: 0,
  redriven: 0,
  duplicateReceipts: 0,
  staleSettlesRefused: 0,
  writesFencedOut: 0,
  kills: 0,
  killsWithWorkInFlight: 0,
  freezesBeyondLease: 0,
  cuts: 0,
  holds: 0,
  midFrameCuts: 0,
  slowed: 0,
  diskFull: 0,
  ioErrorEpisodes: 0,
  ioErrorCalls: 0,
  brokerAborts: 0,
  restartsOfEverything: 0,
  rollingRestarts: 0,
  skipped: 0,
  explained: {},
  byKind: perKind(() => 0),
  recoveriesMs: perKind((): number[] => []),
  checks: {},
  violations: {},
});

/** Counts faults by what was seen of them. */
export function countStruck(tally: Tally, { kind, targets, detail }: Struck): void {
  tally.byKind[kind]++;
  if (kind.startsWith("kill")) tally.kills++;
  else if (kind.startsWith("freeze")) tally.freezesBeyondLease++;
  else if (kind === "cut") tally.cuts++;
  else if (kind === "cut-mid-frame") {
    tally.cuts++;
    tally.midFrameCuts++;
  } else if (kind === "slow") tally.slowed++;
  else if (kind === "disk-full") tally.diskFull++;
  else if (kind === "io-error") {
    tally.ioErrorEpisodes++;
    tally.ioErrorCalls += Number(detail);
  } else if (kind === "restart-all") {
    tally.restartsOfEverything++;
    tally.kills += targets.length;
  } else if (kind === "rolling-restart") tally.rollingRestarts++;
  else {
    tally.holds++;
    if (kind === "hold-then-cut") tally.cuts++;
  }
}

/** The smallest value that this share of them does not exceed; 0 of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
