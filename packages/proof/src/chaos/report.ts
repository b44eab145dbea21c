import { FAULT_KINDS } from "@seriatim/rig";
import Table from "cli-table3";
import { percentile, type Tally } from "./tally.ts";

export interface ChaosReport extends Omit<Tally, "recoveriesMs"> {
  readonly seed: number;
  readonly minutes: number;
  readonly rate: number;
  readonly verdict: "clean" | "violated" | "interrupted";
  readonly diskFullBy: string;
  readonly ioErrorsBy: string;
  readonly recoveryMs: Readonly<Record<string, { readonly count: number; readonly p50: number; readonly max: number }>>;
}

export function chaosReport(
  { recoveriesMs, ...tally }: Tally,
  of: Pick<ChaosReport, "seed" | "minutes" | "rate" | "verdict" | "diskFullBy" | "ioErrorsBy">,
): ChaosReport {
  const recoveryMs = Object.fromEntries(
    FAULT_KINDS.map((kind) => {
      const all = recoveriesMs[kind];
      return [kind, { count: all.length, p50: percentile(all, 0.5), max: percentile(all, 1) }];
    }),
  );
  return { ...of, ...tally, recoveryMs };
}

export function reportText(report: ChaosReport): string {
  const figures = new Table({ style: { head: [], border: [] }, colAligns: ["left", "right"] });
  const row = (name: string, value: number | string): void => {
    figures.push([name, typeof value === "number" ? value.toLocaleString("en") : value]);
  };
  row("rounds", report.rounds);
  row("messages acknowledged", report.acknowledged);
  row("handled", report.handled);
  row("handled again", report.handledAgain);
  row("retried in place", report.retried);
  row("parked at the end, redriven on the way", `${report.parked}, ${report.redriven}`);
  row("receipts of repeated sends", report.duplicateReceipts);
  row("stale settles refused, writes fenced out", `${report.staleSettlesRefused}, ${report.writesFencedOut}`);
  row("kills (with work in flight)", `${report.kills} (${report.killsWithWorkInFlight})`);
  row("freezes beyond the lease", report.freezesBeyondLease);
  row("cuts, of them mid-frame", `${report.cuts}, ${report.midFrameCuts}`);
  row("holds, slowed links", `${report.holds}, ${report.slowed}`);
  row("disk-full episodes", `${report.diskFull} (${report.diskFullBy})`);
  row(
    "EIO injections: episodes, calls, broker ended",
    `${report.ioErrorEpisodes}, ${report.ioErrorCalls}, ${report.brokerAborts} (${report.ioErrorsBy})`,
  );
  row("restarts of everything, rolling", `${report.restartsOfEverything}, ${report.rollingRestarts}`);
  row("planned faults that found nothing to strike", report.skipped);
  for (const [because, count] of Object.entries(report.explained)) row(`explained: ${because}`, count);
  const recoveries = new Table({
    head: ["recovery after", "times", "p50 ms", "max ms"],
    style: { head: [], border: [] },
    colAligns: ["left", "right", "right", "right"],
  });
  for (const [kind, { count, p50, max }] of Object.entries(report.recoveryMs))
    recoveries.push([`${kind} (${report.byKind[kind as keyof Tally["byKind"]]})`, count, p50, max]);
  const checks = Object.entries(report.checks)
    .filter(([, count]) => count > 0)
    .map(([promise, count]) => `${promise} ${count.toLocaleString("en")}`);
  const violated = Object.entries(report.violations).map(([promise, count]) => `${promise} ${count}`);
  return [
    figures.toString(),
    recoveries.toString(),
    `checked: ${checks.join(" · ")}`,
    `verdict: ${report.verdict}${violated.length === 0 ? "" : `, violations: ${violated.join(" · ")}`}${report.failedRounds === 0 ? "" : `, ${report.failedRounds} of ${report.rounds} rounds failed`}`,
  ].join("\n");
}
