import { shown } from "@seriatim/actors/client";
import Table from "cli-table3";
import pc from "picocolors";
import { type DemoReport, isGapless, isGood, PROMISE_NAMES, PROMISES } from "./report.ts";

const n = (value: number): string => value.toLocaleString("en");
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

/** The end of a run: what was promised and held, and the figures. */
export function reportText(report: DemoReport, violations: readonly string[]): string {
  const good = isGood(report);
  return [
    verdictTable(report),
    ...violations.slice(0, 10).map((text) => pc.red(`  ${shown(text)}`)),
    ...(violations.length > 10 ? [pc.red(`  … and ${violations.length - 10} more`)] : []),
    summary(report),
    good
      ? pc.green(pc.bold("Every promise was kept, and everything that was sent is accounted for."))
      : pc.red(pc.bold(complaint(report))),
  ].join("\n");
}

function verdictTable(report: DemoReport): string {
  const table = new Table({
    head: ["", "promise", "checks", "broken"],
    colAligns: ["left", "left", "right", "right"],
    style: { head: [], border: [], compact: true },
  });
  for (const name of PROMISE_NAMES) {
    const found = report.violations[name];
    table.push([name, PROMISES[name], n(report.checks[name]), found === 0 ? pc.green("0") : pc.red(n(found))]);
  }
  return table.toString();
}

function summary(report: DemoReport): string {
  const { refusedStaleBy: stale, latencyMs: latency, projection } = report;
  const rows: [string, string][] = [
    ["sent", `${n(report.sent)} of ${n(report.input.events)} events, ${n(report.input.keys)} keys`],
    ["settled", n(report.settled)],
    ["retried", n(report.retried)],
    ["handled again", n(report.handledAgain)],
    ["parked", `${n(report.parked)} behind ${n(report.deadLettered)} dead-lettered`],
    [
      "refused as stale",
      `${n(report.refusedStale)} (broker ${stale.broker}, holder itself ${stale.holder}, fence ${stale.fence})`,
    ],
    ["keys complete, in order", `${n(projection.completeKeys)} of ${n(report.input.keys)}`],
    ["duration", `${seconds(report.durationMs)}, ${n(report.messagesPerSecond)} msgs/s`],
    ["latency", `p50 ${latency.p50} ms, p99 ${latency.p99} ms, max ${latency.max} ms`],
  ];
  if (report.haltedQueues.length > 0)
    rows.push(["halted queues", `${report.haltedQueues.join(", ")}, ${n(report.backlog)} messages wait there`]);
  for (const { fault, target, progress, servedAgainMs } of report.faults)
    rows.push([
      `${fault} ${target}`,
      `at ${Math.round(progress * 100)} %${servedAgainMs === null ? "" : `, served again after ${seconds(servedAgainMs)}`}`,
    ]);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`).join("\n");
}

function complaint(report: DemoReport): string {
  const broken = PROMISE_NAMES.filter((name) => report.violations[name] > 0);
  if (broken.length > 0) return `Broken: ${broken.join(", ")} (seed ${report.seed}).`;
  if (!report.clean) return `The history breaks a promise beyond P9 (seed ${report.seed}).`;
  if (!isGapless(report))
    return `${n(report.projection.gaps)} writes came before their predecessor (seed ${report.seed}).`;
  if (report.refusedSends > 0) return `${n(report.refusedSends)} sends were refused (seed ${report.seed}).`;
  return `Not everything is accounted for: ${n(report.input.events)} events, ${n(report.sent)} sent, ${n(report.backlog)} in the backlog (seed ${report.seed}).`;
}
