import type { HistorySink } from "../contracts/history.ts";
import type { Logger } from "../contracts/logger.ts";
import type { ActorRegistry } from "../runtime/actor-registry.ts";
import type { EventBus } from "../runtime/event-bus.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Connection } from "./connection.ts";
import type { Home } from "./connections.ts";
import type { TopicDirectory } from "./topic-directory.ts";

/** What producers and consumers of one client share. */
export interface ClientEnvironment {
  readonly name: string;
  readonly runtime: Runtime;
  /** The broker that the client was made for: what is of no topic is its business. */
  readonly home: Home;
  /** The connection to a broker, made when first needed. */
  linkTo(home: Home): Connection;
  readonly topics: TopicDirectory;
  readonly actors: ActorRegistry;
  readonly events: EventBus;
  readonly logger: Logger;
  /** `null`: nobody listens, and nothing is built for it. */
  readonly history: HistorySink | null;
}
