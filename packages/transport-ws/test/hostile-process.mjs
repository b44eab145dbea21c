// A process of hostile.proof.test.ts and hostile-stall.int.test.ts, forked with --expose-gc;
// it runs from dist and talks over IPC.
//   broker: a broker on a free port with a memory store;
//       answers "memory", "stall" and "goOn" (its store stands still in between).
//   good:   a well-behaved producer and consumer; answers "mark" (its latencies since the last one) and "finish".
import { auth, createBroker, provide, tokens, topic, typed } from "@seriatim/actors";
import { createClient } from "@seriatim/actors/client";
import { createMemoryStore, MemoryDisk } from "@seriatim/actors/store";
import { wsTransport } from "@seriatim/transport-ws";
import { wsClientTransport } from "@seriatim/transport-ws/client";

const [role, url] = process.argv.slice(2);
const KEYS = 8;
const board = topic("board", { schema: typed(), key: "send", queues: 4, retention: { settledByAll: true } });
const evil = topic("evil", {
  schema: typed(),
  key: "send",
  queues: 1,
  retention: { ageMs: 1_000, dropUnsettled: true }, // what attackers write does not stay
});
const steal = topic("steal", { schema: typed(), key: "send", queues: 1 });
/** @type {(message: object) => void} */
const tell = (message) => void process.send?.(message);

// A token is `name:expiresAtMs`, or `ticket:<number>`, which is good once.
/** @type {Set<string>} */
const used = new Set();
const access = auth({
  authenticate: async (token) => {
    const [name = "", rest = ""] = (token ?? "").split(":");
    if (name === "ticket") {
      if (used.has(rest)) return null;
      used.add(rest);
      return { id: "ticket" };
    }
    if (name === "stuck") return await new Promise(() => {});
    return Number(rest) > Date.now() ? { id: name } : null;
  },
  authorize: ({ id }, right) => id === "good" || (right.verb !== "manage" && right.topic !== board.name),
});

/** @type {Promise<void> | undefined} */
let stalled;
let goOn = () => {};
/** A store in memory that can be told to stand still. */
const store = provide(tokens.store, (get) => {
  const runtime = get(tokens.runtime);
  return createMemoryStore({ runtime, disk: new MemoryDisk({ runtime, beforeApply: () => stalled }) });
});

async function serve() {
  const broker = await createBroker({
    modules: [
      wsTransport({
        port: 0,
        origins: ["https://shop.example"],
        handshakeTimeoutMs: 3_000,
        authenticateTimeoutMs: 2_000,
        bufferedBytesMax: 256 * 1024,
        overloadedAfterMs: 300,
      }),
      access,
      store,
    ],
    topics: [board, evil, steal],
    messageBytesMax: 64 * 1024,
    frameBytesMax: 1024 * 1024,
    heartbeatMs: 2_000,
  });
  process.on("message", (/** @type {{ type: string }} */ { type: command }) => {
    if (command === "stall") {
      stalled = new Promise((resolve) => {
        goOn = resolve;
      });
      return tell({ type: command });
    }
    if (command === "goOn") {
      stalled = undefined;
      goOn();
      return tell({ type: command });
    }
    // twice, a turn apart: what finalizers let go of is collected by the second
    globalThis.gc?.();
    setTimeout(() => {
      globalThis.gc?.();
      const { heapUsed, external, rss } = process.memoryUsage();
      const sessions = broker.actors.list().filter(({ kind }) => kind === "session").length;
      tell({ type: "memory", heapUsed, external, rss, sessions });
    }, 50);
  });
  tell({ type: "ready", url: broker.address });
}

async function behave() {
  const client = await createClient({
    transport: wsClientTransport({ url: url ?? "" }),
    token: `good:${Date.now() + 3_600_000}`,
  });
  const producer = client.producer(board);
  const consumer = client.consumer(board, { group: "g" });
  /** @type {number[]} */
  let latencies = [];
  let sent = 0;
  let received = 0;
  let failed = 0;
  let outOfOrder = 0;
  /** @type {Map<string | null, number>} */
  const last = new Map();
  const running = consumer.run(({ key, body }) => {
    const { n, at } = /** @type {{ n: number, at: number }} */ (body);
    if (n !== (last.get(key) ?? -1) + 1) outOfOrder++;
    last.set(key, n);
    received++;
    latencies.push(performance.now() - at);
  });
  const sending = setInterval(() => {
    for (let key = 0; key < KEYS; key++)
      producer
        .send({ n: Math.floor(sent / KEYS), at: performance.now() }, { key: `k${sent++ % KEYS}` })
        .catch(() => failed++);
  }, 20);
  /** @param {number} share */
  const quantile = (share) => {
    latencies.sort((a, b) => a - b);
    return Math.round((latencies[Math.ceil(latencies.length * share) - 1] ?? 0) * 10) / 10;
  };
  const figures = () => {
    const told = { messages: latencies.length, p50: quantile(0.5), p99: quantile(0.99), max: quantile(1) };
    latencies = [];
    return told;
  };
  process.on("message", async (/** @type {{ type: string }} */ { type: command }) => {
    if (command === "mark") return tell({ type: "mark", ...figures() });
    clearInterval(sending);
    await producer.flush();
    await consumer.caughtUp();
    await consumer.close();
    await running;
    await client.close();
    tell({ type: "finish", sent, received, failed, outOfOrder, keys: last.size });
    process.disconnect();
  });
  await producer.send({ n: 0, at: performance.now() }, { key: "first" });
  last.delete("first");
  tell({ type: "ready" });
}

await (role === "broker" ? serve() : behave());
