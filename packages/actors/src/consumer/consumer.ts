import type { ClientEnvironment } from "../client/client-environment.ts";
import { MessagingError } from "../message/errors.ts";
import type { Keying, Topic } from "../message/topic.ts";
import type { Consumer, ConsumerOptions, ContextOf } from "./consumer-api.ts";

/** A place holder, so that the client compiles until the consumer is here. To be replaced by its author. */
export function createConsumer<In, Out, O extends boolean>(
  _environment: ClientEnvironment,
  _topic: Topic<In, Out, Keying, O>,
  _options: ConsumerOptions<O>,
  _clientName: string,
): Consumer<Out, ContextOf<O>> {
  throw new MessagingError("UNAVAILABLE", "consumers are not here yet");
}
