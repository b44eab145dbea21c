// The broker, the producer and the consumer of a soak, each a child of main.ts.
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { createBroker, createClient, topic, typed } from "@seriatim/actors";
import type { ChildWork } from "@seriatim/rig";
import { lmdbStore } from "@seriatim/store-lmdb";
import { wsTransport } from "@seriatim/transport-ws";
import { collectedMemory } from "../resources/memory.ts";

export interface RoleSettings {
  readonly url: string;
  readonly dataFolder: string;
}
/** What every process says of itself when it is looked at. */
export interface Look {
  readonly heap: number;
  readonly rss: number;
  readonly handles: number;
  readonly fileDescriptors: number;
  /** Of the broker. */
  readonly storeBytes?: number;
}
export type SoakOrder =
  | { readonly type: "look" | "stop" | "count" | "drain" }
  /** At this rate; `null`: as fast as it is taken. */
  | { readonly type: "send"; readonly perSecond: number | null };
export type SoakTell =
  | { readonly type: "ready"; readonly url?: string }
  | { readonly type: "send" }
  | ({ readonly type: "look" } & Look)
  | { readonly type: "stop"; readonly sent: number; readonly wrong: readonly string[] }
  | { readonly type: "count" | "drain"; readonly handled: number; readonly wrong: readonly string[] };
type Work = Promise<ChildWork<SoakOrder>>;

const KEYS = 1_000;
const BODY_BYTES = 200;
const TICK_MS = 10;
const WRONG_KEPT = 10;
const load = topic("soak", {
  schema: typed<Uint8Array>(),
  key: "send",
  encoding: "bytes",
  validate: "send",
  queues: 8,
  groups: ["soak"],
  retention: { settledByAll: true }, // the store holds what is on its way, however long it runs
});

async function look(): Promise<Look> {
  const memory = await collectedMemory();
  return {
    ...memory,
    handles: process.getActiveResourcesInfo().filter((kind) => kind !== "Timeout" && kind !== "Immediate").length,
    fileDescriptors: process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0,
  };
}
/** Disk blocks that the files take: the store's file is sparse. */
const bytesOf = (folder: string): number =>
  readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).blocks * 512, 0);

async function broker({ dataFolder }: RoleSettings): Work {
  const node = await createBroker({
    topics: [load],
    modules: [wsTransport({ port: 0 }), lmdbStore({ path: dataFolder })],
  });
  return {
    ready: { url: node.address },
    obey: async () => ({ ...(await look()), storeBytes: bytesOf(dataFolder) }),
    end: () => node.close(),
  };
}

async function producer({ url }: RoleSettings): Work {
  const client = await createClient({ name: "producer", modules: [wsTransport({ url })] });
  const sender = client.producer(load);
  const wrong: string[] = [];
  let sent = 0;
  let sending = Promise.resolve();
  let stop = () => {};
  const send = (): void => {
    const body = new Uint8Array(BODY_BYTES);
    new DataView(body.buffer).setFloat64(0, Math.floor(sent / KEYS));
    sender.send(body, { key: `key-${sent % KEYS}` }).catch((error: unknown) => {
      if (wrong.length < WRONG_KEPT) wrong.push(String(error));
    });
    sent++;
  };
  /** Sends at this rate, or as fast as it is taken; a wait is not made up for beyond a second. */
  async function go(perSecond: number, stopped: AbortSignal): Promise<void> {
    let due = 0;
    let at = performance.now();
    while (!stopped.aborted) {
      if (perSecond === Number.POSITIVE_INFINITY) {
        await sender.ready();
        for (let n = 0; n < 100; n++) send();
        continue;
      }
      const now = performance.now();
      due = Math.min(due + ((now - at) / 1_000) * perSecond, perSecond);
      at = now;
      for (; due >= 1; due--) {
        await sender.ready();
        send();
      }
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
  }
  return {
    async obey(order) {
      if (order.type === "look") return await look();
      stop();
      await sending;
      if (order.type === "send") {
        const stopping = new AbortController();
        stop = () => stopping.abort();
        sending = go(order.perSecond ?? Number.POSITIVE_INFINITY, stopping.signal);
        return {};
      }
      await sender.flush(); // "stop"
      return { sent, wrong };
    },
    end: () => client.close(),
  };
}

async function consumer({ url }: RoleSettings): Work {
  const client = await createClient({ name: "consumer", modules: [wsTransport({ url })] });
  const receiver = client.consumer(load, { group: "soak" });
  const next = new Map<string, number>();
  const wrong: string[] = [];
  let handled = 0;
  const running = receiver.run(({ key, body }) => {
    const name = key as string;
    const expected = next.get(name) ?? 0;
    const found = new DataView(body.buffer, body.byteOffset).getFloat64(0);
    if (found !== expected && wrong.length < WRONG_KEPT) wrong.push(`${name}: expected ${expected}, found ${found}`);
    next.set(name, found + 1);
    handled++;
  });
  await receiver.ready();
  return {
    async obey({ type }) {
      if (type === "look") return await look();
      if (type === "drain") await receiver.caughtUp();
      return { handled, wrong };
    },
    async end() {
      await receiver.close();
      await running;
      await client.close();
    },
  };
}

const roles: Readonly<Record<string, (settings: RoleSettings) => Work>> = { broker, producer, consumer };
export function roleOf(name: string): (settings: RoleSettings) => Work {
  const role = roles[name];
  if (role === undefined) throw new Error(`which role? found "${name}"`);
  return role;
}
