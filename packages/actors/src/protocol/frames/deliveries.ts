// Consuming: messages on their way, and what becomes of them.
import { type Epoch, epoch, type Offset, offset } from "../../message/brands.ts";
import type { WireError } from "../../message/errors.ts";
import { PackedReader } from "../../message/packed.ts";
import { choice, finite, list, nullable, packedMessage, packedMessages, record, tuple } from "../checks.ts";
import {
  anOffset,
  ascend,
  count,
  type FailureInfo,
  failure,
  key,
  LIMITS,
  leaseFields,
  natural,
  offsets,
  type RedrivenId,
  redriven,
  redrivenFields,
  type Settlement,
  settlement,
  wireError,
} from "../field-checks.ts";
import { errorFrameBytes, HEAD_BYTES } from "../plain-bytes.ts";
import { frame } from "./definition.ts";
import { isQueue, readRedriven, readSettlement, writeRedriven, writeSettlement } from "./layout.ts";

/**
 * C, how many messages and bytes in all it is ready to have been sent under this grant (those that left its hands,
 * settled, set aside or dropped, plus its window): absolute totals that only grow, so that a lost or repeated one
 * does no harm. Not answered.
 */
export interface Credit {
  readonly type: "credit";
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly messages: number;
  readonly bytes: number;
}
export const credit = frame<Credit>({
  type: "credit",
  fields: { ...leaseFields, messages: natural, bytes: natural },
  bytes: () => HEAD_BYTES,
  layout: {
    code: 5,
    write(to, frame) {
      to.uint(frame.member);
      to.uint(frame.queue);
      to.uint(frame.epoch);
      to.uint(frame.messages);
      to.uint(frame.bytes);
    },
    read: (from) => ({
      type: "credit",
      member: from.uint(),
      queue: from.uint(),
      epoch: epoch(from.uint()),
      messages: from.uint(),
      bytes: from.uint(),
    }),
    isSound: ({ queue }) => isQueue(queue),
  },
});

/**
 * B, messages in queue order, within credit (a single message larger than the byte credit left goes when nothing else
 * is in flight). Settled by `settle` or `aside.put`.
 */
export interface Deliver {
  readonly type: "deliver";
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly batches: readonly DeliveredBatch[];
  /**
   * Messages that were tried before, by offset: attempts that failed, and leases that ended with the message in hand.
   * All others: 0.
   */
  readonly tried: readonly TriedMessage[];
}
/** Messages with consecutive offsets, packed. */
export interface DeliveredBatch {
  readonly offset: Offset;
  readonly count: number;
  readonly appendedAtMs: number;
  readonly messages: Uint8Array;
}
export type TriedMessage = readonly [offset: number, attempts: number, losses: number];
/** At this many leases lost with it in hand a message is exhausted, whatever its attempts: it kills its process. */
export const LOSSES_MAX = 5;

export const deliver = frame<Deliver>({
  type: "deliver",
  fields: {
    ...leaseFields,
    batches: list(
      LIMITS.batches,
      record<DeliveredBatch>({ offset: anOffset, count, appendedAtMs: finite, messages: packedMessages }),
    ),
    tried: list(LIMITS.ranges, tuple<TriedMessage>(natural, natural, natural)),
  },
  bytes({ batches, tried }) {
    let bytes = HEAD_BYTES + tried.length * 24;
    for (const { messages } of batches) bytes += messages.length + 32;
    return bytes;
  },
  divided(frame) {
    const [only, ...others] = frame.batches;
    if (only === undefined) return null;
    const half = frame.batches.length >>> 1;
    const halves =
      others.length > 0
        ? [frame.batches.slice(0, half), frame.batches.slice(half)]
        : dividedBatch(only)?.map((one) => [one]);
    const [, second] = halves ?? [];
    const from = second?.[0]?.offset;
    if (halves === undefined || from === undefined) return null;
    return halves.map((batches, at) => ({
      ...frame,
      batches,
      tried: frame.tried.filter(([offset]) => offset >= from === (at === 1)),
    }));
  },
  layout: {
    code: 6,
    write(to, frame) {
      to.uint(frame.member);
      to.uint(frame.queue);
      to.uint(frame.epoch);
      to.list(frame.batches, (batch) => {
        to.uint(batch.offset);
        to.uint(batch.count);
        to.float(batch.appendedAtMs);
        to.bytes(batch.messages);
      });
      to.list(frame.tried, ([at, attempts, losses]) => {
        to.uint(at);
        to.uint(attempts);
        to.uint(losses);
      });
    },
    read: (from) => ({
      type: "deliver",
      member: from.uint(),
      queue: from.uint(),
      epoch: epoch(from.uint()),
      batches: from.list(LIMITS.batches, 11, () => ({
        offset: offset(from.uint()),
        count: from.uint(),
        appendedAtMs: from.float(),
        messages: from.bytes(),
      })),
      tried: from.list(LIMITS.ranges, 3, () => [from.uint(), from.uint(), from.uint()] as const),
    }),
    isSound: ({ queue, batches }) =>
      isQueue(queue) && batches.every(({ count, appendedAtMs }) => count > 0 && Number.isFinite(appendedAtMs)),
  },
});
function dividedBatch(batch: DeliveredBatch): readonly DeliveredBatch[] | null {
  if (batch.count < 2) return null;
  const reader = new PackedReader(batch.messages);
  const count = Math.floor(batch.count / 2);
  try {
    for (let at = 0; at < count; at++) if (!reader.next()) return null;
  } catch {
    return null; // no messages that anybody could read
  }
  return [
    { ...batch, count, messages: batch.messages.subarray(0, reader.end) },
    {
      ...batch,
      offset: offset(batch.offset + count),
      count: batch.count - count,
      messages: batch.messages.subarray(reader.end),
    },
  ];
}

type Redelivered = RedrivenId & {
  readonly appendedAtMs: number;
  readonly attempts: number;
  readonly losses: number;
  readonly message: Uint8Array;
};
/**
 * B, set-aside messages that someone redrives, in the order of their strand; counted in credit. Settled by
 * `settle.redriven` or put back by `aside.put`.
 */
export interface Redeliver {
  readonly type: "redeliver";
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly entries: readonly Redelivered[];
}
export const redeliver = frame<Redeliver>({
  type: "redeliver",
  fields: {
    ...leaseFields,
    entries: list(
      LIMITS.batches,
      record<Redelivered>({
        ...redrivenFields,
        appendedAtMs: finite,
        attempts: natural,
        losses: natural,
        message: packedMessage,
      }),
    ),
  },
  bytes({ entries }) {
    let bytes = HEAD_BYTES;
    for (const { message } of entries) bytes += message.length + 48;
    return bytes;
  },
  divided(frame) {
    if (frame.entries.length < 2) return null;
    const half = frame.entries.length >>> 1;
    return [frame.entries.slice(0, half), frame.entries.slice(half)].map((entries) => ({ ...frame, entries }));
  },
  layout: {
    code: 7,
    write(to, frame) {
      to.uint(frame.member);
      to.uint(frame.queue);
      to.uint(frame.epoch);
      to.list(frame.entries, (entry) => {
        writeRedriven(to, entry);
        to.float(entry.appendedAtMs);
        to.uint(entry.attempts);
        to.uint(entry.losses);
        to.bytes(entry.message);
      });
    },
    read: (from) => ({
      type: "redeliver",
      member: from.uint(),
      queue: from.uint(),
      epoch: epoch(from.uint()),
      entries: from.list(LIMITS.batches, 13, () => ({
        ...readRedriven(from),
        appendedAtMs: from.float(),
        attempts: from.uint(),
        losses: from.uint(),
        message: from.bytes(),
      })),
    }),
  },
});

/**
 * C, reports; answered, in order per lease, by `settled` or `settle.refused`. For an unordered topic a `tried`
 * message is given up by this member and comes again, to any member, after its backoff.
 */
export interface Settle {
  readonly type: "settle";
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  /** Number of this settle under this grant, from 0. */
  readonly settle: number;
  readonly settlement: Settlement;
}
export const settle = frame<Settle>({
  type: "settle",
  fields: { ...leaseFields, settle: natural, settlement },
  bytes({ settlement: { ranges, redriven, tried, redrivenTried } }) {
    return HEAD_BYTES + (ranges.length + redriven.length + tried.length) * 16 + redrivenTried.length * 24;
  },
  layout: {
    code: 8,
    write(to, frame) {
      to.uint(frame.member);
      to.uint(frame.queue);
      to.uint(frame.epoch);
      to.uint(frame.settle);
      writeSettlement(to, frame.settlement);
    },
    read: (from) => ({
      type: "settle",
      member: from.uint(),
      queue: from.uint(),
      epoch: epoch(from.uint()),
      settle: from.uint(),
      settlement: readSettlement(from),
    }),
    isSound: ({ queue, settlement }) => isQueue(queue) && ascend(settlement.ranges),
  },
});

/** B, answers `settle`: committed (flushed). */
export interface Settled {
  readonly type: "settled";
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly settle: number;
  readonly revision: number;
}
export const settled = frame<Settled>({
  type: "settled",
  fields: { ...leaseFields, settle: natural, revision: natural },
  bytes: () => HEAD_BYTES,
  layout: {
    code: 9,
    write(to, frame) {
      to.uint(frame.member);
      to.uint(frame.queue);
      to.uint(frame.epoch);
      to.uint(frame.settle);
      to.uint(frame.revision);
    },
    read: (from) => ({
      type: "settled",
      member: from.uint(),
      queue: from.uint(),
      epoch: epoch(from.uint()),
      settle: from.uint(),
      revision: from.uint(),
    }),
    isSound: ({ queue }) => isQueue(queue),
  },
});

/**
 * B, answers `settle` that changed nothing: `STALE_EPOCH` (the lease is over), `PROTOCOL_VIOLATION` (never
 * delivered).
 */
export interface SettleRefused {
  readonly type: "settle.refused";
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly settle: number;
  readonly error: WireError;
}
export const settleRefused = frame<SettleRefused>({
  type: "settle.refused",
  fields: { ...leaseFields, settle: natural, error: wireError },
  bytes: errorFrameBytes,
});

/**
 * C, a message has exhausted its attempts. Answered by `aside.done` or `refused` (`STALE_EPOCH`; `LIMIT_EXCEEDED`: the
 * set-aside limit, and the subscription halts).
 * - `park`: it and every later message of its key are set aside, in order. The consumer has dropped the key from its
 *   buffer before it sent this, drops what still arrives of it until the answer, and gives the credit of all it
 *   dropped back (dropped messages count as taken off its hands).
 * - `dead-letter`: it alone.
 * - `halt`: the queue stops for the group.
 *
 * With `redriven` the message goes back to the head of its strand, which waits again. Whose link ended before the
 * answer asks the same on the next one, once its lease is resumed there and before it gives credit: that does nothing
 * a second time, nor undoes what a person has ordered of the message since, and is answered before anything more is
 * delivered.
 */
export interface AsidePut {
  readonly type: "aside.put";
  readonly request: number;
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly kind: "park" | "dead-letter" | "halt";
  readonly offset: Offset;
  readonly key: string | null;
  readonly redriven: RedrivenId | null;
  readonly attempts: number;
  readonly error: FailureInfo;
}
export const asidePut = frame<AsidePut>({
  type: "aside.put",
  fields: {
    request: natural,
    ...leaseFields,
    kind: choice("park", "dead-letter", "halt"),
    offset: anOffset,
    key: nullable(key),
    redriven: nullable(redriven),
    attempts: natural,
    error: failure,
  },
});

/**
 * B, answers `aside.put` once committed. `offsets`: every message that it set aside, delivered or not. To a repeat:
 * what is still aside of that, and the revision in which it went; nothing when it has been settled or discarded
 * since, or when a person's order set it aside (`revision` tells of no change of the holder's then). One that was
 * refused with `LIMIT_EXCEEDED` is refused again.
 */
export interface AsideDone {
  readonly type: "aside.done";
  readonly request: number;
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
  readonly revision: number;
  readonly offsets: readonly Offset[];
}
export const asideDone = frame<AsideDone>({
  type: "aside.done",
  fields: { request: natural, ...leaseFields, revision: natural, offsets },
});
