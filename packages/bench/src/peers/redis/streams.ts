import { Redis } from "ioredis";
import { readBody } from "../../frame/message.ts";
import { type At, type Load, queueOf, type System } from "../../frame/system.ts";

const GROUP = "bench";
const COUNT = 100;
const BLOCK_MS = 1_000;
type Entry = readonly [id: Buffer, fields: readonly Buffer[]];

/**
 * A stream per queue. The producer's commands of one turn leave together, as ioredis offers it;
 * the consumer acknowledges each message.
 */
export const streams: System = {
  async sender(load, at) {
    const redis = connect(at, { enableAutoPipelining: true });
    const names = streamsOf(load);
    return {
      send({ key, buffer, acknowledged, failed }) {
        redis.xadd(names[queueOf(key, load)]!, "*", "b", buffer).then(acknowledged, failed);
      },
      close: async () => redis.disconnect(),
    };
  },
  async receiver(load, at, take) {
    const redis = connect(at, {});
    const names = streamsOf(load);
    for (const name of names) await redis.xgroup("CREATE", name, GROUP, "0", "MKSTREAM");
    const newest = names.map(() => ">");
    // One of each stream, and no more of it before that is acknowledged.
    const count = load.strict ? 1 : COUNT;
    let closed = false;
    let acknowledged: Promise<unknown> = Promise.resolve();
    const read = () =>
      redis.xreadgroupBuffer("GROUP", GROUP, "one", "COUNT", count, "BLOCK", BLOCK_MS, "STREAMS", ...names, ...newest);
    const run = async (): Promise<void> => {
      while (!closed) {
        const found = (await read()) as readonly (readonly [stream: Buffer, entries: readonly Entry[]])[] | null;
        if (found === null) continue;
        const acks = redis.pipeline();
        for (const [stream, entries] of found)
          for (const [id, fields] of entries) {
            await handle(take, fields[1]!);
            acks.xack(stream, GROUP, id);
          }
        // The next read follows on the same connection, so Redis acknowledges first.
        acknowledged = acks.exec();
      }
    };
    const running = run().catch((error: unknown) => {
      if (!closed) throw error;
    });
    return {
      // The loop notes its acknowledgements in the turn in which it handled the last message.
      async settled() {
        await new Promise((resolve) => setImmediate(resolve));
        await acknowledged;
      },
      async close() {
        closed = true;
        redis.disconnect();
        await running;
      },
    };
  },
};
/** Handlers are asynchronous in every row. */
const handle = async (take: (message: ReturnType<typeof readBody>) => void, body: Uint8Array): Promise<void> =>
  take(readBody(body));
const streamsOf = (load: Load): readonly string[] =>
  Array.from({ length: load.queues }, (_, queue) => `queue-${queue}`);
const connect = ({ address }: At, options: { readonly enableAutoPipelining?: boolean }): Redis =>
  new Redis({ port: Number(address), host: "127.0.0.1", ...options });
