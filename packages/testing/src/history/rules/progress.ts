import { queueName } from "../describe.ts";
import type { FaultEvent, StateEvent } from "../history-event.ts";
import { Account } from "../model/account.ts";
import type { HistoryModel } from "../model/history-model.ts";
import { exhaustedPolicies } from "../model/policies.ts";
import type { Subscription } from "../model/queue-log.ts";
import type { Report } from "../verdict.ts";

/** Clocks of two processes are compared here, and only here. */
const CLOCK_TOLERANCE_MS = 1_000;

/**
 * P8 progress: in the last `state` of each group the backlog is 0, and where the driver's settings give a bound
 * (`healWithinMs`) that state was
 * reached within it after the last `heal` or `resume`. A queue halted by `exhausted: "halt"`, or one whose state says
 * `halted`, is not held to it.
 */
export function checkProgress(model: HistoryModel, report: Report): void {
  const healed = lastHeal(model);
  const bound = healBound(model);
  for (const subscription of model.subscriptions()) {
    const { state } = subscription;
    if (state === undefined || isHalted(model, subscription, state)) continue;
    const where = `${queueName(subscription.log)} for group ${subscription.group}`;
    report.check("P8");
    const account = new Account(state);
    const backlog = state.backlog ?? Math.max(0, account.backlog() - account.unlisted);
    if (backlog > 0) {
      const text = `${where} still has a backlog of ${backlog} at the end: its cursor stands at ${state.cursor} of ${state.end}`;
      report.violate("P8", text, [state]);
    }
    if (healed === undefined || bound === undefined) continue;
    report.check("P8");
    const took = state.at - healed.at;
    if (took <= bound + CLOCK_TOLERANCE_MS) continue;
    const text = `${where} was found drained ${Math.round(took)} ms after the last "${healed.fault}", the bound is ${bound} ms`;
    report.violate("P8", text, [healed, state]);
  }
}

function isHalted(model: HistoryModel, subscription: Subscription, state: StateEvent): boolean {
  if (state.halted === true) return true;
  if (!exhaustedPolicies(model, subscription).has("halt")) return false;
  const account = new Account(state);
  return subscription.consumptions.some(
    ({ stored, lines }) => account.classOf(stored.offset) === "backlog" && lines.some((line) => line.type === "failed"),
  );
}

function lastHeal(model: HistoryModel): FaultEvent | undefined {
  let last: FaultEvent | undefined;
  for (const fault of model.processes.faults) {
    if ((fault.fault === "heal" || fault.fault === "resume") && (last === undefined || fault.at > last.at))
      last = fault;
  }
  return last;
}

function healBound(model: HistoryModel): number | undefined {
  for (const { name } of model.processes.all()) {
    const { healWithinMs } = model.processes.settings(name, "");
    if (healWithinMs !== undefined) return healWithinMs;
  }
  return undefined;
}
