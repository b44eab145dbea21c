import { Container, type ContainerModule } from "inversify";
import type { Authenticator, Authorizer } from "../contracts/auth.ts";
import { guardedLogger } from "../contracts/guarded.ts";
import type { HistorySink } from "../contracts/history.ts";
import type { Logger } from "../contracts/logger.ts";
import type { Metrics } from "../contracts/metrics.ts";
import { quietLogger } from "../contracts/quiet-logger.ts";
import type { Transport } from "../contracts/transport.ts";
import { MessagingError, optionInvalid } from "../message/errors.ts";
import type { Codec } from "../protocol/codec.ts";
import { binaryCodec } from "../protocol/index.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { systemRuntime } from "../runtime/system-runtime.ts";
import { createMemoryStore } from "../store/memory-store.ts";
import type { Store } from "../store/store.ts";
import { type Token, tokens } from "./tokens.ts";

/** What a broker or client is made of, once its modules are loaded. */
export interface Parts {
  readonly transport: Transport;
  readonly runtime: Runtime;
  readonly codec: Codec;
  readonly logger: Logger;
  readonly history: HistorySink | null;
  readonly metrics: Metrics | null;
  readonly authenticator: Authenticator;
  /** An authenticator is bound. */
  readonly authenticates: boolean;
  /** `null`: an authenticator is bound and nobody says what its principals may do. */
  readonly authorizer: Authorizer | null;
  /** Opened when asked for: a client needs none. */
  store(): Promise<Store>;
  /**
   * The transports of further modules, one of each, beside `transport`; they may use what the others bound.
   * @throws `OPTION_INVALID`, of this option
   */
  transportsOf(option: string, modules: readonly ContainerModule[] | undefined): Promise<readonly Transport[]>;
}

/**
 * Without either everybody comes in, as the same principal, and may do everything: the setting for one process or one
 * trusted machine.
 */
const everybody: Authenticator = { authenticate: async () => ({ id: "anonymous" }) };
const everything: Authorizer = { authorize: () => true };

/**
 * Loads modules into a container, the built-in parts first, so that of two for one contract the later wins.
 * @throws `MODULE_MISSING` `OPTION_INVALID`
 */
export async function assemble(modules: readonly ContainerModule[]): Promise<Parts> {
  const container = new Container();
  container
    .bind(tokens.runtime)
    .toDynamicValue(() => systemRuntime())
    .inSingletonScope();
  container.bind(tokens.codec).toConstantValue(binaryCodec);
  container.bind(tokens.logger).toConstantValue(quietLogger);
  for (const module of checked("modules", modules)) await container.loadAsync(module);
  container.onActivation<Logger>(tokens.logger, (_, logger) => guardedLogger(logger)); // modules log, too
  if (!container.isBound(tokens.transport))
    throw new MessagingError(
      "MODULE_MISSING",
      "no transport is bound: add memoryTransport() of @seriatim/transport-memory or wsTransport() of @seriatim/transport-ws to `modules`",
      { data: { token: "transport" } },
    );
  const get = <T>(token: Token<T>): Promise<T> => container.getAsync<T>(token);
  const optional = async <T>(token: Token<T>, otherwise: T): Promise<T> =>
    container.isBound(token) ? await get(token) : otherwise;
  const runtime = await get(tokens.runtime);
  return {
    runtime,
    transport: await get(tokens.transport),
    codec: await get(tokens.codec),
    logger: await get(tokens.logger),
    history: await optional<HistorySink | null>(tokens.history as Token<HistorySink | null>, null),
    metrics: await optional<Metrics | null>(tokens.metrics as Token<Metrics | null>, null),
    authenticator: await optional(tokens.authenticator, everybody),
    authenticates: container.isBound(tokens.authenticator),
    authorizer: await optional<Authorizer | null>(
      tokens.authorizer as Token<Authorizer | null>,
      container.isBound(tokens.authenticator) ? null : everything,
    ),
    store: async () => (container.isBound(tokens.store) ? await get(tokens.store) : createMemoryStore({ runtime })),
    transportsOf: async (option, more = []) => {
      const transports: Transport[] = [];
      for (const module of checked(option, more)) {
        const beside = new Container({ parent: container });
        await beside.loadAsync(module);
        if (!beside.isCurrentBound(tokens.transport))
          throw optionInvalid(option, "modules with a transport, such as wsTransport()", module);
        transports.push(await beside.getAsync<Transport>(tokens.transport));
      }
      return transports;
    },
  };
}
function checked(option: string, modules: readonly ContainerModule[]): readonly ContainerModule[] {
  if (!Array.isArray(modules)) throw optionInvalid(option, "a list of container modules", modules);
  for (const module of modules as readonly unknown[])
    if (typeof (module as { load?: unknown } | null)?.load !== "function")
      throw optionInvalid(option, "container modules, such as memoryTransport() or provide(token, create)", module);
  return modules;
}
