import { MessagingError } from "../message/errors.ts";
import { PackedReader } from "../message/packed.ts";
import type { Deliver, DeliveredBatch, Redeliver, RedrivenId, TriedMessage } from "../protocol/frames.ts";
import type { Lane } from "./delivery-buffer.ts";

/** A delivered message, from its arrival until it is settled, set aside, given up or dropped. */
export interface Entry {
  readonly offset: number;
  readonly key: string | null;
  /** Where it is packed: `length` bytes from `at` on. */
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly length: number;
  readonly appendedAtMs: number;
  /** Its place in what was set aside, when it comes from there. */
  readonly redriven: RedrivenId | null;
  /** Attempts that failed so far. */
  attempts: number;
  /** Leases that ended with it in hand. */
  readonly losses: number;
  /** The one behind it in its lane. */
  next: Entry | null;
  lane: Lane | null;
}

/** @throws `PROTOCOL_VIOLATION` when the bytes are no packed messages */
export function entriesOf({ batches, tried }: Pick<Deliver, "batches" | "tried">): Entry[] {
  const entries: Entry[] = [];
  const known = tried.length === 0 ? null : new Map(tried.map((each) => [each[0], each]));
  for (const batch of batches) addEntries(entries, batch, known);
  return entries;
}
function addEntries(entries: Entry[], batch: DeliveredBatch, tried: ReadonlyMap<number, TriedMessage> | null): void {
  const end = batch.offset + batch.count;
  const reader = new PackedReader(batch.messages);
  for (let offset: number = batch.offset; offset < end && reader.next(); offset++) {
    const before = tried?.get(offset);
    entries.push({
      offset,
      key: reader.key,
      bytes: batch.messages,
      at: reader.at,
      length: reader.length,
      appendedAtMs: batch.appendedAtMs,
      redriven: null,
      attempts: before === undefined ? 0 : before[1],
      losses: before === undefined ? 0 : before[2],
      next: null,
      lane: null,
    });
  }
}
/** @throws `PROTOCOL_VIOLATION` when the bytes are not a packed message */
export function redeliveredEntry({
  strand,
  offset,
  message,
  appendedAtMs,
  attempts,
  losses,
}: Redeliver["entries"][number]): Entry {
  const reader = new PackedReader(message);
  if (!reader.next() || reader.end !== message.length)
    throw new MessagingError(
      "PROTOCOL_VIOLATION",
      "expected one packed message to be redelivered, found none or several",
    );
  return {
    offset,
    key: reader.key,
    bytes: message,
    at: 0,
    length: message.length,
    appendedAtMs,
    redriven: { strand, offset },
    attempts,
    losses,
    next: null,
    lane: null,
  };
}
export function idOf(entry: Entry): string | null {
  const reader = new PackedReader(entry.bytes);
  reader.seek(entry.bytes, entry.at, entry.length);
  return reader.id;
}
