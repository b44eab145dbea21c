import type { HistoryEvent, QueueRef } from "./history-event.ts";
import type { Stored } from "./model/queue-log.ts";

interface MessageNamed {
  readonly topic: string;
  readonly queue: QueueRef;
  readonly offset: number;
  readonly id: string | null;
  readonly key: string | null;
}

/** `orders/3` */
export function queueName(of: { readonly topic: string; readonly queue: QueueRef }): string {
  return `${of.topic}/${of.queue}`;
}

/** `message "m-17" (key "k1", orders/3 offset 17)` */
export function messageName(of: MessageNamed): string {
  const id = of.id === null ? "a message" : `message "${of.id}"`;
  const key = of.key === null ? "no key" : `key "${of.key}"`;
  return `${id} (${key}, ${queueName(of)} offset ${of.offset})`;
}

export function storedName(stored: Stored): string {
  return messageName({
    topic: stored.log.topic,
    queue: stored.log.queue,
    offset: stored.offset,
    id: stored.id,
    key: stored.key,
  });
}

/** `orders/3 offset 17` */
export function placeName(stored: Stored): string {
  return `${queueName(stored.log)} offset ${stored.offset}`;
}

/** Lines that show a message at its place: its first receipt, else the first a consumer wrote. */
export function evidence(stored: Stored): HistoryEvent[] {
  const line = stored.sent[0] ?? stored.consumptions[0]?.lines[0];
  return line === undefined ? [] : [line];
}

/** A state or value, short enough for a sentence. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}
