import { type Durability, epoch, offset, sequence } from "../message/brands.ts";
import type { WireError } from "../message/errors.ts";
import { ascend, LIMITS } from "./field-checks.ts";
import type { Frame, FrameType, OffsetRange, RedrivenId, Settlement } from "./frames.ts";
import { violation } from "./violation.ts";
import type { ByteReader, ByteWriter } from "./wire-bytes.ts";

/** Frames that come with messages, and so have a layout of their own. */
export type Hot =
  | "batch.append"
  | "batch.appended"
  | "lane.kept"
  | "batch.refused"
  | "credit"
  | "deliver"
  | "redeliver"
  | "settle"
  | "settled"
  | "heartbeat"
  | "heartbeat.answered";
type FrameOf<Type extends FrameType> = Extract<Frame, { readonly type: Type }>;
export interface Layout<F extends Frame> {
  /** First byte of the frame; never reused. */
  readonly code: number;
  readonly write: (to: ByteWriter, frame: F, version: number) => void;
  readonly read: (from: ByteReader, version: number) => F;
  /** The newest protocol version whose fields it has. On links that have newer ones the frame goes as a map. @default 1 */
  readonly upTo?: number;
  /**
   * Whether what `read` made also keeps the rules that reading does not look at (numbers, bytes, flags and lengths of lists it does): then there is nothing for
   * `validateFrame` to find, and frames that come with every message are not looked at twice.
   */
  readonly isSound?: (frame: F) => boolean;
}
const isQueue = (queue: number): boolean => queue < LIMITS.queues;

const DURABILITIES: readonly Durability[] = ["memory", "flushed", "synced"];

/** To add a field, add it at the same place of `write` and `read`, if the link's `version` has it, and raise `upTo`. */
export const LAYOUTS: { readonly [Type in Hot]: Layout<FrameOf<Type>> } = {
  "batch.append": {
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
  "batch.appended": {
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
  "lane.kept": {
    code: 3,
    write(to, frame) {
      to.uint(frame.lane);
      to.uint(frame.epoch);
      to.uint(frame.kept);
    },
    read: (from) => ({ type: "lane.kept", lane: from.uint(), epoch: epoch(from.uint()), kept: sequence(from.uint()) }),
    isSound: () => true,
  },
  "batch.refused": {
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
  credit: {
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
  deliver: {
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
  redeliver: {
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
  settle: {
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
  settled: {
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
  heartbeat: {
    code: 10,
    write(to, frame) {
      to.uint(frame.beat);
      to.uint(frame.grantsSeen);
      to.list(frame.leases, (lease) => {
        to.uint(lease.member);
        to.uint(lease.queue);
        to.uint(lease.epoch);
      });
    },
    read: (from) => ({
      type: "heartbeat",
      beat: from.uint(),
      grantsSeen: from.uint(),
      leases: from.list(LIMITS.leases, 3, () => ({
        member: from.uint(),
        queue: from.uint(),
        epoch: epoch(from.uint()),
      })),
    }),
    isSound: ({ leases }) => leases.every(({ queue }) => isQueue(queue)),
  },
  "heartbeat.answered": {
    code: 11,
    write(to, frame) {
      to.uint(frame.beat);
      to.list(frame.renewed, (lease) => {
        to.uint(lease.member);
        to.uint(lease.queue);
        to.uint(lease.epoch);
        to.float(lease.ttlMs);
      });
      to.list(frame.ended, (lease) => {
        to.uint(lease.member);
        to.uint(lease.queue);
        to.uint(lease.epoch);
        to.uint(lease.current);
      });
    },
    read: (from) => ({
      type: "heartbeat.answered",
      beat: from.uint(),
      renewed: from.list(LIMITS.leases, 11, () => ({
        member: from.uint(),
        queue: from.uint(),
        epoch: epoch(from.uint()),
        ttlMs: from.float(),
      })),
      ended: from.list(LIMITS.leases, 4, () => ({
        member: from.uint(),
        queue: from.uint(),
        epoch: epoch(from.uint()),
        current: epoch(from.uint()),
      })),
    }),
  },
};

function writeSettlement(to: ByteWriter, settlement: Settlement): void {
  to.list(settlement.ranges, ([first, end]) => {
    to.uint(first);
    to.uint(end);
  });
  to.list(settlement.redriven, (id) => writeRedriven(to, id));
  to.list(settlement.tried, ([at, attempts]) => {
    to.uint(at);
    to.uint(attempts);
  });
  to.list(settlement.redrivenTried, (tried) => {
    writeRedriven(to, tried);
    to.uint(tried.attempts);
  });
}
const readSettlement = (from: ByteReader): Settlement => ({
  ranges: from.list(LIMITS.ranges, 2, (): OffsetRange => [from.uint(), from.uint()]),
  redriven: from.list(LIMITS.ranges, 2, () => readRedriven(from)),
  tried: from.list(LIMITS.ranges, 2, () => [from.uint(), from.uint()] as const),
  redrivenTried: from.list(LIMITS.ranges, 3, () => ({ ...readRedriven(from), attempts: from.uint() })),
});
function writeRedriven(to: ByteWriter, id: RedrivenId): void {
  to.uint(id.strand);
  to.uint(id.offset);
}
const readRedriven = (from: ByteReader): RedrivenId => ({ strand: from.uint(), offset: offset(from.uint()) });
function readDurability(from: ByteReader): Durability {
  const index = from.byte();
  const durability = DURABILITIES[index];
  if (durability === undefined) throw violation(from.frame, "durability", "0, 1 or 2", String(index));
  return durability;
}
