import type { QueueAccount } from "@seriatim/actors";
import { type EventLog, type OutsideWorld, receiptAgainMs, servedAgainMs, type WorldCounts } from "@seriatim/rig";
import type { Verdict } from "@seriatim/testing";
import type { FaultRecord } from "./fault-director.ts";
import type { HistoryStats } from "./history-stats.ts";
import type { DemoOptions } from "./settings.ts";
import { BROKER } from "./stage.ts";

/** The promises the demo holds a run against, and what each says in a few words. */
export const PROMISES = {
  P1: "send order: one key, one queue, in call order",
  P2: "no duplicate appends when a send is repeated",
  P3: "no loss of what was acknowledged",
  P4: "exclusive: a queue has one holder at a time",
  P5: "serial: one message of a key at a time, in order",
  P6: "no skipping: what fails is retried or set aside",
  P7: "fenced: a past holder changes nothing",
  P8: "progress: when faults heal, every backlog drains",
  P9: "accounted for: every offset in exactly one class",
} as const;
export type PromiseName = keyof typeof PROMISES;
export const PROMISE_NAMES = Object.keys(PROMISES) as PromiseName[];

export interface FaultReport {
  readonly fault: string;
  readonly target: string;
  /** Since the first send. */
  readonly afterMs: number;
  readonly progress: number;
  readonly inFlight: number;
  readonly inHand: string | null;
  readonly healedAfterMs: number | null;
  /** Consumer: until all queues it held were leased again. Broker: until the next receipt. `null`: it held none. */
  readonly servedAgainMs: number | null;
}
export interface DemoReport {
  readonly input: { readonly events: number; readonly keys: number };
  readonly sent: number;
  readonly settled: number;
  readonly retried: number;
  /** Handlings that ended well beyond the first of their message: at least once, not exactly once. */
  readonly handledAgain: number;
  readonly parked: number;
  readonly deadLettered: number;
  /** What past holders still tried: the sum of `refusedStaleBy`. */
  readonly refusedStale: number;
  /**
   * `broker`: settles it refused; `holder`: handlings whose signal fired and whose outcome the consumer itself dropped;
   * `fence`: writes the outside world refused.
   */
  readonly refusedStaleBy: { readonly broker: number; readonly holder: number; readonly fence: number };
  readonly violations: Readonly<Record<PromiseName, number>>;
  readonly durationMs: number;
  readonly messagesPerSecond: number;
  /** From the send to the end of its first successful handling. */
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly faults: readonly FaultReport[];

  /** Beyond what was asked for, from here on. */
  readonly clean: boolean;
  /** Every event of the input was sent and stands in exactly one class; only halted queues have a backlog. */
  readonly accounted: boolean;
  readonly backlog: number;
  readonly haltedQueues: readonly number[];
  readonly refusedSends: number;
  readonly signalsFired: number;
  readonly checks: Readonly<Record<PromiseName, number>>;
  /** What handlers wrote: `completeKeys` have seen all their events, in order. */
  readonly projection: WorldCounts & { readonly completeKeys: number };
  readonly seed: number;
  readonly source: string;
  readonly options: Readonly<Record<string, unknown>>;
}

export interface ReportInput {
  readonly options: DemoOptions;
  readonly log: EventLog;
  readonly accounts: readonly QueueAccount[];
  readonly verdict: Verdict;
  readonly stats: HistoryStats;
  readonly faults: readonly FaultRecord[];
  readonly world: OutsideWorld;
}

export function demoReport({ options, log, accounts, verdict, stats, faults, world }: ReportInput): DemoReport {
  const sum = (of: (account: QueueAccount) => number): number =>
    accounts.reduce((total, account) => total + of(account), 0);
  const settled = sum((account) => account.settled);
  const parked = sum((account) => account.parked.length);
  const deadLettered = sum((account) => account.deadLettered.length);
  const backlog = sum((account) => account.backlog);
  const elsewhere = sum(({ filtered, skipped, expired, discarded }) => filtered + skipped + expired + discarded.length);
  const haltedBacklog = sum((account) => (account.halted ? account.backlog : 0));
  const refusedStaleBy = { ...stats.stale, fence: world.counts.refused };
  const durationMs = Math.max(1, stats.lastStepAt - stats.firstSendingAt);
  const from = Number.isFinite(stats.firstSendingAt) ? stats.firstSendingAt : 0;
  const perPromise = (of: Readonly<Record<PromiseName, number>>) =>
    Object.fromEntries(PROMISE_NAMES.map((name) => [name, of[name]])) as Record<PromiseName, number>;
  const { input, out: _out, data: _data, json: _json, ...flags } = options;
  return {
    input: { events: log.events.length, keys: log.keys.size },
    sent: stats.sent,
    settled,
    retried: stats.retried,
    handledAgain: stats.handledAgain,
    parked,
    deadLettered,
    refusedStale: refusedStaleBy.broker + refusedStaleBy.holder + refusedStaleBy.fence,
    refusedStaleBy,
    violations: perPromise(verdict.violationCounts),
    durationMs: Math.round(durationMs),
    messagesPerSecond: Math.round((stats.sent * 1_000) / durationMs),
    latencyMs: stats.latencyMs,
    faults: faults.map((record) => faultReport(record, stats, from)),
    clean: verdict.clean,
    accounted:
      stats.sent === log.events.length &&
      stats.sent === settled + parked + deadLettered + elsewhere + backlog &&
      backlog === haltedBacklog,
    backlog,
    haltedQueues: accounts.filter(({ halted }) => halted).map(({ queue }) => queue),
    refusedSends: stats.refusedSends,
    signalsFired: stats.aborted,
    checks: perPromise(verdict.checks),
    projection: { ...world.counts, completeKeys: world.complete(log.keys) },
    seed: options.seed,
    source: log.source,
    options: { ...flags, ...(input === null ? {} : { input }) },
  };
}

function faultReport(record: FaultRecord, stats: HistoryStats, from: number): FaultReport {
  const { fault, target, atMs, progress, inFlight, inHand, healedAtMs } = record;
  return {
    fault,
    target,
    afterMs: Math.round(atMs - from),
    progress,
    inFlight,
    inHand,
    healedAfterMs: healedAtMs === null ? null : Math.round(healedAtMs - atMs),
    servedAgainMs: target.startsWith(`${BROKER}#`)
      ? receiptAgainMs(stats.receipts, atMs)
      : servedAgainMs(stats.leases, { process: target, at: atMs }),
  };
}

/** Whether the run kept every promise and lost sight of nothing. */
export const isGood = (report: DemoReport): boolean =>
  report.clean &&
  isGapless(report) &&
  report.accounted &&
  report.refusedSends === 0 &&
  PROMISE_NAMES.every((name) => report.violations[name] === 0);
/** What handlers wrote has no hole, unless the policy lets successors of a message run on without it. */
export const isGapless = ({ projection, options }: DemoReport): boolean =>
  projection.gaps === 0 || options["exhausted"] === "dead-letter";
