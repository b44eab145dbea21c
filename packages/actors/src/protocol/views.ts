import type { Epoch, Offset } from "../message/brands.ts";

/** The lease of a queue as people see it. */
export interface LeaseView {
  readonly epoch: Epoch;
  /** Name of the member that holds it. */
  readonly holder: string;
  readonly expiresInMs: number;
}
/** Why a key is where it is, for one group. */
export interface KeyView {
  readonly group: string;
  /** One sentence for a person. */
  readonly text: string;
  readonly state: "idle" | "waiting" | "handling" | "backingOff" | "parked" | "halted" | "paused" | "unleased";
  /** Messages of this key (as far as they were read) or, when nothing of it is known, of its queue, not yet settled. */
  readonly backlog: number;
  /** Age of the oldest of them, ms. */
  readonly lagMs: number;
  readonly lease: LeaseView | null;
  readonly blockedBy: { readonly offset: Offset; readonly attempt: number; readonly error: string | null } | null;
}
export interface Explanation {
  readonly topic: string;
  readonly key: string;
  readonly queue: number;
  readonly text: string;
  readonly groups: readonly KeyView[];
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
export interface TopicDescription {
  readonly topic: string;
  readonly queues: number;
  readonly groups: readonly GroupDescription[];
  readonly producers: readonly string[];
}
export interface Description {
  readonly brokers: readonly {
    readonly name: string;
    readonly state: "starting" | "serving" | "draining" | "stopped" | "failed";
  }[];
  readonly topics: readonly TopicDescription[];
}
