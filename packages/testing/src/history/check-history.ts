import type { HistoryEvent } from "./history-event.ts";
import { LineOrder } from "./line-order.ts";
import { HistoryModel } from "./model/history-model.ts";
import { checkAccounting } from "./rules/accounting.ts";
import { checkAppendOnce } from "./rules/append-once.ts";
import { checkClearRefusals } from "./rules/clear-refusals.ts";
import { checkFencing } from "./rules/fencing.ts";
import { checkHandover } from "./rules/handover.ts";
import { checkLeases } from "./rules/leases.ts";
import { checkNoLoss } from "./rules/no-loss.ts";
import { checkNoSkipping } from "./rules/no-skipping.ts";
import { checkProgress } from "./rules/progress.ts";
import { checkSendOrder } from "./rules/send-order.ts";
import { checkSerial } from "./rules/serial.ts";
import { checkWorkflowCommits } from "./rules/workflow-commits.ts";
import { Report, type Verdict } from "./verdict.ts";

const RULES = [
  checkSendOrder, // P1
  checkAppendOnce, // P2
  checkNoLoss, // P3
  checkLeases, // P4, P7
  checkSerial, // P5
  checkNoSkipping, // P6
  checkHandover, // P6, P9
  checkProgress, // P8
  checkAccounting, // P9
  checkWorkflowCommits, // P10
  checkClearRefusals, // P11
  checkFencing, // P11
];

/**
 * Holds the history of a run, all its processes together, against the promises P1 to P11. The lines of each process
 * come in their order;
 * how those of different processes mix does not matter. Takes about n log n for n events, all of them in memory.
 *
 * What the lines leave open (a `sending` without an answer, the end of a killed process, a confirmation nobody
 * received) may have gone either way
 * and is no violation. Rejects with a `HistoryFormatError` when a line of a process is missing.
 */
export async function checkHistory(events: Iterable<HistoryEvent> | AsyncIterable<HistoryEvent>): Promise<Verdict> {
  const order = new LineOrder();
  const model = new HistoryModel();
  for await (const event of events) {
    order.accept(event);
    model.add(event);
  }
  model.finish();
  const report = new Report();
  for (const rule of RULES) rule(model, report);
  return report.verdict();
}
