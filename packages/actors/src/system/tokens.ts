import { ContainerModule } from "inversify";
import type { Authenticator, Authorizer, Right } from "../contracts/auth.ts";
import type { HistorySink } from "../contracts/history.ts";
import type { Logger } from "../contracts/logger.ts";
import type { Metrics } from "../contracts/metrics.ts";
import type { Principal, Transport } from "../contracts/transport.ts";
import { optionInvalid } from "../message/errors.ts";
import type { Codec } from "../protocol/codec.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Store } from "../store/store.ts";

declare const provides: unique symbol;
/** Names a contract in the container; `T` is what is bound to it. */
export type Token<T> = symbol & { readonly [provides]?: T };
const token = <T>(name: string): Token<T> => Symbol.for(`seriatim.${name}`);

/** The contracts a module may bind. `Symbol.for`, so that two copies of this package mean the same. */
export const tokens = {
  transport: token<Transport>("transport"),
  store: token<Store>("store"),
  runtime: token<Runtime>("runtime"),
  codec: token<Codec>("codec"),
  authenticator: token<Authenticator>("authenticator"),
  authorizer: token<Authorizer>("authorizer"),
  metrics: token<Metrics>("metrics"),
  logger: token<Logger>("logger"),
  history: token<HistorySink>("history"),
} as const;

/**
 * One binding as an inversify module: `get` reads what other modules bound (a `create` that is asynchronous must not
 * be read by a synchronous one).
 */
export function provide<T>(to: Token<T>, create: (get: <D>(token: Token<D>) => D) => T | Promise<T>): ContainerModule {
  return new ContainerModule(({ bind, unbind, isBound }) => {
    if (isBound(to)) unbind(to); // of two modules for one token the later wins
    bind<T>(to)
      .toDynamicValue((context) => create(<D>(other: Token<D>) => context.get<D>(other)))
      .inSingletonScope();
  });
}

/**
 * Who may come in and what they may do, in one module: see `Authenticator` and `Authorizer`.
 * @throws `OPTION_INVALID` when one is missing
 */
export function auth(options: {
  readonly authenticate: (token: string | null, signal: AbortSignal) => Promise<Principal | null>;
  readonly authorize: (principal: Principal, right: Right) => boolean;
}): ContainerModule {
  for (const option of ["authenticate", "authorize"] as const)
    if (typeof options?.[option] !== "function") throw optionInvalid(option, "a function", options?.[option]);
  return new ContainerModule(({ bind, unbind, isBound }) => {
    if (isBound(tokens.authenticator)) unbind(tokens.authenticator);
    if (isBound(tokens.authorizer)) unbind(tokens.authorizer);
    bind<Authenticator>(tokens.authenticator).toConstantValue({ authenticate: options.authenticate });
    bind<Authorizer>(tokens.authorizer).toConstantValue({ authorize: options.authorize });
  });
}
