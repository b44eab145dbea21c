import type { HistoryModel } from "../model/history-model.ts";
import type { Report } from "../verdict.ts";

/**
 * P11 harms nobody else: a producer is fenced by another process of its own principal, and by nobody else. Judged of
 * processes whose `start` says whose they are, which
 * have one producer of a name at most.
 */
export function checkFencing(model: HistoryModel, report: Report): void {
  const starts = [...model.processes.all()].flatMap(({ start }) => start ?? []);
  const principalOf = new Map(starts.map(({ process, principal }) => [process, principal]));
  for (const line of model.refused) {
    if (line.type !== "refused" || line.code !== "PRODUCER_FENCED") continue;
    const principal = principalOf.get(line.process);
    if (principal === undefined) continue;
    report.check("P11");
    const hasOther = starts.some((other) => other.process !== line.process && other.principal === principal);
    if (hasOther) continue;
    const text = `the producer of ${line.process} in ${line.topic} was fenced, though its principal "${principal}" has no other process`;
    report.violate("P11", text, [line]);
  }
}
