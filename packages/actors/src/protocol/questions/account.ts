import type { Offset } from "../../message/brands.ts";
import { list, record, yesOrNo } from "../checks.ts";
import { anOffset, LIMITS, name, natural, type OffsetRange, offsets, queue, ranges } from "../field-checks.ts";
import { question } from "./definition.ts";
import { toObserveGroup } from "./rights.ts";

/** What became of every offset of the topic, for one group, queue by queue. */
export interface Account {
  readonly kind: "account";
  readonly topic: string;
  readonly group: string;
}
/**
 * Every offset of one queue, for one group, in exactly one class (P9): `end − start` is the sum of all classes. Read
 * from one state, between two commits.
 */
export interface QueueAccount {
  readonly queue: number;
  readonly start: Offset;
  readonly end: Offset;
  /** First offset that is in no class but backlog. */
  readonly cursor: Offset;
  /** Settled above the cursor. */
  readonly settledRanges: readonly OffsetRange[];
  readonly settled: number;
  readonly filtered: number;
  readonly skipped: number;
  readonly expired: number;
  readonly deadLettered: readonly Offset[];
  readonly parked: readonly Offset[];
  readonly discarded: readonly Offset[];
  readonly backlog: number;
  readonly halted: boolean;
  readonly revision: number;
  readonly logEpoch: number;
}
const queueAccount = record<QueueAccount>({
  queue,
  start: anOffset,
  end: anOffset,
  cursor: anOffset,
  settledRanges: ranges,
  settled: natural,
  filtered: natural,
  skipped: natural,
  expired: natural,
  deadLettered: offsets,
  parked: offsets,
  discarded: offsets,
  backlog: natural,
  halted: yesOrNo,
  revision: natural,
  logEpoch: natural,
});

export const account = question<Account, readonly QueueAccount[]>({
  kind: "account",
  fields: { topic: name, group: name },
  answer: list(LIMITS.queues, queueAccount, "queue"),
  needs: toObserveGroup,
  effect: "reads",
});
