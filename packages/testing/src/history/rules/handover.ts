import { messageName } from "../describe.ts";
import type { HandlingEvent } from "../history-event.ts";
import { linesOf } from "../model/consumption.ts";
import type { HistoryModel } from "../model/history-model.ts";
import { isLeased, type Leased } from "../model/lines.ts";
import type { Consumption, Subscription } from "../model/queue-log.ts";
import type { Report } from "../verdict.ts";

/**
 * What one lease has committed holds for those after it:
 * - P9: what was confirmed as settled is settled, and not handled again under a later epoch or later under its own;
 * - P6: attempts that had failed when a lease was released are not had again: the next one is counted on from them.
 *
 * A redrive or a seek lifts both. Nothing is said where the power failed, or where the store keeps nothing through a
 * crash.
 */
export function checkHandover(model: HistoryModel, report: Report): void {
  if (model.processes.hadPowerLoss()) return;
  for (const subscription of model.subscriptions()) {
    if (subscription.log.hasRestarted() && subscription.log.isMemoryOnly()) continue;
    if (subscription.sought.length > 0) continue;
    for (const consumption of subscription.consumptions) {
      const handlings = linesOf(consumption, "handling").filter(isLeased);
      if (handlings.length < 2 || linesOf(consumption, "redriven").length > 0) continue;
      checkSettledStays(subscription, consumption, handlings, report);
      checkAttemptsStay(model, subscription, consumption, handlings, report);
    }
  }
}

function checkSettledStays(
  { group }: Subscription,
  consumption: Consumption,
  handlings: readonly Leased<HandlingEvent>[],
  report: Report,
): void {
  for (const settled of linesOf(consumption, "settled").filter(isLeased)) {
    report.check("P9");
    const again = handlings.find(
      (line) =>
        line.epoch > settled.epoch ||
        (line.epoch === settled.epoch && line.process === settled.process && line.n > settled.n),
    );
    if (again === undefined) continue;
    const text = `${again.process} handles ${messageName(again)} for group ${group} under epoch ${again.epoch}, although it was settled under epoch ${settled.epoch} in revision ${settled.revision}`;
    report.violate("P9", text, [settled, again]);
  }
}

function checkAttemptsStay(
  model: HistoryModel,
  { group, changes }: Subscription,
  consumption: Consumption,
  handlings: readonly Leased<HandlingEvent>[],
  report: Report,
): void {
  const stopped = linesOf(consumption, "aborted").filter(({ reason }) => reason !== "HANDLER_TIMEOUT");
  const settledAside = [...linesOf(consumption, "parked"), ...linesOf(consumption, "deadLettered")];
  for (const released of changes) {
    if (released.type !== "released" || !isLeased(released)) continue;
    const { process, epoch, topic } = released;
    const attemptsMax = model.processes.settings(process, topic, group).attempts ?? Number.POSITIVE_INFINITY;
    if (settledAside.some((line) => line.epoch === epoch)) continue;
    const failures = linesOf(consumption, "failed");
    if (failures.some(({ attempt }) => attempt >= attemptsMax)) continue; // halted, and a person lets it run anew
    const failed = failures
      .filter((line) => line.process === process && line.epoch === epoch && line.n < released.n)
      .filter(({ attempt }) => !stopped.some((line) => line.process === process && line.attempt === attempt))
      .at(-1);
    const next = handlings.filter((line) => line.epoch > epoch).sort((a, b) => a.epoch - b.epoch || a.n - b.n)[0];
    if (failed === undefined || next === undefined) continue;
    report.check("P6");
    if (next.attempt > failed.attempt) continue;
    const text = `${next.process} handles ${messageName(next)} for group ${group} as attempt ${next.attempt}, although attempt ${failed.attempt} had failed at ${process}, which released its lease in revision ${released.revision}`;
    report.violate("P6", text, [failed, released, next]);
  }
}
