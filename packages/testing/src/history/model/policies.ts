import type { ExhaustedPolicy } from "../history-event.ts";
import type { HistoryModel } from "./history-model.ts";
import type { Subscription } from "./queue-log.ts";

/** What the members of a group said happens to an exhausted message. More than one: it was changed on the way. */
export function exhaustedPolicies(model: HistoryModel, subscription: Subscription): ReadonlySet<ExhaustedPolicy> {
  const policies = new Set<ExhaustedPolicy>();
  for (const process of subscription.processes) {
    policies.add(model.processes.settings(process, subscription.log.topic, subscription.group).exhausted ?? "park");
  }
  return policies;
}

/** Whether the group may have begun behind messages that were there before it. */
export function mayStartLate(model: HistoryModel, subscription: Subscription): boolean {
  for (const process of subscription.processes) {
    const { startAt } = model.processes.settings(process, subscription.log.topic, subscription.group);
    if (startAt !== undefined && startAt !== "earliest") return true;
  }
  return false;
}

/** Whether this process's producers turn to another queue when one is away, which gives up P1. */
export function mayTurnElsewhere(model: HistoryModel, process: string, topic: string): boolean {
  return model.processes.settings(process, topic).failover === "available";
}
