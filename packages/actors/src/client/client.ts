import type { Observable } from "rxjs";
import { createConsumer } from "../consumer/consumer.ts";
import type { Consumer, ConsumerOptions, ContextOf } from "../consumer/consumer-api.ts";
import { KeysInHand } from "../consumer/in-hand.ts";
import type { ConsumerEnvironment } from "../consumer/scope.ts";
import type { Actors } from "../contracts/actors.ts";
import type { SystemEvent } from "../contracts/events.ts";
import { guardedHistory, guardedLogger } from "../contracts/guarded.ts";
import type { HistorySink } from "../contracts/history.ts";
import type { Logger } from "../contracts/logger.ts";
import type { ClientSettings, CloseOptions } from "../contracts/options.ts";
import { closeTimeout } from "../contracts/options.ts";
import type { Transport } from "../contracts/transport.ts";
import { ask } from "../link/ask.ts";
import { Connection } from "../link/connection.ts";
import { Connections, type Home } from "../link/connections.ts";
import { TopicDirectory } from "../link/topic-directory.ts";
import { duration } from "../message/duration.ts";
import { isMessagingError, MessagingError, optionInvalid } from "../message/errors.ts";
import { isName, type Keying, type Topic, type TopicSpec, topicSpec } from "../message/topic.ts";
import { createProducer } from "../producer/producer.ts";
import type { Producer, ProducerOptions } from "../producer/producer-api.ts";
import { binaryCodec } from "../protocol/binary-codec.ts";
import type { Codec } from "../protocol/codec.ts";
import type {
  Description,
  Explanation,
  GroupDescription,
  QueueAccount,
  TopicDescription,
} from "../protocol/questions.ts";
import { ActorRegistry } from "../runtime/actor-registry.ts";
import { EventBus } from "../runtime/event-bus.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { systemRuntime } from "../runtime/system-runtime.ts";
import type { Admin, Because, Client, NamedPart, SetAside } from "./client-api.ts";
import { checked, createSetAside } from "./set-aside.ts";

/** A client's settings and what it is built on. */
export interface ClientCoreOptions extends ClientSettings {
  /** Dials the broker that must be there when the client is created. */
  readonly transport: Transport;
  /** Dial further brokers, one each: where topics are looked for that those before do not know. @default none */
  readonly dial?: readonly Transport[] | undefined;
  readonly runtime?: Runtime | undefined;
  /** How frames are written; the broker answers in the same. @default binary */
  readonly codec?: Codec | undefined;
  /** @default silent */
  readonly logger?: Logger | undefined;
  readonly history?: HistorySink | undefined;
}

const SILENT: Logger = { log: () => {} };

/**
 * Connects to a broker. Rejects with `CONNECT_TIMEOUT` when there is no link within `connectTimeoutMs`, at once with
 * `UNAUTHENTICATED`, `FORBIDDEN` or `VERSION_UNSUPPORTED`, and with `OPTION_INVALID`. Later losses reconnect for ever.
 */
export async function createClientCore(options: ClientCoreOptions): Promise<Client> {
  const { transport, dial = [], token } = options;
  if (typeof transport?.dial !== "function") throw optionInvalid("transport", "a transport", transport);
  if (!Array.isArray(dial) || dial.some((each) => typeof each?.dial !== "function"))
    throw optionInvalid("dial", "a list of transports", dial);
  if (options.name !== undefined && !isName(options.name))
    throw optionInvalid("name", "1 to 128 of the characters A-Z a-z 0-9 . _ -", options.name);
  if (token !== undefined && typeof token !== "string" && typeof token !== "function")
    throw optionInvalid("token", "a string or a function", typeof token);
  const connectTimeoutMs = duration("connectTimeoutMs", options.connectTimeoutMs, 10_000, 1);
  const client = new LiveClient(options, connectTimeoutMs);
  await client.connected();
  return client;
}

interface Closeable {
  close(options?: CloseOptions): Promise<void>;
}

class LiveClient implements Client, Admin {
  readonly name: string;
  readonly #environment: ConsumerEnvironment;
  readonly #connections: Connections;
  readonly #registry: ActorRegistry;
  readonly #events: EventBus;
  readonly #producers = new Set<Closeable>();
  readonly #consumers = new Set<Closeable>();
  readonly #emitters = new Map<string, Producer<never>>();
  #closing: Promise<void> | null = null;

  constructor(options: ClientCoreOptions, connectTimeoutMs: number) {
    const runtime = options.runtime ?? systemRuntime();
    const logger = options.logger === undefined ? SILENT : guardedLogger(options.logger);
    const instance = runtime.id();
    this.name = options.name ?? `client-${instance.slice(0, 8)}`;
    this.#events = new EventBus(runtime, (error) =>
      logger.log("error", `an observer of the events of client "${this.name}" threw`, { error }),
    );
    this.#registry = new ActorRegistry({
      runtime,
      inspect: options.inspect,
      onFailure: (path, error) => logger.log("error", `actor ${path} failed`, { error }),
      dropped: (error) => logger.log("error", `an observer of the actors of client "${this.name}" threw`, { error }),
    });
    const { transport: home, dial = [], codec = binaryCodec, token } = options;
    const { name } = this;
    const shared = {
      codec,
      runtime,
      actors: this.#registry,
      events: this.#events,
      logger,
      name,
      token,
      connectTimeoutMs,
    };
    this.#connections = new Connections([home, ...dial], (transport, number) =>
      number === 1
        ? new Connection({ ...shared, transport, instance, path: `${name}/connection` })
        : new Connection({ ...shared, transport, instance: runtime.id(), path: `${name}/connection-${number}` }),
    );
    const linkTo = (to: Home): Connection => this.#connections.linkTo(to);
    this.#environment = {
      name,
      runtime,
      home,
      linkTo,
      topics: new TopicDirectory(this.#connections),
      actors: this.#registry,
      events: this.#events,
      logger,
      history: options.history === undefined ? null : guardedHistory(options.history, logger),
      emitter: (topic) => this.#emitter(topic),
      inHand: new KeysInHand(),
    };
  }
  async connected(): Promise<void> {
    try {
      const { home, linkTo } = this.#environment;
      await linkTo(home).ready;
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  get admin(): Admin {
    return this;
  }
  get events$(): Observable<SystemEvent> {
    return this.#events.events$;
  }
  get actors(): Actors {
    return this.#registry;
  }

  producer<In, Out, K extends Keying, O extends boolean>(
    topic: Topic<In, Out, K, O>,
    options: ProducerOptions = {},
  ): Producer<In, K> {
    this.#mustBeOpen();
    const producer: Producer<In, K> = createProducer(this.#environment, topic, options, () =>
      this.#producers.delete(producer),
    );
    this.#producers.add(producer);
    return producer;
  }
  consumer<In, Out, K extends Keying, O extends boolean>(
    topic: Topic<In, Out, K, O>,
    options: ConsumerOptions<O>,
  ): Consumer<Out, ContextOf<O>> {
    this.#mustBeOpen();
    const consumer: Consumer<Out, ContextOf<O>> = createConsumer<In, Out, O>(
      this.#environment,
      topic as unknown as Topic<In, Out, Keying, O>,
      options,
      this.name,
      () => this.#consumers.delete(consumer),
    );
    this.#consumers.add(consumer);
    return consumer;
  }
  /** One per topic, for all its consumers; closed after them. */
  #emitter<In, Out, K extends Keying, O extends boolean>(topic: Topic<In, Out, K, O>): Producer<In, K> {
    const known = this.#emitters.get(topic.name);
    if (known !== undefined) return known as unknown as Producer<In, K>;
    const emitter = createProducer(this.#environment, topic);
    this.#emitters.set(topic.name, emitter as unknown as Producer<never>);
    return emitter;
  }
  #mustBeOpen(): void {
    if (this.#closing !== null) throw new MessagingError("CLOSED", `client "${this.name}" is closed`);
  }

  explain<In, Out, O extends boolean>(topic: Topic<In, Out, Keying, O>, key: string): Promise<Explanation> {
    return ask(this.#environment, { kind: "explain", topic: topic.name, key });
  }
  describe(): Promise<Description>;
  describe(topic: TopicSpec): Promise<TopicDescription>;
  describe(topic: TopicSpec, of: { readonly group: string }): Promise<GroupDescription>;
  describe(
    topic?: TopicSpec,
    of?: { readonly group: string },
  ): Promise<Description | TopicDescription | GroupDescription> {
    if (topic === undefined) return ask(this.#environment, { kind: "describe" });
    if (of === undefined) return ask(this.#environment, { kind: "describe.topic", topic: topic.name });
    return ask(this.#environment, { kind: "describe.group", topic: topic.name, group: of.group });
  }
  async declare(topic: TopicSpec): Promise<void> {
    await ask(this.#environment, { kind: "declare", spec: topicSpec(topic) });
  }
  setAside<In, Out, K extends Keying, O extends boolean>(
    topic: Topic<In, Out, K, O>,
    of: { readonly group: string },
  ): SetAside<In, Out> {
    return createSetAside(this.#environment, topic, of.group);
  }
  account(topic: TopicSpec, of: { readonly group: string }): Promise<readonly QueueAccount[]> {
    return ask(this.#environment, { kind: "account", topic: topic.name, group: of.group });
  }
  async releaseName({ name: topic }: TopicSpec, of: NamedPart, because: Because): Promise<void> {
    for (const [option, name] of Object.entries(of))
      if (!isName(name)) throw optionInvalid(option, "1 to 128 of the characters A-Z a-z 0-9 . _ -", name);
    const named = "producer" in of ? { group: null, name: of.producer } : { group: of.group, name: of.consumer };
    const { reason } = checked(because);
    await ask(this.#environment, { kind: "name.release", topic, ...named, reason });
    this.#events.emit({ type: "name.released", topic, ...named, reason, by: this.name });
  }

  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(closeTimeout(options.timeoutMs));
    return this.#closing;
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
  /**
   * Consumers first, since what they have in hand may still emit; then producers; then
   * the link. All within `timeoutMs`.
   */
  async #close(timeoutMs: number): Promise<void> {
    const { runtime, logger } = this.#environment;
    const until = runtime.now() + timeoutMs;
    const stages: readonly (() => Iterable<Closeable>)[] = [
      () => this.#consumers,
      () => this.#producers,
      () => this.#emitters.values(),
    ];
    for (const stage of stages) {
      const left = Math.max(0, until - runtime.now());
      const closings = [...stage()].map(async (part) => {
        try {
          await part.close({ timeoutMs: left });
        } catch (error) {
          if (!isMessagingError(error, "CLOSED"))
            logger.log("warn", `a part of client "${this.name}" did not close well`, { error });
        }
      });
      await Promise.all(closings);
    }
    this.#end();
  }
  #end(): void {
    this.#connections.close();
    this.#registry.stopAll();
    this.#events.complete();
  }
}
