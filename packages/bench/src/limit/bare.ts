import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { open } from "lmdb";
import { WebSocket, WebSocketServer } from "ws";
import { readBody } from "../frame/message.ts";
import type { At, System } from "../frame/system.ts";
import { batchKey, SYNCED } from "./raw-lmdb.ts";

/**
 * A frame to the broker starts with what it is; acknowledgements carry a count, messages are bodies one after another.
 */
const MESSAGES = 0;
const SETTLED = 1;

/**
 * The same bytes through bare WebSockets and bare lmdb, in batches of what has piled up: acknowledged and
 * delivered when synced. No leases, no credit, no repeats known, nothing checked: what the machine would give.
 */
export const bare: System = {
  async serve(load, at) {
    const database = open<Uint8Array, string>({ path: join(at.folder, "bare"), ...SYNCED });
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
    await once(server, "listening");
    let consumer: WebSocket | undefined;
    let batches = 0;
    let cursor = 0;
    const stores = async (producer: WebSocket, bodies: Buffer): Promise<void> => {
      await database.put(batchKey(0, batches++), bodies);
      producer.send(counted(bodies.length / load.bytes));
      consumer?.send(bodies);
    };
    const settles = async (from: WebSocket, count: number): Promise<void> => {
      cursor += count;
      await database.put("cursor", counted(cursor));
      from.send(counted(count));
    };
    server.on("connection", (socket, request) => {
      if (request.url === "/consumer") consumer = socket;
      socket.on("message", (data: Buffer) => {
        const work = data[0] === MESSAGES ? stores(socket, data.subarray(1)) : settles(socket, data.readUInt32BE(1));
        work.catch((error: unknown) => socket.close(1011, String(error).slice(0, 100)));
      });
    });
    const { port } = server.address() as AddressInfo;
    return {
      address: `ws://127.0.0.1:${port}`,
      async close() {
        server.close();
        for (const socket of server.clients) socket.terminate();
        await database.close();
      },
    };
  },
  async sender(_load, at) {
    const socket = await dial(at, "/producer");
    let waiting: Uint8Array[] = [];
    const inOrder: (() => void)[] = [];
    let oldest = 0;
    socket.on("message", (data: Buffer) => {
      for (const end = oldest + data.readUInt32BE(0); oldest < end; oldest++) inOrder[oldest]?.();
    });
    const flush = (): void => {
      socket.send(Buffer.concat([Buffer.of(MESSAGES), ...waiting]));
      waiting = [];
    };
    return {
      send({ body, acknowledged }) {
        if (waiting.length === 0) setImmediate(flush);
        waiting.push(body);
        inOrder.push(acknowledged);
      },
      close: async () => socket.terminate(),
    };
  },
  async receiver(load, at, take) {
    const socket = await dial(at, "/consumer");
    let open = 0;
    let allSettled = (): void => {};
    socket.on("message", (data: Buffer) => {
      if (data.length === COUNT_BYTES) {
        open -= data.readUInt32BE(0);
        if (open === 0) allSettled();
        return;
      }
      const count = data.length / load.bytes;
      open += count;
      for (let from = 0; from < data.length; from += load.bytes) take(readBody(data.subarray(from)));
      socket.send(Buffer.concat([Buffer.of(SETTLED), counted(count)]));
    });
    return {
      settled: () =>
        open === 0
          ? Promise.resolve()
          : new Promise((resolve) => {
              allSettled = resolve;
            }),
      close: async () => socket.terminate(),
    };
  },
};
const COUNT_BYTES = 4;
function counted(count: number): Buffer {
  const bytes = Buffer.alloc(COUNT_BYTES);
  bytes.writeUInt32BE(count);
  return bytes;
}
async function dial({ address }: At, path: string): Promise<WebSocket> {
  const socket = new WebSocket(`${address}${path}`, { perMessageDeflate: false });
  await once(socket, "open");
  return socket;
}
