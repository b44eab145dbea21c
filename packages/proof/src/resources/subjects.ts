// The processes whose memory is measured. Each is a child of main.ts.
import { type Broker, type Client, createBroker, createClient, memoryStore, topic, typed } from "@seriatim/actors";
import { lmdbStore } from "@seriatim/store-lmdb";
import { wsTransport } from "@seriatim/transport-ws";
import { answerParent, type Said } from "./child-process.ts";
import { collectedMemory } from "./memory.ts";

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
const storeOf = ({ store, dataFolder }: SubjectSettings) =>
  store === "lmdb" ? lmdbStore({ path: dataFolder }) : memoryStore();

/** Opens that many queues, and says what they take and how long it took. */
async function queues(settings: SubjectSettings): Promise<void> {
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
  answerParent(
    { before, after, openMs: openedAt - startedAt, describeMs: describedAt - openedAt },
    async () => undefined,
    () => broker.close(),
  );
}

async function broker(settings: SubjectSettings): Promise<void> {
  const node = await createBroker({ topics: [keyTopic], modules: [wsTransport({ port: 0 }), storeOf(settings)] });
  answerParent({ url: node.address }, memoryOnCommand, () => node.close());
}
const memoryOnCommand = async ({ type }: Said): Promise<object | undefined> =>
  type === "memory" ? await collectedMemory() : undefined;

/** Clients that do nothing but be there. */
async function clients({ url }: SubjectSettings): Promise<void> {
  const connected: Client[] = [];
  answerParent(
    {},
    async (command) => {
      if (command.type !== "connect") return await memoryOnCommand(command);
      while (connected.length < (command["count"] as number))
        connected.push(await createClient({ name: `idle-${connected.length}`, modules: [wsTransport({ url })] }));
      return {};
    },
    async () => void (await Promise.all(connected.map((client) => client.close()))),
  );
}

/** A consumer whose handlers do not end until it is closed: one key in hand for each message. */
async function keys({ url, keys: count }: SubjectSettings): Promise<void> {
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
  answerParent(
    {},
    async (command) => {
      if (command.type !== "fill") return await memoryOnCommand(command);
      const from = inHand;
      for (let n = 0; n < count; n++) void producer.send(`key-${n}`).catch((error: unknown) => console.error(error));
      await producer.flush();
      while (inHand < from + count) await new Promise((resolve) => setTimeout(resolve, 10));
      return {};
    },
    async () => {
      release();
      await consumer.close();
      await running;
      await client.close();
    },
  );
}

const subjects: Readonly<Record<string, (settings: SubjectSettings) => Promise<void>>> = {
  queues,
  broker,
  clients,
  keys,
};
export async function runSubject(name: string, settings: SubjectSettings): Promise<void> {
  const subject = subjects[name];
  if (subject === undefined) throw new Error(`which subject? found "${name}"`);
  await subject(settings);
}
