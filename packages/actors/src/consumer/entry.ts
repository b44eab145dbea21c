import { decodeBody, validate } from "../message/body.ts";
import { offset as offsetOf } from "../message/brands.ts";
import { MessagingError, SchemaError } from "../message/errors.ts";
import type { Message } from "../message/message.ts";
import { PackedReader } from "../message/packed.ts";
import type { Keying, Topic } from "../message/topic.ts";
import type { Deliver, DeliveredBatch, Redeliver, RedrivenId, TriedMessage } from "../protocol/frames.ts";

export type AnyTopic = Topic<unknown, unknown, Keying, boolean>;

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
  /** The one behind it in its line. */
  next: Entry | null;
  line: KeyLine | null;
}
/**
 * Messages that are handled strictly one after another: those of one key or, at concurrency 1, of the whole queue.
 * Its head stays in front until it has left our hands, so nothing overtakes it: neither while it runs, nor while it
 * waits for its next attempt or is being set aside.
 *
 * ```
 *   arrives ──▶ tail … head ──take──▶ held ──leave──▶ the next one is head
 *                       ▲ queued        └─back off─▶ backingOff ─┐
 *                       └────────────────────────due────────────┘
 * ```
 */
export interface KeyLine {
  readonly key: string | null;
  head: Entry | null;
  tail: Entry | null;
  /**
   * `queued`: its head may run and waits for a place. `backingOff`: until `dueAt`.
   * `held`: its head runs, is being set aside, or waits for something else.
   */
  phase: "queued" | "held" | "backingOff";
  dueAt: number;
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
      line: null,
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
    line: null,
  };
}
export function idOf(entry: Entry): string | null {
  const reader = new PackedReader(entry.bytes);
  reader.seek(entry.bytes, entry.at, entry.length);
  return reader.id;
}

/**
 * The message as a handler gets it.
 * @throws `SCHEMA_FAILED` (also for bytes that nobody could have sent), `SCHEMA_ASYNC`
 */
export function readMessage(reader: PackedReader, topic: AnyTopic, queue: number, entry: Entry): Message<unknown> {
  try {
    reader.seek(entry.bytes, entry.at, entry.length);
    const raw = decodeBody(reader.encoding, reader.body);
    return {
      topic: topic.name,
      queue,
      offset: offsetOf(entry.offset),
      key: entry.key,
      id: reader.id,
      headers: reader.headers ?? NO_HEADERS,
      appendedAtMs: entry.appendedAtMs,
      body: topic.validate === "send" ? raw : validate(topic, raw),
    };
  } catch (error) {
    if (error instanceof MessagingError && error.code !== "PROTOCOL_VIOLATION") throw error;
    const message = error instanceof Error ? error.message : String(error);
    throw new SchemaError(
      `message ${entry.offset} of topic "${topic.name}" cannot be read: ${message}`,
      [{ message }],
      { cause: error },
    );
  }
}
const NO_HEADERS: Message<unknown>["headers"] = Object.freeze({});
