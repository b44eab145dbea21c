// Fields that several frames and questions share: what they are, and their checks.
import type { Durability, Epoch, Offset, Sequence } from "../message/brands.ts";
import type { ErrorCode, WireError } from "../message/errors.ts";
import { ID_BYTES_MAX, KEY_BYTES_MAX } from "../message/packed.ts";
import type { Route } from "../message/route.ts";
import { SLOTS } from "../message/route.ts";
import type { Retention, TopicSpec } from "../message/topic.ts";
import {
  amount,
  anyObject,
  type Check,
  choice,
  type Fields,
  fault,
  list,
  nullable,
  optional,
  record,
  refined,
  string,
  stringOfBytes,
  tuple,
  whole,
  yesOrNo,
} from "./checks.ts";
import { describeFound } from "./violation.ts";

/**
 * Most items a list of a frame may have, and most characters a string. What a broker can take is less: it says so in
 * `welcome`.
 */
export const LIMITS = {
  name: 128,
  text: 65_536,
  /** Names of set-aside entries and places in lists of them: they may hold a key. */
  place: 4_096,
  versions: 64,
  queues: 4_096,
  groups: 4_096,
  runs: 100_000,
  batches: 100_000,
  /** The span a subscription may have open is 10,000 (rule 21). */
  ranges: 10_001,
  leases: 32_768,
  /** Messages of one batch that a client sends; lanes of ours send 256. */
  batch: 65_536,
  /** Offsets that one change set aside, or that stand aside in one queue. */
  offsets: 1_000_000,
  described: 100_000,
} as const;

export const count = whole(1);
export const natural = whole();
export const positive = whole(1);
export const queue = whole(0, LIMITS.queues - 1);
export const anOffset = natural as Check<Offset>;
export const anEpoch = natural as Check<Epoch>;
export const aSequence = natural as Check<Sequence>;
export const name = string(LIMITS.name);
export const text = string(LIMITS.text);
export const place = string(LIMITS.place);
export const key = stringOfBytes(KEY_BYTES_MAX);
export const id = stringOfBytes(ID_BYTES_MAX);
export const instance = stringOfBytes(ID_BYTES_MAX);
export const durability: Check<Durability> = choice("memory", "flushed", "synced");

/** Codes of newer peers pass: `fromWireError` knows what to make of them. */
export const errorCode: Check<ErrorCode> = (value) =>
  typeof value === "string" && /^[A-Z][A-Z_]{0,63}$/.test(value) ? null : fault("an error code", value);
export const wireError = record<WireError>({ code: errorCode, message: text, data: anyObject });
/**
 * Why an attempt failed, as plain text: what a handler threw, as it is (`shown` is for who prints it), cut to 8 KiB in
 * UTF-8 (name and code: 128 bytes).
 */
export interface FailureInfo {
  readonly name: string;
  readonly message: string;
  readonly code: string | null;
}
export const failure = record<FailureInfo>({ name, message: text, code: nullable(name) });

/** Half-open: `from` is in, `to` is not. */
export type OffsetRange = readonly [from: number, to: number];
const range = refined(tuple<OffsetRange>(natural, natural), ([from, to]) =>
  from < to ? null : { field: "", expected: "a range that begins before it ends", found: `${from} to ${to}` },
);
/**
 * Whether each range ends before the next one begins, or there: what is said twice, or in another order, would cost
 * more than it says.
 */
export const ascend = (of: readonly OffsetRange[]): boolean =>
  of.every(([from, to], index) => from < to && (index === 0 || of[index - 1]![1] <= from));
export const ranges = refined(list(LIMITS.ranges, range), (given) => {
  if (ascend(given)) return null;
  const at = given.findIndex(([from], index) => index > 0 && given[index - 1]![1] > from);
  return {
    field: `[${at}]`,
    expected: `a range from ${given[at - 1]![1]} on: in order, none twice`,
    found: String(given[at]![0]),
  };
});
export const offsets = list(LIMITS.offsets, anOffset);

/**
 * A place in what a group has set aside. `strand` names the key's log (or the one dead letter), under another number
 * once a message of it was put back; `offset` is the message's original offset.
 */
export interface RedrivenId {
  readonly strand: number;
  readonly offset: Offset;
}
export const redrivenFields: Fields<RedrivenId> = { strand: natural, offset: anOffset };
export const redriven = record<RedrivenId>(redrivenFields);
/** What a consumer reports of its messages. */
export interface Settlement {
  /** Messages whose handler ended well. Ranges, never "everything up to". */
  readonly ranges: readonly OffsetRange[];
  readonly redriven: readonly RedrivenId[];
  /** Failed attempts so far of messages that will be tried again (values, merged by max). */
  readonly tried: readonly (readonly [offset: number, attempts: number])[];
  readonly redrivenTried: readonly (RedrivenId & { readonly attempts: number })[];
}
export const settlement = record<Settlement>({
  ranges,
  redriven: list(LIMITS.ranges, redriven),
  tried: list(LIMITS.ranges, tuple<readonly [number, number]>(natural, natural)),
  redrivenTried: list(
    LIMITS.ranges,
    record<Settlement["redrivenTried"][number]>({ ...redrivenFields, attempts: natural }),
  ),
});
export interface LeaseKey {
  readonly member: number;
  readonly queue: number;
  readonly epoch: Epoch;
}
export const leaseFields: Fields<LeaseKey> = { member: natural, queue, epoch: anEpoch };

const runs = list(LIMITS.queues, tuple<readonly [number, number]>(whole(0, SLOTS - 1), queue));
/** Every slot belongs to one queue, and every queue that is named has a home. */
export const route = refined(
  record<Route>({ topic: name, version: natural, ordered: yesOrNo, homes: list(LIMITS.queues, name), runs }),
  ({ homes, runs }) => {
    if (runs[0]?.[0] !== 0) return { field: "runs", expected: "runs from slot 0", found: describeFound(runs[0]?.[0]) };
    for (const [index, [slot, owner]] of runs.entries()) {
      if (index > 0 && slot <= runs[index - 1]![0])
        return { field: `runs[${index}]`, expected: "slots that ascend", found: String(slot) };
      if (owner >= homes.length)
        return { field: `runs[${index}]`, expected: `one of ${homes.length} queues`, found: String(owner) };
    }
    return null;
  },
);
export const topicSpec = record<TopicSpec>({
  name,
  queues: whole(1, LIMITS.queues),
  ordered: yesOrNo,
  retention: record<Retention>({
    ageMs: optional(amount),
    bytesMax: optional(amount),
    settledByAll: optional(yesOrNo),
    dropUnsettled: optional(yesOrNo),
  }),
  groups: list(LIMITS.groups, name),
  parkedMessagesMax: amount,
  idWindowMs: amount,
});
