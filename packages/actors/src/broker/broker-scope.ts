import type { Authorizer } from "../contracts/auth.ts";
import { guardedLogger } from "../contracts/guarded.ts";
import type { Logger } from "../contracts/logger.ts";
import { Counters } from "../log/counters.ts";
import { StoreBacklog } from "../log/store-backlog.ts";
import { TailBudget } from "../log/tail-cache.ts";
import { Disclosure } from "../protocol/disclosure.ts";
import { CODECS, type Codecs } from "../protocol/pick-codec.ts";
import { ActorRegistry } from "../runtime/actor-registry.ts";
import { EventBus } from "../runtime/event-bus.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { KnownErrors } from "../store/known-errors.ts";
import type { Store } from "../store/store.ts";
import { type BrokerLimits, type BrokerParts, type BrokerSettings, checkedName, limitsOf } from "./broker-settings.ts";
import { DataOwnership } from "./data-ownership.ts";
import { Instances } from "./instances.ts";
import { Turns } from "./turns.ts";

/** What everything at one broker shares. */
export interface BrokerScope {
  readonly name: string;
  readonly runtime: Runtime;
  readonly store: Store;
  readonly logger: Logger;
  readonly actors: ActorRegistry;
  readonly events: EventBus;
  readonly counters: Counters | null;
  readonly authorizer: Authorizer;
  /** Whether principals are told apart: without an authenticator all are one, and nothing belongs to anybody. */
  readonly authenticates: boolean;
  /** What clients are told of errors. */
  readonly disclosure: Disclosure;
  /** What it speaks. */
  readonly codecs: Codecs;
  readonly limits: BrokerLimits;
  readonly linkTurns: Turns;
  readonly instances: Instances;
  readonly ownership: DataOwnership;
  readonly tails: TailBudget;
  readonly backlog: StoreBacklog;
}

/** `lost`: the data are another's now. @throws `OPTION_INVALID` */
export function brokerScope(settings: BrokerSettings, parts: BrokerParts, lost: (error: unknown) => void): BrokerScope {
  const { runtime, metrics = null } = parts;
  const logger = guardedLogger(parts.logger);
  const name = checkedName(settings.name);
  const store = new KnownErrors(parts.store);
  const observerThrew = (of: string) => (error: unknown) =>
    logger.log("error", `an observer of the ${of} of broker "${name}" threw`, { error });
  return {
    name,
    runtime,
    store,
    logger,
    actors: new ActorRegistry({
      runtime,
      inspect: settings.inspect,
      onFailure: (path, error) => logger.log("error", `actor ${path} failed`, { error: String(error) }),
      dropped: observerThrew("actors"),
    }),
    events: new EventBus(runtime, observerThrew("events")),
    counters: metrics === null ? null : new Counters(metrics, logger),
    authorizer: parts.authorizer,
    authenticates: parts.authenticates ?? true,
    disclosure: new Disclosure({ at: "broker", runtime, logger }),
    codecs: parts.codecs ?? CODECS,
    limits: limitsOf(settings, parts),
    linkTurns: new Turns(runtime, parts.sliceFrames),
    instances: new Instances(store.ownerEpoch),
    ownership: new DataOwnership(runtime, store, lost),
    tails: new TailBudget(),
    backlog: new StoreBacklog(),
  };
}
