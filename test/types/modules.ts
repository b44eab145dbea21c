// What systems, brokers, clients and modules accept and refuse; never run, only type-checked.
import {
  auth,
  type Broker,
  type Client,
  createBroker,
  createClient,
  createSystem,
  jsonCodec,
  memoryStore,
  provide,
  type System,
  tokens,
} from "@seriatim/actors";
import { createClient as createSmallClient } from "@seriatim/actors/client";
import { lmdbStore } from "@seriatim/store-lmdb";
import { memoryTransport } from "@seriatim/transport-memory";
import { wsTransport } from "@seriatim/transport-ws";
import { wsClientTransport } from "@seriatim/transport-ws/client";

export async function accepted(): Promise<readonly [Broker, Client, Client, System]> {
  const modules = [
    wsTransport({ port: 0, host: undefined, origins: ["https://shop.example"], connectionsMax: 10 }),
    lmdbStore({ path: "data", bytesMax: 2 ** 30 }),
    provide(tokens.metrics, (get) => {
      get(tokens.logger).log("info", "made", {});
      return { count: () => {} };
    }),
    provide(tokens.codec, () => jsonCodec),
    provide(tokens.history, () => ({ record: (step) => void step.type })),
    provide(tokens.logger, () => ({ log: () => {} })),
    auth({ authenticate: async (token) => (token === null ? null : { id: token }), authorize: () => true }),
  ];
  return [
    await createBroker({ modules, listen: [wsTransport({ port: 0 })], name: undefined, topics: undefined }),
    await createClient({ modules: [wsTransport({ url: ["ws://a", "ws://b"] })], token: async () => "t" }),
    await createSmallClient({ transport: wsClientTransport({ url: "wss://a" }), token: "t" }),
    await createSystem({
      modules: [memoryTransport({ name: "here" }), memoryStore({ bytesMax: 2 ** 20 })],
      token: "t",
    }),
  ];
}

export function refused(): void {
  // @ts-expect-error listens or dials
  wsTransport({ port: 1, url: "ws://x" });
  // @ts-expect-error neither
  wsTransport({});
  // @ts-expect-error the small door only dials
  wsClientTransport({ port: 1 });
  // @ts-expect-error a module is needed, not a transport
  void createSystem({ modules: [{ dial: async () => {} }] });
  // @ts-expect-error the modules are missing
  void createBroker({});
  // @ts-expect-error unknown option
  void createBroker({ modules: [], nam: "b" });
  // @ts-expect-error the small door takes a transport
  void createSmallClient({ modules: [memoryTransport()] });
  // @ts-expect-error wrong shape for this token
  provide(tokens.logger, () => ({ lag: () => {} }));
  // @ts-expect-error authorize is missing: who may come in is half of a decision
  auth({ authenticate: async () => null });
  // @ts-expect-error a store needs its folder
  lmdbStore({});
}
