import { evidence, placeName } from "../describe.ts";
import type { SendingEvent } from "../history-event.ts";
import { possibleAttempts } from "../model/attempts.ts";
import type { HistoryModel, Identity } from "../model/history-model.ts";
import { mayTurnElsewhere } from "../model/policies.ts";
import { withoutIncarnation } from "../model/processes.ts";
import { byFirstSeen, type Stored } from "../model/queue-log.ts";
import type { Report } from "../verdict.ts";

interface Sent {
  readonly identity: Identity;
  readonly sending: SendingEvent;
  /** `null`: not to be compared, because it is delayed or was sent more than once on the caller's own account. */
  readonly ordinal: number | null;
}

interface SentTo {
  readonly sent: Sent;
  readonly place: Stored;
}

/**
 * P1 send order: of the messages that one producer sends with one key, all known places lie in one queue, and where two
 * of them stood in one
 * log together, the one sent later stands behind. Every line with an id and an offset makes a place known, not only
 * `sent`.
 *
 * Left out: `failover: "available"`, which gives the promise up; the order (not the queue) of delayed messages; places
 * given by a redrive out of a dead-letter queue.
 */
export function checkSendOrder(model: HistoryModel, report: Report): void {
  for (const { producer, sent } of sendsByProducerAndKey(model)) {
    if (sent.some(({ sending }) => mayTurnElsewhere(model, sending.process, sending.topic))) continue;
    sent.sort((a, b) => (a.ordinal ?? -1) - (b.ordinal ?? -1));
    checkOneQueue(producer, sent, report);
    checkAscending(producer, sent, report);
  }
}

function checkOneQueue(producer: string, sent: readonly Sent[], report: Report): void {
  let first: Stored | undefined;
  for (const { identity, sending } of sent) {
    for (const place of identity.places) {
      first ??= place;
      report.check("P1");
      if (place.log === first.log) continue;
      const text = `${producer} sent key "${sending.key}" to two queues: message "${first.id}" stands at ${placeName(first)}, message "${place.id}" at ${placeName(place)}`;
      report.violate("P1", text, [...evidence(first), ...evidence(place)]);
    }
  }
}

function checkAscending(producer: string, sent: readonly Sent[], report: Report): void {
  /** By incarnation of the log: the message sent so far that stands furthest back. */
  const furthest = new Map<number, SentTo>();
  let before: SentTo | undefined;
  for (const each of sent) {
    if (each.ordinal === null) continue;
    if (before !== undefined && before.sent.ordinal === each.ordinal) {
      const text = `${producer} gives the place ${each.ordinal} among its messages with key "${each.sending.key}" to two, "${before.sent.identity.id}" and "${each.identity.id}"`;
      report.violate("P1", text, [before.sent.sending, each.sending]);
    }
    for (const place of ownPlaces(each.identity)) {
      const ahead = new Set<SentTo>();
      if (before !== undefined && place.log.coexist(before.place, place)) ahead.add(before);
      for (const logEpoch of place.logEpochs) {
        const other = furthest.get(logEpoch);
        if (other !== undefined) ahead.add(other);
      }
      for (const other of ahead) {
        if (other.place.log !== place.log || other.sent.identity === each.identity) continue;
        report.check("P1");
        if (other.place.offset < place.offset) continue;
        const text = `${producer} sent message "${other.sent.identity.id}" before "${each.identity.id}" with key "${each.sending.key}", but they stand the other way round: at ${placeName(other.place)} and ${placeName(place)}`;
        report.violate("P1", text, [other.sent.sending, ...evidence(other.place), each.sending, ...evidence(place)]);
      }
      before = { place, sent: each };
      for (const logEpoch of place.logEpochs) {
        const other = furthest.get(logEpoch);
        if (other === undefined || other.place.offset < place.offset) furthest.set(logEpoch, before);
      }
    }
  }
}

/** Its places, but of one that was redriven out of a dead-letter queue only the place it was sent to. */
function ownPlaces(identity: Identity): readonly Stored[] {
  const places = identity.places.toSorted(byFirstSeen);
  const redriven = places.some((place) =>
    place.consumptions.some(({ lines }) => lines.some((line) => line.type === "redriven")),
  );
  return redriven ? places.toSorted((a, b) => a.offset - b.offset).slice(0, 1) : places;
}

/** By producer, topic and key, with the producer's name for people. */
function sendsByProducerAndKey(model: HistoryModel): Iterable<{ readonly producer: string; readonly sent: Sent[] }> {
  const sends = new Map<string, { readonly producer: string; readonly sent: Sent[] }>();
  for (const identity of model.identities()) {
    const attempts = possibleAttempts(identity);
    const sending = attempts.at(-1);
    if (sending === undefined || sending.key === null) continue;
    const isComparable = attempts.every(
      (each) => each.ordinal === sending.ordinal && typeof each.deliverAtMs !== "number",
    );
    const process = withoutIncarnation(sending.process);
    const producer =
      sending.producer === undefined || sending.producer === process ? process : `${process}/${sending.producer}`;
    const name = `${producer}\u0000${sending.topic}\u0000${sending.key}`;
    let ofProducer = sends.get(name);
    if (ofProducer === undefined) {
      ofProducer = { producer, sent: [] };
      sends.set(name, ofProducer);
    }
    ofProducer.sent.push({ identity, sending, ordinal: isComparable ? (sending.ordinal ?? null) : null });
  }
  return sends.values();
}
