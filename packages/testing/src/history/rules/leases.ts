import { messageName, queueName } from "../describe.ts";
import type { DeadLetteredEvent, GrantedEvent, ParkedEvent, ReleasedEvent, SettledEvent } from "../history-event.ts";
import type { HistoryModel } from "../model/history-model.ts";
import { type ChangeLine, type Flow, type FlowLine, isLeased, type Leased } from "../model/lines.ts";
import type { Subscription } from "../model/queue-log.ts";
import type { Report } from "../verdict.ts";

/**
 * P4 exclusive and P7 fenced, per subscription (topic, queue, group), by the order of its revisions and never by a
 * clock:
 * - P4: one revision is one change by one process; one epoch is granted to one process; a handler starts only under an
 *   epoch that its own process was granted and has neither released nor found lost;
 * - P7: epochs grow with the revisions; whatever is settled or set aside under an epoch has a revision after that
 *   epoch's grant, not after its release, and before the next grant or seek.
 */
export function checkLeases(model: HistoryModel, report: Report): void {
  for (const subscription of model.subscriptions()) {
    for (const changes of lives(model, subscription)) {
      changes.sort((a, b) => a.revision - b.revision);
      checkRevisions(subscription, changes, report);
      checkEpochs(subscription, changes, report);
      checkFenced(subscription, changes, report);
    }
    checkHolders(subscription, report);
  }
  for (const flow of model.flows()) checkHandlingUnderLease(model, flow, report);
}

function nameOf(subscription: Subscription): string {
  return `${queueName(subscription.log)} for group ${subscription.group}`;
}

/**
 * The changes of a subscription, in parts whose revisions are numbered together: one part, unless a crash may have
 * taken changes
 * (the store keeps nothing through a crash, or the power failed); then one part for each incarnation of the log.
 */
function lives(model: HistoryModel, subscription: Subscription): ChangeLine[][] {
  const changes = subscription.changes.filter((line) => line.epoch !== 0);
  if (!hasRestarted(subscription)) return [changes];
  if (!subscription.log.isMemoryOnly() && !model.processes.hadPowerLoss()) return [changes];
  const logEpochOf = new Map<number, number>();
  const learn = (line: {
    readonly epoch?: number | null | undefined;
    readonly logEpoch?: number | null | undefined;
  }) => {
    if (isLeased(line) && typeof line.logEpoch === "number") logEpochOf.set(line.epoch, line.logEpoch);
  };
  for (const grant of subscription.grants) learn(grant);
  for (const { lines } of subscription.consumptions) lines.forEach(learn);
  const parts = new Map<number, ChangeLine[]>();
  for (const line of changes) {
    const logEpoch =
      ("logEpoch" in line ? line.logEpoch : undefined) ?? (isLeased(line) ? logEpochOf.get(line.epoch) : undefined);
    if (typeof logEpoch !== "number") continue;
    const part = parts.get(logEpoch);
    if (part === undefined) parts.set(logEpoch, [line]);
    else part.push(line);
  }
  return [...parts.values()];
}

/** Its log, or the broker of a queue of which no message tells. */
function hasRestarted({ log, grants }: Subscription): boolean {
  return log.hasRestarted() || new Set(grants.map(({ logEpoch }) => logEpoch)).size > 1;
}

function checkRevisions(subscription: Subscription, changes: readonly ChangeLine[], report: Report): void {
  let first: ChangeLine | undefined;
  for (const line of changes) {
    report.check("P4");
    if (first === undefined || first.revision !== line.revision) {
      first = line;
      continue;
    }
    if (isSameChange(first, line)) continue;
    const text = `revision ${line.revision} of ${nameOf(subscription)} is two changes: ${changeName(first)} and ${changeName(line)}`;
    report.violate("P4", text, [first, line]);
  }
}

/** One commit may settle, set aside, release or resume, in several lines of one process. */
function isSameChange(a: ChangeLine, b: ChangeLine): boolean {
  return a.process === b.process && !(isLeased(a) && isLeased(b) && a.epoch !== b.epoch);
}

function changeName(line: ChangeLine): string {
  const epoch = isLeased(line) ? ` under epoch ${line.epoch}` : "";
  const offset = "offset" in line ? ` of offset ${line.offset}` : "";
  return `"${line.type}"${offset} by ${line.process}${epoch}`;
}

function checkEpochs(subscription: Subscription, changes: readonly ChangeLine[], report: Report): void {
  let before: Leased<GrantedEvent> | undefined;
  for (const grant of changes.filter(isGrant)) {
    report.check("P7");
    const isResumed = grant.epoch === before?.epoch && grant.process === before.process;
    if (before !== undefined && grant.epoch <= before.epoch && !isResumed) {
      const text = `the lease of ${nameOf(subscription)} went from epoch ${before.epoch} (${before.process}, revision ${before.revision}) to epoch ${grant.epoch} (${grant.process}, revision ${grant.revision}): epochs only grow`;
      report.violate("P7", text, [before, grant]);
    }
    before = grant;
  }
}

function checkFenced(subscription: Subscription, changes: readonly ChangeLine[], report: Report): void {
  const terms = leaseTerms(changes);
  for (const line of changes) {
    if (!isHolders(line)) continue;
    const term = terms.get(line.epoch);
    if (term === undefined) continue;
    report.check("P7");
    const objection = objectionTo(line, term);
    if (objection === undefined) continue;
    const what = line.type === "released" ? nameOf(subscription) : messageName(line);
    const done = line.type === "deadLettered" ? "dead-lettered" : line.type;
    const text = `${what} was ${done} for group ${subscription.group} by ${line.process} under epoch ${line.epoch} in revision ${line.revision}, ${objection.text}`;
    report.violate("P7", text, [term.granted, objection.line, line]);
  }
}

/** When an epoch counted, in revisions. */
interface LeaseTerm {
  readonly granted: Leased<GrantedEvent>;
  /** The next grant or seek, which ended it whether its holder knew or not. */
  endedBy: ChangeLine | undefined;
  released: ReleasedEvent | undefined;
}

function leaseTerms(changes: readonly ChangeLine[]): Map<number, LeaseTerm> {
  const terms = new Map<number, LeaseTerm>();
  let current: LeaseTerm | undefined;
  for (const line of changes) {
    // A lease that is resumed is granted again under its epoch: that ends nothing.
    if (isGrant(line) && line.epoch === current?.granted.epoch) continue;
    if ((isGrant(line) || line.type === "sought") && current !== undefined) current.endedBy ??= line;
    if (isGrant(line)) {
      current = { granted: line, endedBy: undefined, released: undefined };
      if (!terms.has(line.epoch)) terms.set(line.epoch, current);
    } else if (line.type === "released" && isLeased(line)) {
      const term = terms.get(line.epoch);
      if (term !== undefined) term.released ??= line;
    }
  }
  return terms;
}

function objectionTo(
  { revision }: ChangeLine,
  { granted, endedBy, released }: LeaseTerm,
): { readonly text: string; readonly line: ChangeLine } | undefined {
  if (revision <= granted.revision) {
    return { text: `before that epoch was granted in revision ${granted.revision}`, line: granted };
  }
  if (endedBy !== undefined && revision >= endedBy.revision) {
    const end =
      endedBy.type === "granted"
        ? `epoch ${endedBy.epoch} had been granted to ${endedBy.process}`
        : `${endedBy.process} had sought elsewhere`;
    return { text: `after ${end} in revision ${endedBy.revision}`, line: endedBy };
  }
  if (released !== undefined && revision > released.revision) {
    return { text: `after that lease had been released in revision ${released.revision}`, line: released };
  }
  return undefined;
}

function isGrant(line: ChangeLine): line is Leased<GrantedEvent> {
  return line.type === "granted" && isLeased(line);
}

/** What only the holder of a lease may have confirmed. */
function isHolders(line: ChangeLine): line is Leased<SettledEvent | ReleasedEvent | DeadLetteredEvent | ParkedEvent> {
  return (
    (line.type === "settled" || line.type === "released" || line.type === "deadLettered" || line.type === "parked") &&
    isLeased(line)
  );
}

function checkHolders(subscription: Subscription, report: Report): void {
  const holders = new Map<number, GrantedEvent>();
  for (const grant of subscription.grants) {
    if (!isLeased(grant)) continue;
    report.check("P4");
    const holder = holders.get(grant.epoch);
    if (holder === undefined) holders.set(grant.epoch, grant);
    else if (holder.process !== grant.process) {
      const text = `epoch ${grant.epoch} of ${nameOf(subscription)} was granted to two processes, ${holder.process} and ${grant.process}`;
      report.violate("P4", text, [holder, grant]);
    }
  }
  for (const line of subscription.changes) {
    if (!isHolders(line)) continue;
    report.check("P4");
    const holder = holders.get(line.epoch);
    if (holder?.process === line.process) continue;
    const text = `${line.process} has "${line.type}" confirmed in ${nameOf(subscription)} under epoch ${line.epoch}, which was ${heldBy(holder)}`;
    report.violate("P4", text, [holder, line]);
  }
}

function heldBy(grant: GrantedEvent | undefined): string {
  return grant === undefined ? "granted to nobody" : `granted to ${grant.process}`;
}

/** How a process stands to a lease it was granted, and the line that says so. */
interface Held {
  readonly standing: "granted" | "released" | "lost";
  readonly by: FlowLine;
}
const IN_WORDS = { granted: "been granted", released: "released", lost: "found lost" } as const;

function ungranted(grant: GrantedEvent | undefined, process: string): string {
  return `was ${grant?.process === process ? "granted to it only later" : heldBy(grant)}`;
}

function checkHandlingUnderLease(model: HistoryModel, flow: Flow, report: Report): void {
  const leases = new Map<string, Held>();
  for (const line of flow.lines) {
    if (!isLeased(line)) continue;
    const lease = `${line.queue}\u0000${line.epoch}`;
    if (line.type === "granted" || line.type === "released" || line.type === "lost") {
      leases.set(lease, { standing: line.type, by: line });
    } else if (line.type === "handling") {
      report.check("P4");
      const held = leases.get(lease);
      if (held?.standing === "granted") continue;
      const other = model
        .log(line.topic, line.queue)
        .subscriptions.get(line.group)
        ?.grants.find((grant) => grant.epoch === line.epoch);
      const why = held === undefined ? ungranted(other, line.process) : `it had ${IN_WORDS[held.standing]}`;
      const text = `${line.process} starts handling ${messageName(line)} for group ${line.group} under epoch ${line.epoch}, which ${why}`;
      report.violate("P4", text, [held === undefined ? other : held.by, line]);
    }
  }
}
