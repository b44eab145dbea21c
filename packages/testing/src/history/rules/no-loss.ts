import { evidence, queueName, storedName } from "../describe.ts";
import type { SentEvent, SettledEvent } from "../history-event.ts";
import { Account, type Interval, type OffsetClass } from "../model/account.ts";
import { linesOf } from "../model/consumption.ts";
import { consumptionOf, type HistoryModel } from "../model/history-model.ts";
import { mayStartLate } from "../model/policies.ts";
import type { Consumption, Stored, Subscription } from "../model/queue-log.ts";
import { TailLosses } from "../model/tail-losses.ts";
import type { Report } from "../verdict.ts";

/**
 * P3 no loss, held against the last `state` of each group:
 * - a message with a receipt is still in its queue, unless a crash took it that its durability did not cover
 *   (`tailLost`), or retention removed
 *   it after the group was done with it;
 * - an offset that counts as settled has a `handled` line by some process of the group;
 * - a `settled` line's offset is not anywhere else, unless a later `sought` or `redriven`, or a lost tail, explains it.
 *   A missing `settled` line means nothing.
 */
export function checkNoLoss(model: HistoryModel, report: Report): void {
  const losses = new TailLosses(model);
  const accounts = new Map<Subscription, Account>();
  for (const each of model.subscriptions()) if (each.state !== undefined) accounts.set(each, new Account(each.state));
  checkAcknowledged(model, accounts, losses, report);
  for (const [subscription, account] of accounts) {
    checkNotRemovedEarly(model, subscription, account, report);
    checkSettledWasHandled(subscription, account, report);
    for (const consumption of subscription.consumptions) checkSettledStays(model, consumption, account, report);
  }
}

type Accounts = ReadonlyMap<Subscription, Account>;

function checkAcknowledged(model: HistoryModel, accounts: Accounts, losses: TailLosses, report: Report): void {
  const checked = new Set<Stored>();
  for (const log of model.logs()) {
    for (const here of log.places()) {
      for (const stored of here) {
        if (stored.sent.length === 0) continue;
        const newest = newestPlace(model, stored);
        if (!checked.has(newest))
          checkKept(newest, newest.sent.length > 0 ? newest.sent : stored.sent, accounts, losses, report);
        checked.add(newest);
      }
    }
  }
}

/** What was lost and sent again counts where it came to stand last. */
function newestPlace(model: HistoryModel, stored: Stored): Stored {
  const places = stored.id === null ? [] : (model.identity(stored.log.topic, stored.id)?.places ?? []);
  const lastSeen = (each: Stored) => each.logEpochs.at(-1) ?? -1;
  return places.reduce((newest, each) => (lastSeen(each) > lastSeen(newest) ? each : newest), stored);
}

function checkKept(
  stored: Stored,
  sent: readonly SentEvent[],
  accounts: Accounts,
  losses: TailLosses,
  report: Report,
): void {
  const acknowledged = sent[0]!;
  const since = stored.logEpochs[0];
  for (const subscription of stored.log.subscriptions.values()) {
    const state = accounts.get(subscription)?.state;
    if (state === undefined || (since !== undefined && since > state.logEpoch)) continue;
    report.check("P3");
    const isCutOff = stored.log.survives(stored, state.logEpoch) === "no";
    if (!isCutOff && stored.offset < state.end) continue;
    if (sent.some((each) => losses.excuses(each))) return;
    const found = isCutOff
      ? "its place was given to another message"
      : `${queueName(stored.log)} ends at ${state.end} for group ${subscription.group}`;
    const text = `${storedName(stored)} was acknowledged as ${acknowledged.durability} to ${acknowledged.process} and is lost: ${found}`;
    const successor = stored.log.at(stored.offset).find((each) => each !== stored);
    report.violate("P3", text, [...sent, ...(successor === undefined ? [] : evidence(successor)), state]);
    return;
  }
}

/** Of what a group was there for: offsets from the first that it touched on. */
function checkNotRemovedEarly(model: HistoryModel, subscription: Subscription, account: Account, report: Report): void {
  const { state } = account;
  if (state.start === 0 || account.unlisted > 0 || mayStartLate(model, subscription)) return;
  const firstTouched = subscription.consumptions.reduce(
    (first, { stored }) => Math.min(first, stored.offset),
    state.start,
  );
  for (let offset = firstTouched; offset < state.start; offset++) {
    if (subscription.sought.some(({ from, to }) => from <= offset && offset < to)) continue;
    for (const stored of subscription.log.at(offset)) {
      if (stored.sent.length === 0 || stored.log.survives(stored, state.logEpoch) === "no") continue;
      report.check("P3");
      const lines = consumptionOf(stored, subscription.group)?.lines ?? [];
      if (lines.some(({ type }) => ENDED.has(type)) || account.classOf(offset) !== "removed") continue;
      const text = `${storedName(stored)} is gone (${queueName(stored.log)} begins at ${state.start}) before group ${subscription.group} was done with it, and is not counted as expired`;
      report.violate("P3", text, [...stored.sent, state]);
    }
  }
}
const ENDED: ReadonlySet<string> = new Set(["handled", "deadLettered", "parked", "discarded"]);

function checkSettledWasHandled(subscription: Subscription, account: Account, report: Report): void {
  const settled = account.settled();
  report.check(
    "P3",
    settled.reduce((sum, { from, to }) => sum + (to - from), 0),
  );
  const handled = new Set<number>();
  for (const { stored, lines } of subscription.consumptions) {
    if (!lines.some((line) => line.type === "handled")) continue;
    if (stored.log.survives(stored, account.state.logEpoch) !== "no") handled.add(stored.offset);
  }
  const without = gaps(
    settled,
    [...handled].sort((a, b) => a - b),
  );
  const count = without.reduce((sum, { from, to }) => sum + (to - from), 0);
  if (count <= account.unlisted) return;
  const where = `${queueName(subscription.log)} for group ${subscription.group}`;
  for (const { from, to } of without) {
    const named = subscription.log.at(from).map((stored) => `, ${storedName(stored)},`);
    const what = to - from === 1 ? `offset ${from}${named[0] ?? ""} counts` : `offsets ${from} to ${to - 1} count`;
    const spare =
      account.unlisted === 0
        ? ""
        : ` (${count} such offsets, of which ${account.unlisted} may be filtered, skipped or expired)`;
    const text = `${what} as settled in ${where}, but no process wrote that it handled ${to - from === 1 ? "it" : "them"}${spare}`;
    report.violate("P3", text, [...subscription.log.at(from).flatMap(evidence), account.state]);
  }
}

/** Parts of the intervals that hold none of the offsets; both ascending. */
function gaps(intervals: readonly Interval[], offsets: readonly number[]): Interval[] {
  const found: Interval[] = [];
  let index = 0;
  for (const { from, to } of intervals) {
    let next = from;
    while (index < offsets.length && offsets[index]! < from) index++;
    for (; index < offsets.length && offsets[index]! < to; index++) {
      if (offsets[index]! > next) found.push({ from: next, to: offsets[index]! });
      next = offsets[index]! + 1;
    }
    if (next < to) found.push({ from: next, to });
  }
  return found;
}

function checkSettledStays(model: HistoryModel, consumption: Consumption, account: Account, report: Report): void {
  const last = linesOf(consumption, "settled").reduce<SettledEvent | undefined>(
    (latest, line) => (latest === undefined || line.revision > latest.revision ? line : latest),
    undefined,
  );
  if (last === undefined || (typeof last.logEpoch === "number" && last.logEpoch > account.state.logEpoch)) return;
  // a power loss may have taken the settling and left the message
  if (model.processes.hadPowerLoss() && (last.logEpoch ?? 0) < account.state.logEpoch) return;
  report.check("P3");
  const { stored, subscription } = consumption;
  const found = account.classOf(stored.offset);
  if (found === "settled" || found === "removed") return;
  // without a lease another member may have given up on it meanwhile: then it stays where that has put it
  if (last.epoch === 0 && found === "deadLettered") return;
  if (stored.log.survives(stored, account.state.logEpoch) !== "yes") return;
  if (subscription.sought.some((sought) => sought.revision > last.revision)) return;
  if (linesOf(consumption, "redriven").some((redriven) => redriven.revision > last.revision)) return;
  if (
    model.tailLost.some((lost) => lost.topic === stored.log.topic && lost.queue === stored.log.queue) &&
    !stored.log.isDurable(stored)
  )
    return;
  const text = `${storedName(stored)} was settled by ${last.process} for group ${subscription.group} (revision ${last.revision}), but the last state has it as ${IN_WORDS[found]}`;
  report.violate("P3", text, [last, account.state]);
}

const IN_WORDS: Readonly<Record<OffsetClass, string>> = {
  settled: "settled",
  removed: "removed",
  filtered: "filtered",
  skipped: "skipped",
  expired: "expired",
  deadLettered: "dead-lettered",
  parked: "parked",
  discarded: "discarded",
  backlog: "backlog",
  beyond: "past the end of the queue",
};
