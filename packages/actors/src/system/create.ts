import type { ContainerModule } from "inversify";
import { type Broker, startBroker } from "../broker/broker.ts";
import type { BrokerSettings } from "../broker/broker-settings.ts";
import { createClientCore } from "../client/client.ts";
import type { Client } from "../client/client-api.ts";
import type { ClientSettings, CloseOptions } from "../contracts/options.ts";
import { closeTimeout } from "../contracts/options.ts";
import type { Transport } from "../contracts/transport.ts";
import { MessagingError } from "../message/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { assemble, type Parts } from "./assemble.ts";

export interface BrokerOptions extends BrokerSettings {
  /**
   * A transport that listens is needed; the store defaults to `memoryStore()`. Of two modules for one contract the
   * later wins.
   */
  readonly modules: readonly ContainerModule[];
  /**
   * Transports that the broker listens on beside the one in `modules`, one module each: clients of all of them have
   * the same topics, groups and rights. When it cannot listen on one of them it does not start. @default none
   */
  readonly listen?: readonly ContainerModule[] | undefined;
}
export interface ClientOptions extends ClientSettings {
  /** The transport that is bound here dials the broker that must be there when the client is created. */
  readonly modules: readonly ContainerModule[];
  /**
   * Transports to further brokers, one module each. A topic is looked for at the first broker, then at these, in order;
   * a link is opened when it is first needed. Each is shown the same `token`. @default none
   */
  readonly dial?: readonly ContainerModule[] | undefined;
}
export interface SystemOptions extends BrokerOptions {
  /** What the system's own client shows the authenticator. */
  readonly token?: ClientSettings["token"];
}
/** A broker and a client of it in one process: the same actors, joined by the transport in `modules`. */
export interface System extends Client {
  readonly broker: Broker;
}

/**
 * Starts a broker: opens its store, takes up its topics, listens.
 * @throws `MODULE_MISSING` `OPTION_INVALID` `STORE_IN_USE` `STORE_DAMAGED` `TOPIC_MISMATCH` `UNAVAILABLE` (cannot
 * listen)
 */
export async function createBroker(options: BrokerOptions): Promise<Broker> {
  const parts = await assemble(options.modules);
  return await brokerOn(parts, options, await parts.transportsOf("listen", options.listen));
}
/** @throws `MODULE_MISSING` `OPTION_INVALID` `CONNECT_TIMEOUT` `UNAUTHENTICATED` `FORBIDDEN` `VERSION_UNSUPPORTED` */
export async function createClient(options: ClientOptions): Promise<Client> {
  const parts = await assemble(options.modules);
  return await clientOn(parts, options, await parts.transportsOf("dial", options.dial));
}
/** Starts a broker and a client of it in this process. Throws what `createBroker` and `createClient` do. */
export async function createSystem(options: SystemOptions): Promise<System> {
  const parts = await assemble(options.modules);
  const broker = await brokerOn(parts, options, await parts.transportsOf("listen", options.listen));
  let client: Client;
  try {
    client = await clientOn(parts, { token: options.token, inspect: options.inspect });
  } catch (error) {
    await broker.close();
    throw error;
  }
  let closing: Promise<void> | undefined;
  const close = (how?: CloseOptions): Promise<void> => {
    closing ??= closeBoth(client, broker, parts.runtime, closeTimeout(how?.timeoutMs));
    return closing;
  };
  return {
    broker,
    name: client.name,
    producer: (topic, how) => client.producer(topic, how),
    consumer: (topic, how) => client.consumer(topic, how),
    explain: (topic, key) => client.explain(topic, key),
    describe: client.describe.bind(client) as Client["describe"],
    admin: client.admin,
    events$: client.events$,
    actors: client.actors,
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}

/** What the broker has at least, when its client has taken all the time, ms: to let go of its data in order. */
const BROKER_CLOSE_MS_MIN = 2_000;
async function closeBoth(client: Client, broker: Broker, runtime: Runtime, timeoutMs: number): Promise<void> {
  const until = runtime.now() + timeoutMs;
  try {
    await client.close({ timeoutMs });
  } finally {
    await broker.close({ timeoutMs: Math.max(until - runtime.now(), Math.min(BROKER_CLOSE_MS_MIN, timeoutMs)) });
  }
}
async function brokerOn(parts: Parts, settings: BrokerSettings, listen: readonly Transport[]): Promise<Broker> {
  const { transport, runtime, authenticator, authenticates, authorizer, logger, metrics } = parts;
  if (authorizer === null)
    throw new MessagingError(
      "MODULE_MISSING",
      "an authenticator is bound and no authorizer, so nothing says what its principals may do: bind `tokens.authorizer` too, or both with auth({ authenticate, authorize })",
      { data: { token: "authorizer" } },
    );
  return await startBroker(settings, {
    transports: [transport, ...listen],
    runtime,
    authenticator,
    authenticates,
    authorizer,
    logger,
    metrics,
    store: await parts.store(),
  });
}
async function clientOn(parts: Parts, settings: ClientSettings, dial: readonly Transport[] = []): Promise<Client> {
  const { transport, runtime, codec, logger, history } = parts;
  return await createClientCore({
    ...settings,
    transport,
    dial,
    runtime,
    codec,
    logger,
    ...(history === null ? {} : { history }),
  });
}
