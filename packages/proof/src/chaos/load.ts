import { type EventLog, eventLog } from "@seriatim/rig";

/** The next stretch of the log, `events` long, under keys that no other round has; at the log's end it begins again. */
export function stretchOf(log: EventLog, round: number, events: number): EventLog {
  const length = Math.min(events, log.events.length);
  const stretches = Math.max(1, Math.floor(log.events.length / length));
  const from = ((round - 1) % stretches) * length;
  const raw = log.events
    .slice(from, from + length)
    .map(({ key, atMs, fields }) => ({ key: `r${round}.${key}`, atMs, fields }));
  return eventLog(log.source, raw);
}

/**
 * Ids of messages that no handler manages before they are redriven:
 * one in so many keys, early enough that others stand behind it.
 */
export function poisonOf(log: EventLog, everyKeys: number): Set<string> {
  const ids = new Set<string>();
  let index = 0;
  for (const [key, events] of log.keys) if (events >= 3 && index++ % everyKeys === 0) ids.add(`${key}#${events >> 1}`);
  return ids;
}
