import type { Offset } from "../../message/brands.ts";
import { choice, finite, list, nullable, record, yesOrNo } from "../checks.ts";
import { anOffset, LIMITS, name, natural, queue, text } from "../field-checks.ts";
import { question } from "./definition.ts";
import { type LeaseView, leaseView } from "./lease-view.ts";
import { toObserveGroup } from "./rights.ts";

/** One group of a topic, queue by queue. */
export interface DescribeGroup {
  readonly kind: "describe.group";
  readonly topic: string;
  readonly group: string;
}
/** The class of every offset: they add up to what was appended since the group's start (P9). */
export type OffsetClass =
  | "settled"
  | "filtered"
  | "skipped"
  | "expired"
  | "deadLettered"
  | "parked"
  | "discarded"
  | "backlog";
export interface GroupDescription {
  readonly topic: string;
  readonly group: string;
  readonly state: "stable" | "rebalancing";
  readonly members: readonly string[];
  /** Age of the oldest message not yet settled, ms. */
  readonly lagMs: number;
  readonly counts: Readonly<Record<OffsetClass, number>>;
  readonly queues: readonly QueueView[];
}
export interface QueueView {
  readonly queue: number;
  readonly state: "quarantined" | "vacant" | "leased" | "revoking";
  readonly halted: boolean;
  readonly lease: LeaseView | null;
  readonly cursor: Offset;
  readonly end: Offset;
  readonly backlog: number;
  readonly lagMs: number;
}
const queueView = record<QueueView>({
  queue,
  state: choice("quarantined", "vacant", "leased", "revoking"),
  halted: yesOrNo,
  lease: nullable(leaseView),
  cursor: anOffset,
  end: anOffset,
  backlog: natural,
  lagMs: finite,
});
export const groupDescription = record<GroupDescription>({
  topic: name,
  group: name,
  state: choice("stable", "rebalancing"),
  members: list(LIMITS.described, text),
  lagMs: finite,
  counts: record<Record<OffsetClass, number>>({
    settled: natural,
    filtered: natural,
    skipped: natural,
    expired: natural,
    deadLettered: natural,
    parked: natural,
    discarded: natural,
    backlog: natural,
  }),
  queues: list(LIMITS.queues, queueView),
});

export const describeGroup = question<DescribeGroup, GroupDescription>({
  kind: "describe.group",
  fields: { topic: name, group: name },
  answer: groupDescription,
  needs: toObserveGroup,
  effect: "reads",
});
