import type { GroupCounters } from "../log/counters.ts";
import type { QueueLog } from "../log/queue-log.ts";
import type { TopicScope } from "../log/topic-scope.ts";
import type { GroupSettings } from "../protocol/frames.ts";
import type { Holder } from "./holder.ts";

/**
 * From the cursor to the highest delivered offset; at this span the subscription waits for its oldest unsettled
 * message.
 */
export const SPAN_MAX = 10_000;

/** What a subscription works with. */
export interface SubscriptionScope {
  readonly topic: TopicScope;
  readonly place: SubscriptionPlace;
  readonly log: QueueLog;
  readonly group: GroupPart;
  /** Null where nobody counts. */
  readonly counters: GroupCounters | null;
}
/** Which subscription it is, as events and records name it. */
export interface SubscriptionPlace {
  readonly topic: string;
  readonly queue: number;
  readonly group: string;
}
/** A group, as its subscriptions see it: it hears of their leases. */
export interface GroupPart {
  readonly name: string;
  readonly settings: GroupSettings;
  /** The lease has come free, or may be taken up again by who held it. */
  onVacant(queue: number): void;
  onHolder(queue: number, change: HolderChange): void;
}
/** A lease has begun or ended. */
export interface HolderChange {
  readonly holder: Holder;
  readonly held: boolean;
}
