// One process of a measured run: the broker, the producer or the consumer. Started by main.ts; ends with its parent.
import { createBroker, createClient, memoryStore, topic, typed } from "@seriatim/actors";
import { lmdbStore } from "@seriatim/store-lmdb";
import { wsTransport } from "@seriatim/transport-ws";
import type { FromRole, Settings, ToRole } from "./protocol.ts";

const [role = "", settingsJson = "{}"] = process.argv.slice(2);
const settings = JSON.parse(settingsJson) as Settings;
const load = topic("load", {
  schema: typed<Uint8Array>(),
  key: "send",
  encoding: "bytes",
  validate: "send",
  queues: settings.queues,
});
const tell = (message: FromRole): void => void process.send?.(message);
/** Wall clock with fractions: both processes are on this machine. */
const nowMs = (): number => performance.timeOrigin + performance.now();
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};
const told = (type: ToRole["type"]): Promise<void> =>
  new Promise((resolve) => {
    process.on("message", (message: ToRole) => {
      if (message.type === type) resolve();
    });
  });
process.on("disconnect", () => process.exit(1));

async function runBroker(): Promise<void> {
  const store = settings.store === "lmdb" ? lmdbStore({ path: settings.dataFolder }) : memoryStore();
  const broker = await createBroker({ topics: [load], modules: [wsTransport({ port: 0 }), store] });
  tell({ type: "ready", url: broker.address });
  await told("stop");
  tell({ type: "done", atMs: nowMs(), wrong: [], cpuMs: cpuMs() });
  await broker.close();
}

async function runProducer(): Promise<void> {
  const client = await createClient({ name: "producer", modules: [wsTransport({ url: settings.url })] });
  const producer = client.producer(load, { durability: settings.durability });
  tell({ type: "ready" });
  await told("go");
  tell({ type: "started", atMs: nowMs() });
  const wrong: string[] = [];
  for (let n = 0; n < settings.messages; n++) {
    const body = new Uint8Array(settings.bytes);
    new DataView(body.buffer).setUint32(0, Math.floor(n / settings.keys), true);
    await producer.ready();
    producer.send(body, { key: `key-${n % settings.keys}` }).catch((error: unknown) => wrong.push(String(error)));
  }
  await producer.flush();
  tell({ type: "done", atMs: nowMs(), wrong: wrong.slice(0, 10), cpuMs: cpuMs() });
  await told("stop");
  await client.close();
}

async function runConsumer(): Promise<void> {
  const client = await createClient({ name: "consumer", modules: [wsTransport({ url: settings.url })] });
  const consumer = client.consumer(load, { group: "bench" });
  const next = new Map<string, number>();
  const wrong: string[] = [];
  let handled = 0;
  const running = consumer.run(({ key, body }) => {
    const expected = next.get(key as string) ?? 0;
    const found = new DataView(body.buffer, body.byteOffset).getUint32(0, true);
    if (found !== expected && wrong.length < 10) wrong.push(`${key}: expected ${expected}, found ${found}`);
    next.set(key as string, found + 1);
    if (++handled === settings.messages) allHandled();
  });
  let allHandled = (): void => {};
  const finished = new Promise<void>((resolve) => {
    allHandled = resolve;
  });
  await consumer.ready();
  tell({ type: "ready" });
  await finished;
  await consumer.caughtUp(); // every message is acknowledged, not only handled
  tell({ type: "done", atMs: nowMs(), wrong, cpuMs: cpuMs() });
  await told("stop");
  await consumer.close();
  await running;
  await client.close();
}

const roles: Readonly<Record<string, () => Promise<void>>> = {
  broker: runBroker,
  producer: runProducer,
  consumer: runConsumer,
};
const run = roles[role];
if (run === undefined) throw new Error(`which role? expected broker, producer or consumer, found "${role}"`);
await run();
process.disconnect();
