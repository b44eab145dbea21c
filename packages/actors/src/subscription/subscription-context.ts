import type { Logger } from "../contracts/logger.ts";
import type { GroupCounters } from "../log/counters.ts";
import type { QueueLog } from "../log/queue-log.ts";
import type { TopicSpec } from "../message/topic.ts";
import type { GroupSettings } from "../protocol/frames.ts";
import type { ActorRegistry } from "../runtime/actor-registry.ts";
import type { EventBus } from "../runtime/event-bus.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Store } from "../store/store.ts";
import type { Holder } from "./subscription.machine.ts";

/** What a subscription works with. */
export interface SubscriptionContextOf {
  readonly spec: TopicSpec;
  readonly queue: number;
  readonly group: string;
  readonly settings: GroupSettings;
  readonly log: QueueLog;
  readonly store: Store;
  readonly runtime: Runtime;
  readonly actors: ActorRegistry;
  readonly events: EventBus;
  readonly logger: Logger;
  readonly counters: GroupCounters | null;
  readonly leaseTtlMsMax: number;
  readonly part: LeaseListener;
}
/** Hears of the leases of a group's subscriptions. */
export interface LeaseListener {
  /** The lease has come free, or the cursor has moved: whoever waits looks again. */
  onVacant(queue: number): void;
  onHolder(queue: number, change: HolderChange): void;
}
/** A lease has begun or ended. */
export interface HolderChange {
  readonly holder: Holder;
  readonly held: boolean;
}
/** From the cursor to the highest delivered offset; at this span the subscription waits for its oldest unsettled message. */
export const SPAN_MAX = 10_000;
