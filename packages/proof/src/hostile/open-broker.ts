import {
  auth,
  type Broker,
  createBroker,
  type Logger,
  type Principal,
  provide,
  type Retention,
  type Right,
  systemRuntime,
  type Transport,
  tokens,
  topic,
  typed,
} from "@seriatim/actors";
import { createMemoryStore, MemoryDisk } from "@seriatim/actors/store";
import { lmdbStore } from "@seriatim/store-lmdb";
import { memoryTransport } from "@seriatim/transport-memory";
import { wsTransport } from "@seriatim/transport-ws";

/** A topic of the broker under attack, besides the honest client's. */
export interface HostileTopic {
  readonly name: string;
  /** @default 1 */
  readonly queues?: number;
  readonly ordered?: boolean;
  readonly groups?: readonly string[];
  readonly retention?: Retention;
  readonly parkedMessagesMax?: number;
}
/** A right, or all rights that have these fields; `{}`: every right. */
export type RightLike = { readonly [Field in keyof Right]?: Right[Field] } & Readonly<Record<string, unknown>>;
/** What a broker under attack is like: plain data, since it may be one in a process of its own. */
export interface HostileBroker {
  readonly transport: "memory" | "ws";
  readonly store: "memory" | "lmdb";
  /** Where an LMDB store has its data. */
  readonly folder: string;
  readonly topics: readonly HostileTopic[];
  /** What every principal may do but `honest` (everything about its topic) and `owner` (everything). */
  readonly may: readonly RightLike[];
  readonly messageBytesMax?: number;
  readonly frameBytesMax?: number;
  /** Of a restarted one that listens on TCP: where the first did. */
  readonly port?: number;
}
export interface Access {
  readonly authenticate: (token: string | null, signal: AbortSignal) => Promise<Principal | null>;
  readonly authorize: (principal: Principal, right: Right) => boolean;
}
/** What the honest client uses, and nobody else may. */
export const BOARD = topic("board", {
  schema: typed<{ readonly n: number }>(),
  key: "send",
  queues: 4,
  retention: { settledByAll: true },
});

/** Principals are called what their token says. */
export const accessOf = (may: readonly RightLike[]): Access => ({
  authenticate: async (token) => (token === null ? null : { id: token }),
  authorize: ({ id }, right) =>
    id === "owner" || (right.topic === BOARD.name ? id === "honest" : may.some((like) => isLike(right, like))),
});
const isLike = (right: Right, like: RightLike): boolean =>
  Object.entries(like).every(([field, value]) => (right as Readonly<Record<string, unknown>>)[field] === value);

/**
 * The data of a store in memory, and the hub of a transport in memory: what outlives a broker that is started again.
 */
export class Surroundings {
  readonly disk = new MemoryDisk({ runtime: systemRuntime() });
  readonly hub = memoryTransport();
}
export interface OpenBroker {
  readonly broker: Broker;
  /** What it listens with, to dial raw links by. Over TCP it dials its own listener. */
  readonly transport: Transport;
}
export async function openBroker(
  settings: HostileBroker,
  { disk, hub }: Surroundings,
  logger: Logger,
  access: Access = accessOf(settings.may),
): Promise<OpenBroker> {
  let transport: Transport | undefined;
  const { messageBytesMax, frameBytesMax, topics } = settings;
  const broker = await createBroker({
    ...(messageBytesMax === undefined ? {} : { messageBytesMax }),
    ...(frameBytesMax === undefined ? {} : { frameBytesMax }),
    topics: [
      BOARD,
      ...topics.map(({ name, ...more }) => topic(name, { schema: typed<unknown>(), key: "send", queues: 1, ...more })),
    ],
    modules: [
      settings.transport === "ws" ? wsTransport({ port: settings.port ?? 0 }) : hub,
      settings.store === "lmdb"
        ? lmdbStore({ path: settings.folder })
        : provide(tokens.store, (get) => createMemoryStore({ runtime: get(tokens.runtime), disk })),
      auth(access),
      provide(tokens.logger, () => logger),
      provide(tokens.metrics, (get) => {
        transport = get(tokens.transport); // a broker shows nobody what it listens with
        return { count: () => {} };
      }),
    ],
  });
  if (transport === undefined) throw new Error("the broker asked for no metrics");
  return { broker, transport };
}
