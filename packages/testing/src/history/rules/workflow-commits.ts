import { evidence, placeName, shown } from "../describe.ts";
import type { EmittedEvent, HistorySnapshot, StateEvent, TransitionEvent } from "../history-event.ts";
import { linesOf } from "../model/consumption.ts";
import type { HistoryModel } from "../model/history-model.ts";
import { isLeased } from "../model/lines.ts";
import type { Consumption, Stored, Subscription } from "../model/queue-log.ts";
import type { Report } from "../verdict.ts";

/**
 * P10 effectively once, per workflow (topic, group) and key:
 * - versions count from 1; none is committed twice; one is missing only where the process that may have committed it
 *   was killed, or lost its lease with a message handled and unconfirmed;
 * - adjacent versions fit: `from` equals the last `to`; no message causes two versions, unless the group sought back;
 * - the stored snapshot is the end of that chain, version and state;
 * - what was emitted as (cause, index) has one place, its cause was handled, and once the cause is committed and the
 *   emitted messages' topic drained, it is there.
 */
export function checkWorkflowCommits(model: HistoryModel, report: Report): void {
  const workflows = byWorkflow(model);
  for (const workflow of workflows.values()) {
    for (const [key, transitions] of workflow.byKey) {
      transitions.sort((a, b) => a.version - b.version);
      checkVersions(workflow, key, transitions, report);
      checkCauses(workflow, key, transitions, report);
    }
    checkSnapshots(workflow, report);
  }
  checkEmitted(model, report);
}

interface Workflow {
  readonly subscriptions: readonly Subscription[];
  readonly byKey: Map<string, TransitionEvent[]>;
  readonly model: HistoryModel;
}

function byWorkflow(model: HistoryModel): Map<string, Workflow> {
  const subscriptions = new Map<string, Subscription[]>();
  for (const subscription of model.subscriptions()) {
    const name = `${subscription.log.topic}\u0000${subscription.group}`;
    const others = subscriptions.get(name);
    if (others === undefined) subscriptions.set(name, [subscription]);
    else others.push(subscription);
  }
  const workflows = new Map<string, Workflow>();
  const workflow = (name: string): Workflow => {
    let found = workflows.get(name);
    if (found === undefined) {
      found = { subscriptions: subscriptions.get(name) ?? [], byKey: new Map(), model };
      workflows.set(name, found);
    }
    return found;
  };
  for (const transition of model.transitions) {
    const { byKey } = workflow(`${transition.topic ?? ""}\u0000${transition.group ?? ""}`);
    const others = byKey.get(transition.key);
    if (others === undefined) byKey.set(transition.key, [transition]);
    else others.push(transition);
  }
  for (const [name, parts] of subscriptions)
    if (parts.some((each) => each.state?.snapshots !== undefined)) workflow(name);
  return workflows;
}

function versionName(key: string, version: number): string {
  return `version ${version} of key "${key}"`;
}

function checkVersions(workflow: Workflow, key: string, transitions: readonly TransitionEvent[], report: Report): void {
  let before: TransitionEvent | undefined;
  for (const transition of transitions) {
    report.check("P10");
    const expected = before === undefined ? Math.min(1, transition.version) : before.version + 1;
    if (before !== undefined && before.version === transition.version) {
      const text = `${versionName(key, transition.version)} was committed twice: to ${shown(before.to)} by ${before.process}, to ${shown(transition.to)} by ${transition.process}`;
      report.violate("P10", text, [before, transition]);
    } else if (transition.version > expected) {
      if (!mayBeUnwritten(workflow, key, before, transition)) {
        const text = `${versionName(key, expected)} is missing before version ${transition.version} by ${transition.process}, and no process that could have committed it was killed or cut off`;
        report.violate("P10", text, [before, transition]);
      }
    } else if (before !== undefined) {
      report.check("P10");
      if (canonical(before.to) !== canonical(transition.from)) {
        const text = `${versionName(key, transition.version)} by ${transition.process} starts from ${shown(transition.from)}, but version ${before.version} by ${before.process} ended in ${shown(before.to)}`;
        report.violate("P10", text, [before, transition]);
      }
    }
    before = transition;
  }
}

/** Whether versions between two lines may have been committed by someone who could not write so. */
function mayBeUnwritten(
  workflow: Workflow,
  key: string,
  before: TransitionEvent | undefined,
  after: TransitionEvent | undefined,
): boolean {
  const { model, subscriptions } = workflow;
  const lowest = before?.epoch ?? Number.NEGATIVE_INFINITY;
  const highest = after?.epoch ?? Number.POSITIVE_INFINITY;
  const queue = before?.queue ?? after?.queue;
  if (subscriptions.length === 0)
    return [...model.processes.all()].some(
      ({ name, killed }) => killed !== undefined && model.processes.isCutShort(name),
    );
  for (const subscription of subscriptions) {
    if (queue !== undefined && subscription.log.queue !== queue) continue;
    for (const grant of subscription.grants) {
      if (!isLeased(grant) || grant.epoch < lowest || grant.epoch > highest) continue;
      if (model.processes.isCutShort(grant.process)) return true;
      if (isUnconfirmed(subscription, key, grant.process, grant.epoch)) return true;
    }
  }
  return false;
}

/** A message of the key was handled under this epoch, and its process neither got an answer nor gave the lease back. */
function isUnconfirmed(subscription: Subscription, key: string, process: string, epoch: number): boolean {
  const wasReleased = subscription.changes.some((line) => line.type === "released" && line.epoch === epoch);
  if (wasReleased) return false;
  const isOf = (line: { readonly process: string; readonly epoch?: number | null | undefined }) =>
    line.process === process && line.epoch === epoch;
  return (subscription.log.byKey.get(key) ?? []).some((stored) => {
    const consumption = stored.consumptions.find((each) => each.subscription === subscription);
    return linesOf(consumption, "handled").some(isOf) && !linesOf(consumption, "settled").some(isOf);
  });
}

function checkCauses(workflow: Workflow, key: string, transitions: readonly TransitionEvent[], report: Report): void {
  if (workflow.subscriptions.some((each) => each.sought.length > 0)) return;
  const causes = new Map<string, TransitionEvent>();
  for (const transition of transitions) {
    const cause = causeName(transition);
    if (cause === undefined) continue;
    report.check("P10");
    const earlier = causes.get(cause);
    if (earlier === undefined) causes.set(cause, transition);
    else if (earlier.version !== transition.version) {
      const text = `${cause} caused two versions of key "${key}": ${earlier.version} by ${earlier.process} and ${transition.version} by ${transition.process}`;
      report.violate("P10", text, [earlier, transition]);
    }
  }
}

function causeName({ id, queue, offset }: TransitionEvent): string | undefined {
  if (typeof id === "string") return `message "${id}"`;
  return queue === undefined || offset === undefined ? undefined : `the message at queue ${queue} offset ${offset}`;
}

function checkSnapshots(workflow: Workflow, report: Report): void {
  const stored = new Map<string, { readonly snapshot: HistorySnapshot; readonly state: StateEvent }>();
  for (const { state } of workflow.subscriptions) {
    if (state === undefined) continue;
    for (const [key, snapshot] of Object.entries(state.snapshots ?? {})) stored.set(key, { snapshot, state });
  }
  if (stored.size === 0) return;
  for (const [key, transitions] of workflow.byKey) {
    const last = transitions.at(-1);
    if (last === undefined || stored.has(key)) continue;
    report.check("P10");
    const text = `key "${key}" has no stored snapshot, although ${last.process} committed ${versionName(key, last.version)}`;
    report.violate("P10", text, [last]);
  }
  for (const [key, { snapshot, state }] of stored) {
    report.check("P10");
    const last = workflow.byKey.get(key)?.at(-1);
    const lastVersion = last?.version ?? 0;
    if (snapshot.version > lastVersion) {
      if (mayBeUnwritten(workflow, key, last, undefined)) continue;
      const text = `the stored snapshot of key "${key}" has version ${snapshot.version}, but the last commit that was written is version ${lastVersion}, and no process that could have committed more was killed or cut off`;
      report.violate("P10", text, [last, state]);
    } else if (snapshot.version < lastVersion) {
      const text = `the stored snapshot of key "${key}" has version ${snapshot.version}, but ${versionName(key, lastVersion)} was committed by ${last?.process}`;
      report.violate("P10", text, [last, state]);
    } else if (last !== undefined && canonical(snapshot.state) !== canonical(last.to)) {
      const text = `the stored snapshot of key "${key}" is ${shown(snapshot.state)}, but its handled messages lead to ${shown(last.to)} in version ${lastVersion}`;
      report.violate("P10", text, [last, state]);
    }
  }
}

function checkEmitted(model: HistoryModel, report: Report): void {
  const emissions = new Map<string, EmittedEvent[]>();
  for (const line of model.emitted) {
    const name = `${line.cause}\u0000${line.index}`;
    const others = emissions.get(name);
    if (others === undefined) emissions.set(name, [line]);
    else others.push(line);
  }
  const visible = topicsWhereEmittedShow(model);
  for (const lines of emissions.values()) {
    const [first] = lines;
    if (first === undefined) continue;
    report.check("P10");
    const what = `emission ${first.index} of message "${first.cause}"`;
    const places = standing(new Set(lines.map((line) => line.id)), model);
    const [one, two] = places;
    // a power loss may have taken the cause, which is then handled anew at another place; or the settling, and the
    // emission before it
    const mayBeLost = model.processes.hadPowerLoss();
    if (one !== undefined && two !== undefined && !mayBeLost) {
      report.violate("P10", `${what} has two places: ${placeName(one)} and ${placeName(two)}`, [
        ...lines,
        ...evidence(one),
        ...evidence(two),
      ]);
    }
    const causes = consumptionsOf(first.cause, model);
    if (
      one !== undefined &&
      !mayBeLost &&
      causes.length > 0 &&
      !causes.some((each) => each.lines.some((line) => line.type === "handled"))
    ) {
      report.violate("P10", `${what} stands at ${placeName(one)}, but no handling of that message ended well`, [
        ...lines,
        ...evidence(one),
      ]);
    }
    const isDue =
      !mayBeLost &&
      lines.some((line) => line.topic !== undefined && visible.has(line.topic) && wasCommitted(line, causes));
    if (!isDue) continue;
    report.check("P10");
    if (one === undefined)
      report.violate(
        "P10",
        `${what}, "${first.id}" to ${first.topic}, is nowhere, although that message was settled`,
        lines,
      );
  }
}

/**
 * Whether the attempt that emitted it was settled: the same process has a `settled` for its cause and no failure after
 * the emission.
 */
function wasCommitted(emission: EmittedEvent, causes: readonly Consumption[]): boolean {
  const isAfter = (line: { readonly process: string; readonly n: number }) =>
    line.process === emission.process && line.n > emission.n;
  return causes.some(
    (each) =>
      linesOf(each, "settled").some(({ process }) => process === emission.process) &&
      !linesOf(each, "failed").some(isAfter),
  );
}

/** Places the messages certainly have at the end, not those they lost in a crash. */
function standing(ids: ReadonlySet<string>, model: HistoryModel): Stored[] {
  const places = [...ids].flatMap((id) => model.identitiesOf(id)).flatMap((identity) => identity.places);
  const certain = places.filter((each) => each.log.survives(each, each.log.newestLogEpoch()) === "yes");
  return certain.length > 0 ? certain : places.slice(0, 1);
}

function consumptionsOf(id: string, model: HistoryModel): Consumption[] {
  return model.identitiesOf(id).flatMap((identity) => identity.places.flatMap((place) => place.consumptions));
}

/**
 * Topics that were read out to the end, and on which some emitted message was seen: one that was not seen there is
 * missing.
 */
function topicsWhereEmittedShow(model: HistoryModel): Set<string> {
  const seen = new Set<string>();
  for (const { id, topic } of model.emitted) {
    if (topic !== undefined && (model.identity(topic, id)?.places.length ?? 0) > 0) seen.add(topic);
  }
  for (const { log, state } of model.subscriptions()) {
    if (state === undefined || state.cursor < state.end) seen.delete(log.topic);
    else if (
      [state.filtered, state.skipped, state.expired].some(
        (given) => given !== 0 && !(Array.isArray(given) && given.length === 0),
      )
    )
      seen.delete(log.topic);
  }
  return seen;
}

/** Equal states have equal text, whatever the order of their fields. */
function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_, each: unknown) => {
      if (typeof each !== "object" || each === null || Array.isArray(each)) return each;
      return Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
    }) ?? "null"
  );
}
