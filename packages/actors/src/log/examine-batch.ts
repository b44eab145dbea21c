import { MessagingError } from "../message/errors.ts";
import { PackedReader } from "../message/packed.ts";
import { NO_SLOT } from "../message/route.ts";
import type { IdWindow } from "./id-window.ts";
import type { TopicScope } from "./topic-scope.ts";

/** Where a batch has come to. */
export interface BatchPlace {
  readonly scope: TopicScope;
  readonly queue: number;
  /** The offset that its first new message gets. */
  readonly end: number;
  readonly ids: IdWindow;
  /** By the clock of `ids`. */
  readonly nowMs: number;
}
/** What is new of a batch. */
export interface ExaminedBatch {
  readonly runs: readonly ExaminedRun[];
  /** The bytes of its new messages. */
  readonly parts: readonly Uint8Array[];
  /** Ids of new messages, with how many of them stand before each. */
  readonly ids: ReadonlyMap<string, number>;
}
/** Messages of a batch, one after another, that are all new; or one that is known by its id. */
interface ExaminedRun {
  count: number;
  readonly duplicateOf: number | null;
}
/** Shared by all batches without ids, and never added to. */
const NO_IDS = new Map<string, number>();
/** Walks the messages behind the first `known`: right queue, right size, ids known or not. */
export function examineBatch(
  { scope, queue, end, ids: remembered, nowMs }: BatchPlace,
  messages: Uint8Array,
  count: number,
  known: number,
): ExaminedBatch {
  const { table, messageBytesMax } = scope;
  const reader = new PackedReader(messages);
  const runs: ExaminedRun[] = [];
  const parts: Uint8Array[] = [];
  let last: ExaminedRun | undefined;
  let ids = NO_IDS;
  let partFrom = -1;
  let index = 0;
  let appended = 0;
  while (reader.next()) {
    if (index++ < known) continue;
    if (reader.length > messageBytesMax)
      throw new MessagingError(
        "MESSAGE_TOO_LARGE",
        `a message of ${reader.length} bytes was sent, at most ${messageBytesMax} are taken`,
        {
          data: { bytes: reader.length, messageBytesMax },
        },
      );
    reader.key; // text that is not UTF-8 is refused here, not found by every consumer
    const slot = reader.slot;
    if (slot !== NO_SLOT && table[slot] !== queue)
      throw new MessagingError(
        "WRONG_ROUTE",
        `slot ${slot} belongs to queue ${table[slot] ?? "none"}, the message came to queue ${queue}`,
        {
          data: { slot, queue },
        },
      );
    if (reader.dueMs !== null)
      throw new MessagingError("PROTOCOL_VIOLATION", "delayed messages are not taken yet, found one with a due time");
    let duplicateOf: number | null = null;
    if (reader.hasId) {
      const id = reader.id!;
      const inBatch = ids.get(id);
      duplicateOf = inBatch === undefined ? (remembered.find(id, nowMs) ?? null) : end + inBatch;
      if (duplicateOf === null) {
        if (ids === NO_IDS) ids = new Map();
        ids.set(id, appended);
      }
    }
    if (duplicateOf === null) {
      if (partFrom < 0) partFrom = reader.at;
      appended++;
    } else if (partFrom >= 0) {
      parts.push(messages.subarray(partFrom, reader.at));
      partFrom = -1;
    }
    if (last !== undefined && last.duplicateOf === null && duplicateOf === null) last.count++;
    else {
      last = { count: 1, duplicateOf };
      runs.push(last);
    }
  }
  if (index !== count)
    throw new MessagingError("PROTOCOL_VIOLATION", `a batch said it holds ${count} messages, found ${index}`, {
      data: { count, found: index },
    });
  if (partFrom >= 0) parts.push(partFrom === 0 ? messages : messages.subarray(partFrom));
  return { runs, parts, ids };
}
