// Every question whose answer can be large, with an answer just as large as one frame holds, some at a time: all are answered, and no link ends over it. Messages of every size that is allowed go both ways, too.
import { binaryCodec, type Codec, jsonCodec, systemRuntime, topic } from "@seriatim/actors";
import { createClient, type Transport, typed } from "@seriatim/actors/client";
import { createMemoryStore, MemoryDisk } from "@seriatim/actors/store";
import { beforeAll, describe, expect, it } from "vitest";
import { type Broker, startBroker } from "../packages/actors/src/broker/broker.ts";
import { BrokerLink } from "../packages/actors/src/link/broker-link.ts";
import type { Frame } from "../packages/actors/src/protocol/frames.ts";
import type { AnyAnswer, Question } from "../packages/actors/src/protocol/questions.ts";
import { createMemoryTransport, memoryHub } from "../packages/transport-memory/src/memory-transport.ts";
import { wsClientTransport } from "../packages/transport-ws/src/client.ts";
import { createWsTransport } from "../packages/transport-ws/src/ws-transport.ts";

const KIB = 1024;
const GROUPS = Array.from({ length: 8 }, (_, n) => `group${n}`);
const wide = topic("wide", { schema: typed<string>(), key: "send", queues: 128, groups: GROUPS });
const many = topic("many", {
  schema: typed<string>(),
  key: "send",
  queues: 1,
  groups: Array.from({ length: 300 }, (_, n) => `group${n}`),
});
const lines = topic("lines", { schema: typed<string>(), key: "send", queues: 1 });
const runtime = systemRuntime();
const quiet = { log: () => {} };

interface Limits {
  readonly frameBytesMax?: number;
  readonly messageBytesMax?: number;
}
/** A broker on these data, and what dials it. */
async function serve(disk: MemoryDisk, over: "memory" | "ws", limits: Limits) {
  const listening =
    over === "ws"
      ? createWsTransport(runtime, { port: 0 }, () => {})
      : createMemoryTransport(runtime, { hub: memoryHub("fit") });
  const broker: Broker = await startBroker(
    { topics: [wide, many, lines], ...limits },
    {
      runtime,
      transports: [listening],
      store: createMemoryStore({ runtime, disk }),
      authenticator: { authenticate: async () => ({ id: "anybody" }) },
      authorizer: { authorize: () => true },
      logger: quiet,
    },
  );
  const transport: Transport = over === "ws" ? wsClientTransport({ url: broker.address }) : listening;
  return { broker, transport };
}
/** The codec as one that knows only these versions has it. */
const knowing = (codec: Codec, versions: readonly number[]): Codec => ({
  name: codec.name,
  versions,
  at: (version) => knowing(codec.at(version), versions),
  encode: (frames) => codec.encode(frames),
  decode: (packet) => codec.decode(packet),
  reader: (packet) => codec.reader(packet),
  answerTo: (kind, answer) => codec.answerTo(kind, answer),
  refusal: (frame) => codec.refusal(frame),
});
let links = 0;
async function open(transport: Transport, codec: Codec): Promise<BrokerLink> {
  const signal = new AbortController().signal;
  const link = await transport.dial({ signal, token: null, frameBytesMax: 64 * KIB * KIB });
  const of = {
    instance: `i${++links}`,
    client: "c",
    number: 1,
    ordinal: null,
    onEnd: () => {},
    onLimited: () => {},
    logger: quiet,
  };
  const opened = new BrokerLink({ link, codec, runtime, ...of });
  await opened.welcomed;
  return opened;
}
async function ask(link: BrokerLink, question: Question): Promise<unknown> {
  return timeless((await link.request<"ask">({ type: "ask", question })).answer);
}
/** Without what time, and another start of the broker, changes. */
function timeless(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(timeless);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, name === "lagMs" || name === "logEpoch" ? 0 : timeless(item)]),
  );
}

const written = (answer: unknown): string =>
  JSON.stringify(answer, (_, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value,
  );

const group = { topic: "lines", group: "g" } as const;
const QUESTIONS: readonly Question[] = [
  { kind: "describe" },
  { kind: "describe.topic", topic: "wide" },
  { kind: "describe.group", topic: "wide", group: "group3" },
  { kind: "explain", topic: "many", key: "a" },
  { kind: "ends", topic: "wide" },
  { kind: "account", topic: "wide", group: "group3" },
  { kind: "account", ...group },
  { kind: "aside.list", ...group, after: null, limit: 1_000 },
  { kind: "aside.peek", ...group, key: "a", limit: 1_000 },
];
const disk = new MemoryDisk();
/** One key with 20,000 messages behind its head, and 200 more heads. */
beforeAll(async () => {
  const { broker, transport } = await serve(disk, "memory", {});
  const client = await createClient({ transport, runtime, logger: quiet });
  const consumer = client.consumer(lines, { group: "g", retry: { attempts: 1 } });
  void consumer.run(() => {
    throw new Error(`broken ${"\u0007".repeat(200)}`);
  });
  await consumer.ready();
  const producer = client.producer(lines, { bufferMessagesMax: 100_000 });
  const body = "x".repeat(100);
  const sends = Array.from({ length: 20_000 }, (_, n) => producer.send(`${n}${n < 1_000 ? body : ""}`, { key: "a" }));
  for (let n = 0; n < 200; n++) sends.push(producer.send(`${body}${body}`, { key: `b${n}` }));
  await Promise.all(sends);
  await consumer.caughtUp();
  await client.close();
  await broker.close();
});

const cases = ([1, 2] as const).flatMap((version) =>
  (["memory", "ws"] as const).flatMap((over) =>
    [binaryCodec, jsonCodec].map((codec) => ({ version, over, name: codec.name, codec })),
  ),
);
describe.each(cases)("over $over, in the $name codec, version $version", ({ version, over, codec }) => {
  it.each(QUESTIONS)("answers to $kind that one frame just holds are had one, 6 and 64 at a time", async (question) => {
    // a page of what is set aside is no larger than a message
    const messageBytesMax = question.kind.startsWith("aside.") ? 256 * KIB : KIB;
    const roomy = await serve(disk, "memory", { messageBytesMax });
    const first = await open(roomy.transport, codec);
    const expected = await ask(first, question);
    const whole: Frame = { type: "answer", request: 1, kind: question.kind, answer: expected as AnyAnswer };
    const bytes = codec.encode([whole]).length;
    first.close();
    await roomy.broker.close();

    const frameBytesMax = Math.max(bytes + 100, messageBytesMax + 64 * KIB); // 100: for ages, which grow
    const { broker, transport } = await serve(disk, over, { messageBytesMax, frameBytesMax });
    const link = await open(transport, knowing(codec, [version]));
    for (const times of [1, 6, 64]) {
      const answers = await Promise.all(Array.from({ length: times }, () => ask(link, question)));
      for (const answer of answers) expect(written(answer)).toBe(written(expected));
    }
    expect(link.open).toBe(true);
    link.close();
    await broker.close();
  });

  it("messages as large as they may be are produced, delivered, set aside, listed, replaced and redriven", async () => {
    const messageBytesMax = 256 * KIB;
    const { broker, transport } = await serve(new MemoryDisk(), over, {
      messageBytesMax,
      frameBytesMax: messageBytesMax + 64 * KIB,
    });
    const client = await createClient({ transport, runtime, codec: knowing(codec, [version]), logger: quiet });
    const told: string[] = [];
    client.events$.subscribe(({ type }) => told.push(type));
    const producer = client.producer(lines);
    // what fits depends on the codec: found as a user finds it
    const refusal = await producer.send("x".repeat(messageBytesMax), { key: "k" }).catch((error: unknown) => error);
    const { bytesMax } = (refusal as { readonly data: { readonly bytesMax: number } }).data;
    const body = "x".repeat(bytesMax - 50);
    const handled: string[] = [];
    let broken = true;
    const consumer = client.consumer(lines, { group: "g", retry: { attempts: 1 } });
    void consumer.run((message, { attempt }) => {
      if (broken && message.key === "k") throw new Error("\u0007".repeat(version === 1 ? 1_000 : 8_192)); // what has to fit into one frame is less
      handled.push(`${message.key} ${message.body.length} ${attempt}`);
    });
    await consumer.ready();
    const keys = ["k", "k", "a", "b", "c", "d"];
    await Promise.all(keys.map((key) => producer.send(body, { key })));
    await consumer.caughtUp();
    expect(handled.map((one) => one[0])).toEqual(["a", "b", "c", "d"]);
    const aside = client.admin.setAside(lines, { group: "g" });
    const entries = [];
    for await (const entry of aside.list()) entries.push(entry);
    expect(entries).toMatchObject([{ key: "k", behind: 1, message: { body } }]);
    // in version 1 nobody can ask for what comes behind the first page
    const peeked = version === 1 ? [body.length] : [body.length, body.length];
    expect((await aside.peek("k")).map((message) => message.body?.length)).toEqual(peeked);
    broken = false;
    await aside.replace(entries[0]?.entry as string, `y${body.slice(1)}`, { reason: "mended" });
    await expect.poll(() => handled.length).toBe(6);
    expect(handled.slice(4)).toEqual([`k ${body.length} 1`, `k ${body.length} 1`]);
    expect(told).not.toContain("link.closed");
    await client.close();
    await broker.close();
  });
});
