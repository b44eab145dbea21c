import { messageName, queueName, storedName } from "../describe.ts";
import type { DeadLetteredEvent, DiscardedEvent, HandlingEvent, HistoryEvent, ParkedEvent } from "../history-event.ts";
import { Account } from "../model/account.ts";
import { countedHandled, linesOf } from "../model/consumption.ts";
import { consumptionOf, type HistoryModel } from "../model/history-model.ts";
import { isLeased, type Leased } from "../model/lines.ts";
import { exhaustedPolicies, mayStartLate } from "../model/policies.ts";
import type { Consumption, Stored, Subscription } from "../model/queue-log.ts";
import type { Report } from "../verdict.ts";

/**
 * P6 no skipping, per subscription and key:
 * - The first handling of a message comes after the message of its key before it was `handled`, `discarded`, or
 *   (`exhausted: "dead-letter"`) dead-lettered:
 *   inside one process by `n`, across processes by epoch. A failed attempt alone never allows it, and neither does
 * `parked`.
 * - Under one epoch no message is handled after a later one of its key.
 * - After a key was parked, none of its messages is handled until a later revision has redriven or discarded something
 *   of it, or sought.
 *
 * A message that was never touched may have been filtered, skipped or expired: the last `state` says so. One that a
 * crash may have taken is passed over.
 */
export function checkNoSkipping(model: HistoryModel, report: Report): void {
  for (const subscription of model.subscriptions()) {
    if (subscription.grants.length === 0 && !subscription.consumptions.some(({ lines }) => lines.some(isLeased)))
      continue;
    const group = new GroupOnQueue(model, subscription);
    for (const messages of subscription.log.byKey.values()) {
      checkPredecessors(group, messages, report);
      checkOrderUnderOneEpoch(group, messages, report);
      checkParked(group, messages, report);
    }
  }
}

/** A subscription with what the rule needs to know of its settings and its end. */
class GroupOnQueue {
  readonly model: HistoryModel;
  readonly subscription: Subscription;
  readonly deadLetters: boolean;
  readonly account: Account | undefined;
  readonly #mayStartLate: boolean;

  constructor(model: HistoryModel, subscription: Subscription) {
    this.model = model;
    this.subscription = subscription;
    this.deadLetters = exhaustedPolicies(model, subscription).has("dead-letter");
    this.account = subscription.state === undefined ? undefined : new Account(subscription.state);
    this.#mayStartLate = mayStartLate(model, subscription);
  }

  consumption(stored: Stored): Consumption | undefined {
    return consumptionOf(stored, this.subscription.group);
  }

  /** Whether `message` may be handled from `handling` on, as far as `before` is concerned. */
  isDoneBefore(before: Stored, handling: Leased<HandlingEvent>, message: Consumption): boolean {
    const consumption = this.consumption(before);
    if (countedHandled(consumption).some((line) => isBefore(line, handling))) return true;
    const settledBy = firstRevisionAfter(message, handling);
    if (linesOf(consumption, "discarded").some((line) => isAsideBefore(line, handling, settledBy))) return true;
    if (this.deadLetters && this.#mayBeDeadLettered(before, consumption)) return true;
    return this.#wasPassedOver(before, consumption);
  }

  #mayBeDeadLettered(before: Stored, consumption: Consumption | undefined): boolean {
    if (linesOf(consumption, "deadLettered").length > 0 || this.account?.classOf(before.offset) === "deadLettered")
      return true;
    // only what was set aside can be redriven: the answer that said so never came
    if (linesOf(consumption, "redriven").length > 0) return true;
    // It was exhausted, and who set it aside was killed before it could say so.
    return linesOf(consumption, "failed").some((line) => this.model.processes.isCutShort(line.process));
  }

  /** The group never had to handle it. */
  #wasPassedOver(before: Stored, consumption: Consumption | undefined): boolean {
    if (this.subscription.sought.some(({ from, to }) => from <= before.offset && before.offset < to)) return true;
    const found = this.account?.classOf(before.offset);
    if (found === "filtered" || found === "skipped" || found === "expired" || found === "discarded") return true;
    const wasTouched = consumption?.lines.some((line) => line.type === "handling") ?? false;
    return !wasTouched && (this.#mayStartLate || (this.account?.unlisted ?? 0) > 0);
  }
}

function checkPredecessors(group: GroupOnQueue, messages: readonly Stored[], report: Report): void {
  for (const [index, message] of messages.entries()) {
    const consumption = group.consumption(message);
    const first = firstHandling(consumption);
    if (consumption === undefined || first === undefined) continue;
    report.check("P6");
    for (let place = index - 1; place >= 0; place--) {
      const before = messages[place]!;
      if (before.offset === message.offset) continue;
      if (group.isDoneBefore(before, first, consumption)) break;
      if (!message.log.coexist(before, message) || isGone(before, first)) continue;
      if (isNotYet(before, first)) {
        // the first handling was of a copy that the log lost: the next one counts
        const again = firstHandling(consumption, before.logEpochs[0]);
        if (again === undefined || group.isDoneBefore(before, again, consumption)) continue;
      }
      const text = `${first.process} handled ${storedName(message)} for group ${group.subscription.group} before ${storedName(before)} was handled or set aside: ${soFar(group.consumption(before), first)}`;
      report.violate("P6", text, [...proof(group.consumption(before), before), first]);
      break;
    }
  }
}

/** Its place had been given to another message by then. */
function isGone(before: Stored, handling: Leased<HandlingEvent>): boolean {
  return typeof handling.logEpoch === "number" && before.log.survives(before, handling.logEpoch) === "no";
}

/** It came to its place later: it stood elsewhere then (an id stands in a log once), or its receipt says so. */
function isNotYet(before: Stored, { logEpoch }: Leased<HandlingEvent>): boolean {
  const [since] = before.logEpochs;
  if (typeof logEpoch !== "number" || since === undefined || since <= logEpoch) return false;
  return (
    before.sent.some((sent) => sent.duplicate === false && (sent.logEpoch ?? 0) > logEpoch) ||
    before.log.stoodElsewhere(before, logEpoch)
  );
}

function soFar(consumption: Consumption | undefined, handling: Leased<HandlingEvent>): string {
  const lines = consumption?.lines ?? [];
  const last = lines.findLast((line) => line.process === handling.process && line.n < handling.n);
  if (last?.type === "failed") return `it had only failed (attempt ${last.attempt})`;
  if (last?.type === "handling") return `its handler was still running`;
  if (last?.type === "parked" || last?.type === "deadLettered")
    return `it had been set aside, and its key waits behind it`;
  if (lines.some((line) => line.type === "handled")) return `it was handled only later`;
  return lines.length === 0 ? `no process of the group ever handled it` : `it was not handled by then`;
}

function proof(consumption: Consumption | undefined, stored: Stored): HistoryEvent[] {
  return consumption === undefined ? stored.sent.slice(0, 1) : consumption.lines.slice(0, 4);
}

function checkOrderUnderOneEpoch(group: GroupOnQueue, messages: readonly Stored[], report: Report): void {
  const handlings: { readonly line: Leased<HandlingEvent>; readonly message: Stored }[] = [];
  for (const message of messages) {
    const consumption = group.consumption(message);
    if (consumption === undefined) continue;
    const isRedriven = group.deadLetters && consumption.lines.some((line) => line.type === "redriven");
    for (const line of linesOf(consumption, "handling"))
      if (isLeased(line) && !isRedriven) handlings.push({ line, message });
  }
  handlings.sort(
    (a, b) => a.line.epoch - b.line.epoch || (a.line.process === b.line.process ? a.line.n - b.line.n : 0),
  );
  let furthest: (typeof handlings)[number] | undefined;
  for (const each of handlings) {
    if (
      furthest === undefined ||
      furthest.line.epoch !== each.line.epoch ||
      furthest.line.process !== each.line.process
    ) {
      furthest = each;
      continue;
    }
    report.check("P6");
    if (each.message.offset >= furthest.message.offset) furthest = each;
    else {
      const text = `${each.line.process} handled ${messageName(each.line)} for group ${each.line.group} after the later ${messageName(furthest.line)}, both under epoch ${each.line.epoch}`;
      report.violate("P6", text, [furthest.line, each.line]);
    }
  }
}

function checkParked(group: GroupOnQueue, messages: readonly Stored[], report: Report): void {
  /** One line for each revision that parked something of the key. */
  const byRevision = new Map<number, Leased<ParkedEvent | DeadLetteredEvent>>();
  const reopened = new Set(group.subscription.sought.map((line) => line.revision));
  const consumptions: Consumption[] = [];
  for (const message of messages) {
    const consumption = group.consumption(message);
    if (consumption === undefined) continue;
    consumptions.push(consumption);
    for (const line of consumption.lines) {
      if (line.type === "redriven" || line.type === "discarded") reopened.add(line.revision);
      else if ((line.type === "parked" || (line.type === "deadLettered" && !group.deadLetters)) && isLeased(line))
        byRevision.set(line.revision, line);
    }
  }
  if (byRevision.size === 0) return;
  const parkings = [...byRevision.values()].sort((a, b) => a.epoch - b.epoch || a.n - b.n);
  const reopenings = [...reopened].sort((a, b) => a - b);
  for (const consumption of consumptions) {
    for (const line of linesOf(consumption, "handling")) {
      if (!isLeased(line)) continue;
      const parking = parkings[firstIndex(parkings, (each) => !isBefore(each, line)) - 1];
      if (parking === undefined || mayBeLost(group.model, parking, line)) continue;
      report.check("P6");
      const since = reopenings[firstIndex(reopenings, (revision) => revision > parking.revision)];
      if (since !== undefined && since < firstRevisionAfter(consumption, line)) continue;
      const text = `${line.process} handled ${messageName(line)} for group ${line.group} although its key was parked in revision ${parking.revision} of ${queueName(line)} and nothing of it had been redriven or discarded`;
      report.violate("P6", text, [parking, line]);
    }
  }
}

/** The power failed, and the broker that took over may not have had this change any more. */
function mayBeLost(model: HistoryModel, change: ParkedEvent | DeadLetteredEvent, seenBy: HandlingEvent): boolean {
  return model.processes.hadPowerLoss() && (change.logEpoch ?? 0) < (seenBy.logEpoch ?? 0);
}

/** Of a list that first does not and then does fit: where it begins to. */
function firstIndex<T>(sorted: readonly T[], fits: (each: T) => boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (fits(sorted[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function firstHandling(consumption: Consumption | undefined, sinceLogEpoch = 0): Leased<HandlingEvent> | undefined {
  let first: Leased<HandlingEvent> | undefined;
  for (const line of linesOf(consumption, "handling")) {
    if (!isLeased(line) || (typeof line.logEpoch === "number" && line.logEpoch < sinceLogEpoch)) continue;
    const isEarlier =
      first === undefined || line.epoch < first.epoch || (line.process === first.process && line.n < first.n);
    if (isEarlier) first = line;
  }
  return first;
}

/** Inside one process by `n`, across processes by epoch. */
function isBefore(
  line: { readonly process: string; readonly n: number; readonly epoch?: number | null | undefined },
  handling: Leased<HandlingEvent>,
): boolean {
  if (line.process === handling.process) return line.n < handling.n;
  return isLeased(line) && line.epoch < handling.epoch;
}

/**
 * Whoever set aside may be no consumer, and learn of it after the consumers do: then only the revisions say what came
 * first.
 */
function isAsideBefore(line: DiscardedEvent, handling: Leased<HandlingEvent>, settledBy: number): boolean {
  return isBefore(line, handling) || line.revision < settledBy;
}

/** The revision of what came of this handling: it began before that was committed. */
function firstRevisionAfter(consumption: Consumption, handling: Leased<HandlingEvent>): number {
  let first = Number.POSITIVE_INFINITY;
  for (const line of consumption.lines) {
    if (line.type !== "settled" && line.type !== "parked" && line.type !== "deadLettered") continue;
    if (line.process === handling.process && line.epoch === handling.epoch && line.n > handling.n)
      first = Math.min(first, line.revision);
  }
  return first;
}
