import { Queue, Worker } from "groupmq";
import { Redis } from "ioredis";
import { jsonBody, type Message } from "../../frame/message.ts";
import { type At, type System, sentOf } from "../../frame/system.ts";

/** A group for each key; one worker takes as many groups side by side as the other rows have queues. */
export const groups: System = {
  async sender(load, at) {
    const { redis, queue } = queueAt(at);
    return {
      send(message, settled) {
        queue
          .add({ groupId: `key-${message.key}`, data: jsonBody(message, load.bytes) })
          .then(() => settled(), settled);
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
    const worker = new Worker<Message>({
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
function queueAt({ address }: At): { readonly redis: Redis; readonly queue: Queue<Message> } {
  const redis = new Redis({ port: Number(address), host: "127.0.0.1", maxRetriesPerRequest: null });
  return { redis, queue: new Queue<Message>({ redis, namespace: "bench" }) };
}
