import { evidence, placeName, storedName } from "../describe.ts";
import { isSaidToBeNowhere } from "../model/attempts.ts";
import type { HistoryModel, Identity } from "../model/history-model.ts";
import { mayTurnElsewhere } from "../model/policies.ts";
import { byFirstSeen, type Stored } from "../model/queue-log.ts";
import type { Report } from "../verdict.ts";

/**
 * P2 no duplicate appends: in one lineage of a log each id has one place and each place one id. A message whose
 * `sending` has neither `sent` nor `refused`
 * is there once or not at all; one that was `refused` as `notAppended`, in each attempt, is nowhere.
 *
 * A second place is allowed when the first was, or may have been, cut off by a crash below the durability it had
 * reached;
 * in another queue also with `failover: "available"`, and behind the first one after a redrive out of a dead-letter
 * queue.
 */
export function checkAppendOnce(model: HistoryModel, report: Report): void {
  for (const identity of model.identities()) {
    checkOnePlace(model, identity, report);
    if (!isSaidToBeNowhere(identity)) continue;
    report.check("P2");
    const place = identity.places[0];
    if (place === undefined) continue;
    const text = `the send of message "${identity.id}" to ${identity.topic} was refused as not appended, but it stands at ${placeName(place)}`;
    report.violate("P2", text, [...identity.sends, ...evidence(place)]);
  }
  for (const log of model.logs()) for (const here of log.places()) checkOneId(here, report);
}

function checkOnePlace(model: HistoryModel, identity: Identity, report: Report): void {
  if (identity.places.length > 0) report.check("P2");
  if (identity.places.length < 2 || wasDeadLetteredAndRedriven(identity)) return;
  const places = identity.places.toSorted(byFirstSeen);
  for (const [index, later] of places.entries()) {
    const earlier = places.slice(0, index).find((each) => isSecondPlace(model, identity, each, later));
    if (earlier === undefined) continue;
    const text = `message "${identity.id}" was appended twice: at ${placeName(earlier)} and at ${placeName(later)}`;
    report.violate("P2", text, [...evidence(earlier), ...evidence(later)]);
  }
}

function isSecondPlace(model: HistoryModel, identity: Identity, earlier: Stored, later: Stored): boolean {
  if (earlier.log === later.log) return earlier.log.coexist(earlier, later);
  if (identity.sends.some((line) => mayTurnElsewhere(model, line.process, line.topic))) return false;
  return stillStands(earlier) && stillStands(later);
}

function stillStands(stored: Stored): boolean {
  return stored.log.survives(stored, stored.log.newestLogEpoch()) === "yes";
}

function wasDeadLetteredAndRedriven(identity: Identity): boolean {
  const types = new Set(
    identity.places.flatMap((place) => place.consumptions.flatMap(({ lines }) => lines.map((line) => line.type))),
  );
  return types.has("deadLettered") && types.has("redriven");
}

function checkOneId(here: readonly Stored[], report: Report): void {
  report.check("P2");
  for (const [index, later] of here.entries()) {
    const earlier = index === 0 ? undefined : here[index - 1];
    if (earlier === undefined || !standTogether(earlier, later)) continue;
    const text = `one place holds two messages: ${storedName(earlier)} and ${storedName(later)}`;
    report.violate("P2", text, [...evidence(earlier), ...evidence(later)]);
  }
}

/**
 * Seen at one place under the same incarnation of the log, or one before and after the other. A durable one that was
 * overwritten is a loss (P3).
 */
function standTogether(earlier: Stored, later: Stored): boolean {
  const [last, first] = [earlier.logEpochs.at(-1), later.logEpochs[0]];
  if (last === undefined || first === undefined) return earlier.log.isDurable(earlier) && later.log.isDurable(later);
  return first <= last && !earlier.log.tookTurns(earlier, later);
}
