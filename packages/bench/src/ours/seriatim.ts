import { setTimeout as sleep } from "node:timers/promises";
import { type Client, createBroker, createClient, createSystem, memoryStore, topic, typed } from "@seriatim/actors";
import { lmdbStore } from "@seriatim/store-lmdb";
import { memoryTransport } from "@seriatim/transport-memory";
import { wsTransport } from "@seriatim/transport-ws";
import { readBody } from "../frame/message.ts";
import type { At, Load, Receiver, Sender, System, Take } from "../frame/system.ts";

/** Variants: "memory" (store in memory), "flushed" and "synced" (lmdb). */
export const seriatim: System = {
  async serve(load, at) {
    const broker = await createBroker({
      topics: topicsOf(load),
      modules: [wsTransport({ port: Number(at.address) }), storeOf(at)],
    });
    return { address: broker.address ?? "", close: () => broker.close() };
  },
  async sender(load, at) {
    return senderOf(await clientOf("producer", at), load, at);
  },
  async receiver(load, at, take) {
    return receiverOf(await clientOf(`consumer-${process.pid}`, at), load, take);
  },
  async idlers(load, at) {
    const clients: Client[] = [];
    while (clients.length < load.idle) clients.push(await clientOf(`idle-${clients.length}`, at));
    return { close: async () => void (await Promise.all(clients.map((client) => client.close()))) };
  },
  async embedded(load, at, take) {
    const system = await createSystem({ topics: topicsOf(load), modules: [memoryTransport(), storeOf(at)] });
    return { receiver: await receiverOf(system, load, take), sender: senderOf(system, load, at) };
  },
};
const GROUP = "bench";
const LOOK_MS = 50;
/** A topic has at most 4,096 queues: more are spread over several topics. */
const TOPIC_QUEUES_MAX = 2_500;

const topicsOf = (load: Load) => {
  const count = Math.ceil(load.queues / TOPIC_QUEUES_MAX);
  return Array.from({ length: count }, (_, nth) =>
    topic(`load-${nth}`, {
      schema: typed<Uint8Array>(),
      key: "send",
      encoding: "bytes",
      validate: "send",
      queues: Math.ceil(load.queues / count),
      retention: { bytesMax: Number.MAX_SAFE_INTEGER }, // a backlog is never refused
    }),
  );
};
const storeOf = ({ variant, folder }: At) => (variant === "memory" ? memoryStore() : lmdbStore({ path: folder }));
const clientOf = (name: string, { address }: At): Promise<Client> =>
  createClient({ name, modules: [wsTransport({ url: address })] });

function senderOf(client: Client, load: Load, { variant }: At): Sender {
  const durability = variant as "memory" | "flushed" | "synced";
  // room for the whole window: it is the bench that holds back
  const room = { bufferMessagesMax: Math.max(10_000, load.window), bufferBytesMax: Number.MAX_SAFE_INTEGER };
  const keys = Array.from({ length: load.keys }, (_, key) => ({ key: `key-${key}` }));
  const topics = topicsOf(load);
  const producers = topics.map((each) =>
    Array.from({ length: load.producers }, () => client.producer(each, { durability, ...room })),
  );
  const producerOf = keys.map(
    (_, key) => producers[key % topics.length]![Math.floor(key / topics.length) % load.producers]!,
  );
  return {
    send({ key, body, acknowledged, failed }) {
      producerOf[key]!.send(body, keys[key]!).then(acknowledged, failed);
    },
    close: () => client.close(),
  };
}
async function receiverOf(client: Client, load: Load, take: Take): Promise<Receiver> {
  const topics = topicsOf(load);
  const consumers = topics.map((each) =>
    client.consumer(each, {
      group: GROUP,
      leaseTtlMs: load.leaseTtlMs,
      ...(load.strict ? { inFlightMax: 1 } : {}),
    }),
  );
  const running = consumers.map((consumer) => consumer.run(async ({ body }) => take(readBody(body))));
  const all = (step: (consumer: (typeof consumers)[number]) => Promise<void>) => Promise.all(consumers.map(step));
  await all((consumer) => consumer.ready());
  const isShared = async (): Promise<boolean> => {
    const groups = await Promise.all(topics.map((each) => client.describe(each, { group: GROUP })));
    const holders = new Set(groups.flatMap(({ queues }) => queues.flatMap(({ lease }) => lease?.holder ?? [])));
    return groups.every(({ state }) => state === "stable") && holders.size >= Math.min(load.consumers, load.queues);
  };
  return {
    async shared() {
      while (!(await isShared())) await sleep(LOOK_MS);
    },
    async settled() {
      await all((consumer) => consumer.caughtUp()); // every message is acknowledged, not only handled
    },
    async close() {
      await all((consumer) => consumer.close());
      await Promise.all(running);
      await client.close();
    },
  };
}
