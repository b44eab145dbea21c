import { Queue, Worker } from "groupmq";
import { Redis } from "ioredis";
import { type JsonMessage, jsonText } from "../../frame/message.ts";
import { type At, type System, sentOf } from "../../frame/system.ts";

/** A group for each key; one worker takes as many groups side by side as the other rows have queues. */
export const groups: System = {
  async sender(load, at) {
    const { redis, queue } = queueAt(at);
    const text = jsonText(load.bytes);
    return {
      send({ key, n, sentAtMs, acknowledged, failed }) {
        queue.add({ groupId: `key-${key}`, data: { key, n, sentAtMs, text } }).then(acknowledged, failed);
      },
      async close() {
        await queue.close();
        redis.disconnect();
      },
    };
  },
  async receiver(load, at, take) {
    const { redis, queue } = queueAt(at);
    let completed = 0;
    let allCompleted = (): void => {};
    const all = new Promise<void>((resolve) => {
      allCompleted = resolve;
    });
    const worker = new Worker<JsonMessage>({
      queue,
      concurrency: load.queues,
      handler: async ({ data }) => take(data),
    });
    worker.on("completed", () => {
      if (++completed >= sentOf(load)) allCompleted();
    });
    worker.on("error", (error) => console.error(error));
    const running = worker.run();
    return {
      settled: () => all,
      async close() {
        await worker.close();
        await running;
        redis.disconnect();
      },
    };
  },
};
function queueAt({ address }: At): { readonly redis: Redis; readonly queue: Queue<JsonMessage> } {
  const redis = new Redis({ port: Number(address), host: "127.0.0.1", maxRetriesPerRequest: null });
  return { redis, queue: new Queue<JsonMessage>({ redis, namespace: "bench" }) };
}
