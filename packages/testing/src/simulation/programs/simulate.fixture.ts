// A shop that `simulate` runs: what its tests share.
import { topic, typed } from "@seriatim/actors/client";
import { SimulationError, type SimulationOptions, simulate } from "../index.ts";

export interface Order {
  readonly type: "paid" | "shipped";
  readonly orderId: string;
}
export const orders = topic("orders", { schema: typed<Order>(), key: ({ orderId }) => orderId, queues: 2 });
export const unkeyed = topic("unkeyed", { schema: typed<Order>(), key: null, ordered: false, queues: 2 });

export const ledger = topic("ledger", {
  schema: typed<Order>(),
  key: ({ orderId }) => orderId,
  queues: 1,
  groups: ["stock"],
});

export interface Outside {
  readonly paid: Set<string>;
  readonly shipped: string[];
  tooEarly: number;
}
export type Options = SimulationOptions<Outside>;
export const FAST = { heartbeatMs: 1_000, faultsForMs: 8_000 };
export const GROUP = { group: "stock", leaseTtlMs: 3_000 };

/** The shop of docs/testing.md: a few orders per incarnation, each paid, then shipped. */
export const shop: Options["processes"][string] = {
  count: 2,
  start: async ({ client, name, incarnation, sleep }) => {
    const producer = client.producer(orders);
    for (let n = 0; n < 5; n++) {
      const orderId = `${name}-${incarnation}-${n}`;
      void producer.send({ type: "paid", orderId }, { id: `${orderId}/paid` });
      void producer.send({ type: "shipped", orderId }, { id: `${orderId}/shipped` });
      await sleep(1_000);
    }
    await producer.flush();
  },
};
export const stock: Options["processes"][string] = {
  count: 3,
  start: ({ client, shared, sleep }) =>
    client.consumer(orders, { ...GROUP, concurrency: 4 }).run(async ({ body }) => {
      await sleep(50);
      if (body.type === "paid") shared.paid.add(body.orderId);
      else if (!shared.paid.has(body.orderId)) shared.tooEarly++;
    }),
};
export const noneTooEarly: NonNullable<Options["check"]> = ({ shared, history }) => {
  if (shared.tooEarly > 0) throw new Error(`shipped before paid, ${history.length} steps`);
};
export const run = (over: Partial<Options>) =>
  simulate<Outside>({
    seeds: 1,
    topics: [orders, unkeyed, ledger],
    shared: () => ({ paid: new Set(), shipped: [], tooEarly: 0 }),
    processes: { shop, stock },
    ...FAST,
    ...over,
  });
export const failure = async (over: Partial<Options>): Promise<SimulationError> => {
  try {
    await run(over);
  } catch (error) {
    if (error instanceof SimulationError) return error;
    throw error;
  }
  throw new Error("no seed failed");
};
