import type { ClientEnvironment } from "../link/client-environment.ts";
import type { Keying, Topic } from "../message/topic.ts";
import type { ProducerSettings } from "./producer-options.ts";

/** What the parts of one producer share. */
export interface ProducerScope {
  readonly environment: ClientEnvironment;
  readonly topic: Topic<unknown, unknown, Keying, boolean>;
  readonly name: string;
  /** Of its actor. */
  readonly path: string;
  readonly settings: ProducerSettings;
}
