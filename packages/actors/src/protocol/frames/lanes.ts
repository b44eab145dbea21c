// Producing: messages go along lanes, one for each queue that a producer sends to.
import {
  type Durability,
  type Epoch,
  epoch,
  type Offset,
  offset,
  type Sequence,
  sequence,
} from "../../message/brands.ts";
import type { WireError } from "../../message/errors.ts";
import type { ByteReader } from "../byte-reader.ts";
import { amount, list, nullable, packedMessages, record, whole, yesOrNo } from "../checks.ts";
import {
  anEpoch,
  anOffset,
  aSequence,
  count,
  durability,
  LIMITS,
  name,
  natural,
  queue,
  wireError,
} from "../field-checks.ts";
import { errorFrameBytes, HEAD_BYTES } from "../plain-bytes.ts";
import { violation } from "../violation.ts";
import { frame } from "./definition.ts";

/**
 * C, before the first batch of a lane on this link; answered by `lane.opened` or `refused` (`WRONG_ROUTE`,
 * `FORBIDDEN`, `NAME_IN_USE`, `PRODUCER_FENCED`, `PRODUCER_UNKNOWN`, `UNAVAILABLE`). `epoch: null` takes a new
 * producer epoch from the queue, which fences every older instance of that producer name there; where one with a
 * higher `ordinal` has the name, it is refused with `PRODUCER_FENCED`. A number shows the epoch the instance already
 * has and keeps it.
 */
export interface LaneOpen {
  readonly type: "lane.open";
  readonly request: number;
  readonly lane: number;
  readonly topic: string;
  readonly queue: number;
  readonly producer: string;
  readonly epoch: Epoch | null;
  readonly routeVersion: number;
}
export const laneOpen = frame<LaneOpen>({
  type: "lane.open",
  fields: {
    request: natural,
    lane: natural,
    topic: name,
    queue,
    producer: name,
    epoch: nullable(anEpoch),
    routeVersion: natural,
  },
});

/** B, answers `lane.open`. The new epoch is synced before this is sent. */
export interface LaneOpened {
  readonly type: "lane.opened";
  readonly request: number;
  readonly lane: number;
  readonly epoch: Epoch;
  /**
   * The sequence number that the queue will take next in this epoch: everything below has been appended (or is being
   * made durable).
   */
  readonly expected: Sequence;
  /** Incarnation of the log: the broker's ownership epoch. */
  readonly logEpoch: number;
}
export const laneOpened = frame<LaneOpened>({
  type: "lane.opened",
  fields: { request: natural, lane: natural, epoch: anEpoch, expected: aSequence, logEpoch: natural },
});

/** C, when a lane ends for good; not answered. */
export interface LaneClose {
  readonly type: "lane.close";
  readonly lane: number;
}
export const laneClose = frame<LaneClose>({ type: "lane.close", fields: { lane: natural } });

/**
 * C, messages `sequence` … `sequence + count − 1` of a lane, packed end to end. Answered, in order per lane, by
 * `batch.appended` once the durability asked for is reached, or by `batch.refused`.
 */
export interface BatchAppend {
  readonly type: "batch.append";
  readonly lane: number;
  readonly epoch: Epoch;
  readonly sequence: Sequence;
  readonly count: number;
  readonly durability: Durability;
  readonly messages: Uint8Array;
}
export const batchAppend = frame<BatchAppend>({
  type: "batch.append",
  fields: {
    lane: natural,
    epoch: anEpoch,
    sequence: aSequence,
    count: whole(1, LIMITS.batch),
    durability,
    messages: packedMessages,
  },
  bytes: ({ messages }) => HEAD_BYTES + messages.length,
  layout: {
    code: 1,
    write(to, frame) {
      to.uint(frame.lane);
      to.uint(frame.epoch);
      to.uint(frame.sequence);
      to.uint(frame.count);
      to.byte(DURABILITIES.indexOf(frame.durability));
      to.bytes(frame.messages);
    },
    read: (from) => ({
      type: "batch.append",
      lane: from.uint(),
      epoch: epoch(from.uint()),
      sequence: sequence(from.uint()),
      count: from.uint(),
      durability: readDurability(from),
      messages: from.bytes(),
    }),
    isSound: ({ count }) => count > 0 && count <= LIMITS.batch,
  },
});
const DURABILITIES: readonly Durability[] = ["memory", "flushed", "synced"];
function readDurability(from: ByteReader): Durability {
  const index = from.byte();
  const durability = DURABILITIES[index];
  if (durability === undefined) throw violation(from.frame, "durability", "0, 1 or 2", String(index));
  return durability;
}

/**
 * B, answers `batch.append`: where its messages stand, in order. A run's offsets are consecutive; a `duplicate` run
 * was appended by an earlier send. `kept`: every sequence below it is at least flushed (what a `memory` lane still
 * holds for resending).
 */
export interface BatchAppended {
  readonly type: "batch.appended";
  readonly lane: number;
  readonly epoch: Epoch;
  readonly sequence: Sequence;
  readonly count: number;
  readonly runs: readonly AppendedRun[];
  readonly kept: Sequence;
}
export interface AppendedRun {
  readonly count: number;
  readonly offset: Offset;
  readonly duplicate: boolean;
}
export const batchAppended = frame<BatchAppended>({
  type: "batch.appended",
  fields: {
    lane: natural,
    epoch: anEpoch,
    sequence: aSequence,
    count,
    runs: list(LIMITS.runs, record<AppendedRun>({ count, offset: anOffset, duplicate: yesOrNo })),
    kept: aSequence,
  },
  bytes: ({ runs }) => HEAD_BYTES + runs.length * 17,
  layout: {
    code: 2,
    write(to, frame) {
      to.uint(frame.lane);
      to.uint(frame.epoch);
      to.uint(frame.sequence);
      to.uint(frame.count);
      to.list(frame.runs, (run) => {
        to.uint(run.count);
        to.uint(run.offset);
        to.flag(run.duplicate);
      });
      to.uint(frame.kept);
    },
    read: (from) => ({
      type: "batch.appended",
      lane: from.uint(),
      epoch: epoch(from.uint()),
      sequence: sequence(from.uint()),
      count: from.uint(),
      runs: from.list(LIMITS.runs, 3, () => ({
        count: from.uint(),
        offset: offset(from.uint()),
        duplicate: from.flag(),
      })),
      kept: sequence(from.uint()),
    }),
    isSound: ({ count, runs }) => count > 0 && runs.every((run) => run.count > 0),
  },
});

/** B, when messages of a lane that got `memory` receipts have been flushed: `kept` moves up. Not answered. */
export interface LaneKept {
  readonly type: "lane.kept";
  readonly lane: number;
  readonly epoch: Epoch;
  readonly kept: Sequence;
}
export const laneKept = frame<LaneKept>({
  type: "lane.kept",
  fields: { lane: natural, epoch: anEpoch, kept: aSequence },
  bytes: () => HEAD_BYTES,
  layout: {
    code: 3,
    write(to, frame) {
      to.uint(frame.lane);
      to.uint(frame.epoch);
      to.uint(frame.kept);
    },
    read: (from) => ({ type: "lane.kept", lane: from.uint(), epoch: epoch(from.uint()), kept: sequence(from.uint()) }),
    isSound: () => true,
  },
});

/**
 * B, when a commit with messages of a lane that got `memory` receipts has failed: the queue has read its store anew and
 * expects this sequence next. The lane goes back to it (`tailLost` when it no longer holds it). Not answered.
 */
export interface LaneRewind {
  readonly type: "lane.rewind";
  readonly lane: number;
  readonly epoch: Epoch;
  readonly expected: Sequence;
}
export const laneRewind = frame<LaneRewind>({
  type: "lane.rewind",
  fields: { lane: natural, epoch: anEpoch, expected: aSequence },
});

/**
 * B, answers `batch.append`. Nothing of the batch was appended. `OUT_OF_SEQUENCE` carries `expected`, and every batch
 * of the lane already on its way is refused the same way: the lane rewinds to `expected`. `QUEUE_FULL`, `STORE_FULL`,
 * `UNAVAILABLE` pass: the lane waits `retryAfterMs` and rewinds to this batch. `PRODUCER_FENCED`, `PRODUCER_UNKNOWN`,
 * `WRONG_ROUTE`, … end the lane.
 */
export interface BatchRefused {
  readonly type: "batch.refused";
  readonly lane: number;
  readonly epoch: Epoch;
  readonly sequence: Sequence;
  readonly error: WireError;
  readonly expected: Sequence | null;
  readonly retryAfterMs: number | null;
}
export const batchRefused = frame<BatchRefused>({
  type: "batch.refused",
  fields: {
    lane: natural,
    epoch: anEpoch,
    sequence: aSequence,
    error: wireError,
    expected: nullable(aSequence),
    retryAfterMs: nullable(amount),
  },
  bytes: errorFrameBytes,
  layout: {
    code: 4,
    write(to, frame) {
      to.uint(frame.lane);
      to.uint(frame.epoch);
      to.uint(frame.sequence);
      to.plain(frame.error);
      to.nullable(frame.expected, (expected) => to.uint(expected));
      to.nullable(frame.retryAfterMs, (ms) => to.float(ms));
    },
    read: (from) => ({
      type: "batch.refused",
      lane: from.uint(),
      epoch: epoch(from.uint()),
      sequence: sequence(from.uint()),
      error: from.plain() as WireError,
      expected: from.nullable(() => sequence(from.uint())),
      retryAfterMs: from.nullable(() => from.float()),
    }),
  },
});
