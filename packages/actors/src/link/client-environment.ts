import type { HistorySink } from "../contracts/history.ts";
import type { Logger } from "../contracts/logger.ts";
import type { SendArgs } from "../contracts/options.ts";
import type { Receipt } from "../message/message.ts";
import type { Keying, Topic } from "../message/topic.ts";
import type { ActorRegistry } from "../runtime/actor-registry.ts";
import type { EventBus } from "../runtime/event-bus.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { BrokerConnection } from "./broker-link.ts";
import type { TopicDirectory } from "./topic-directory.ts";

/** What producers and consumers of one client share. */
export interface ClientEnvironment {
  readonly name: string;
  /** Random, of this client object. */
  readonly instance: string;
  readonly runtime: Runtime;
  readonly connection: BrokerConnection;
  readonly topics: TopicDirectory;
  readonly actors: ActorRegistry;
  readonly events: EventBus;
  readonly logger: Logger;
  /** `null`: nobody listens, and nothing is built for it. */
  readonly history: HistorySink | null;
  /** The client's own producer for a topic, shared by all its consumers: what `context.emit` sends through. Created when first asked for; the client closes it after its consumers. */
  emitter<In, Out, K extends Keying, O extends boolean>(topic: Topic<In, Out, K, O>): Emitter<In, K>;
}
export interface Emitter<In, K extends Keying> {
  send(body: In, ...args: SendArgs<K>): Promise<Receipt>;
}
