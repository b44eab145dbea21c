import { orderLifecycles } from "./order-lifecycle.ts";

/** One event of the log that is replayed. */
export interface LogEvent {
  /** `<key>#<ordinal>`: unique in the log, and says where in its key the event belongs. */
  readonly id: string;
  readonly key: string;
  /** Place among the events of its key, from 0. */
  readonly ordinal: number;
  readonly atMs: number;
  readonly fields: Readonly<Record<string, string>>;
}
export interface EventLog {
  /** For people: where it came from. */
  readonly source: string;
  /** In the order of time; ties keep the order they came in. */
  readonly events: readonly LogEvent[];
  /** Number of events of each key, in the order of first appearance. */
  readonly keys: ReadonlyMap<string, number>;
}

/** Before it is known where in its key an event belongs. */
export type RawEvent = Omit<LogEvent, "id" | "ordinal">;

/** Sorts by time, stably, and gives each event its place in its key. */
export function eventLog(source: string, raw: readonly RawEvent[]): EventLog {
  const keys = new Map<string, number>();
  const events = raw
    .toSorted((a, b) => a.atMs - b.atMs)
    .map((event): LogEvent => {
      const ordinal = keys.get(event.key) ?? 0;
      keys.set(event.key, ordinal + 1);
      return { id: `${event.key}#${ordinal}`, ordinal, ...event };
    });
  return { source, events, keys };
}

/** Interleaved order lifecycles: at least ten events an order. */
export function generatedLog(options: { readonly seed: number; readonly orders: number }): EventLog {
  const steps = orderLifecycles(options);
  return eventLog(
    `${options.orders.toLocaleString("en")} generated orders, seed ${options.seed}`,
    steps.map(({ orderId, type, atMs }) => ({ key: orderId, atMs, fields: { type } })),
  );
}

/** The place of an event in its key, from its id. */
export const ordinalOf = (id: string): number => Number(id.slice(id.lastIndexOf("#") + 1));

/** Splits a log among producers: each owns a share of the keys, and each share keeps the log's order. */
export function shares(log: EventLog, producers: number): LogEvent[][] {
  const owner = new Map([...log.keys.keys()].map((key, index) => [key, index % producers]));
  const split = Array.from({ length: producers }, (): LogEvent[] => []);
  for (const event of log.events) split[owner.get(event.key) ?? 0]?.push(event);
  return split;
}

/** One event a line, for a file that its producer reads. */
export const eventLines = (events: readonly LogEvent[]): string =>
  events.map((event) => `${JSON.stringify(event)}\n`).join("");
export const eventsOfLines = (text: string): LogEvent[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as LogEvent);
