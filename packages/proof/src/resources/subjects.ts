// The processes whose memory is measured. Each is a child of main.ts.
// Whatever one is told, it says what it has in memory unless the order is to do something else.
import { type Broker, type Client, createBroker, createClient, memoryStore, topic, typed } from "@seriatim/actors";
import type { ChildWork } from "@seriatim/rig";
import { lmdbStore } from "@seriatim/store-lmdb";
import { wsTransport } from "@seriatim/transport-ws";
import { collectedMemory, type Memory } from "./memory.ts";

/** A topic has at most 4,096 queues: many queues are many topics. */
const QUEUES_PER_TOPIC = 1_000;
/** Queues of the topic whose keys are in flight. */
const KEY_QUEUES = 8;
const keyTopic = topic("keys", { schema: typed<string>(), key: (body) => body, queues: KEY_QUEUES });

export interface SubjectSettings {
  readonly store: "memory" | "lmdb";
  readonly dataFolder: string;
  readonly queues: number;
  readonly withGroup: boolean;
  readonly url: string;
  readonly keys: number;
}
export type SubjectOrder =
  | { readonly type: "memory" | "fill" }
  /** So many clients in all. */
  | { readonly type: "connect"; readonly count: number };
export type SubjectTell =
  | { readonly type: "ready"; readonly url?: string; readonly opened?: Opened }
  | { readonly type: "connect" | "fill" }
  | ({ readonly type: "memory" } & Memory);
/** What the queues that it opened take, and how long it took. */
interface Opened {
  readonly before: Memory;
  readonly after: Memory;
  readonly openMs: number;
  readonly describeMs: number;
}
type Work = Promise<ChildWork<SubjectOrder>>;

const storeOf = ({ store, dataFolder }: SubjectSettings) =>
  store === "lmdb" ? lmdbStore({ path: dataFolder }) : memoryStore();

/** Opens that many queues, and says what they take and how long it took. */
async function queues(settings: SubjectSettings): Work {
  const many = (count: number, name: string) =>
    Array.from({ length: Math.ceil(count / QUEUES_PER_TOPIC) }, (_, index) =>
      topic(`${name}-${index}`, {
        schema: typed<string>(),
        key: "send",
        queues: Math.min(QUEUES_PER_TOPIC, count - index * QUEUES_PER_TOPIC),
        ...(settings.withGroup ? { groups: ["group"] } : {}),
      }),
    );
  const open = (count: number, name: string, given: SubjectSettings): Promise<Broker> =>
    createBroker({ topics: many(count, name), modules: [wsTransport({ port: 0 }), storeOf(given)] });
  const first = await open(10, "warm", { ...settings, store: "memory" }); // code is loaded and compiled
  await first.close();
  const before = await collectedMemory();
  const startedAt = performance.now();
  const broker = await open(settings.queues, "idle", settings);
  const openedAt = performance.now();
  await broker.describe();
  const describedAt = performance.now();
  const after = await collectedMemory();
  const opened: Opened = { before, after, openMs: openedAt - startedAt, describeMs: describedAt - openedAt };
  return { ready: { opened }, end: () => broker.close() };
}

async function broker(settings: SubjectSettings): Work {
  const node = await createBroker({ topics: [keyTopic], modules: [wsTransport({ port: 0 }), storeOf(settings)] });
  return { ready: { url: node.address }, obey: collectedMemory, end: () => node.close() };
}

/** Clients that do nothing but be there. */
async function clients({ url }: SubjectSettings): Work {
  const connected: Client[] = [];
  return {
    async obey(order) {
      if (order.type !== "connect") return await collectedMemory();
      while (connected.length < order.count)
        connected.push(await createClient({ name: `idle-${connected.length}`, modules: [wsTransport({ url })] }));
      return {};
    },
    end: async () => void (await Promise.all(connected.map((client) => client.close()))),
  };
}

/** A consumer whose handlers do not end until it is closed: one key in hand for each message. */
async function keys({ url, keys: count }: SubjectSettings): Work {
  const client = await createClient({ name: "keys", modules: [wsTransport({ url })] });
  const consumer = client.consumer(keyTopic, {
    group: "group",
    concurrency: count,
    inFlightMax: count,
    handlerTimeoutMs: 600_000,
  });
  let inHand = 0;
  let release: () => void = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const running = consumer.run(async () => {
    inHand++;
    await released;
  });
  await consumer.ready();
  const producer = client.producer(keyTopic);
  await producer.send("warm"); // its lanes are opened
  for (let queue = 0; queue < KEY_QUEUES * 4; queue++) await producer.send(`warm-${queue}`);
  return {
    async obey({ type }) {
      if (type !== "fill") return await collectedMemory();
      const from = inHand;
      for (let n = 0; n < count; n++) void producer.send(`key-${n}`).catch((error: unknown) => console.error(error));
      await producer.flush();
      while (inHand < from + count) await new Promise((resolve) => setTimeout(resolve, 10));
      return {};
    },
    async end() {
      release();
      await consumer.close();
      await running;
      await client.close();
    },
  };
}

const subjects: Readonly<Record<string, (settings: SubjectSettings) => Work>> = { queues, broker, clients, keys };
export function subjectOf(name: string): (settings: SubjectSettings) => Work {
  const subject = subjects[name];
  if (subject === undefined) throw new Error(`which subject? found "${name}"`);
  return subject;
}
