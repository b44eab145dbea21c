import type { Logger } from "../contracts/logger.ts";
import type { TopicSpec } from "../message/topic.ts";
import type { ActorRegistry } from "../runtime/actor-registry.ts";
import type { EventBus } from "../runtime/event-bus.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Store } from "../store/store.ts";
import type { TopicCounters } from "./counters.ts";
import type { ProducerNames } from "./producer-names.ts";
import type { StoreBacklog } from "./store-backlog.ts";
import type { TailBudget } from "./tail-cache.ts";

/** What the queues of one topic at one broker work with, and share. */
export interface TopicScope {
  readonly spec: TopicSpec;
  readonly routeVersion: number;
  /** The queue of each slot. */
  readonly table: Uint16Array;
  readonly messageBytesMax: number;
  readonly leaseTtlMsMax: number;
  readonly store: Store;
  readonly runtime: Runtime;
  readonly actors: ActorRegistry;
  readonly events: EventBus;
  readonly logger: Logger;
  /** Null where nobody counts. */
  readonly counters: TopicCounters | null;
  readonly producerNames: ProducerNames;
  /** The newest batches in memory, of all queues of the broker. */
  readonly tails: TailBudget;
  /** What waits for the store, of all queues of the broker. */
  readonly backlog: StoreBacklog;
}
