import { Queue, Worker } from "bullmq";
import { type JsonMessage, jsonText } from "../../frame/message.ts";
import { type At, type Load, queueOf, type System, sentOf } from "../../frame/system.ts";

/**
 * A BullMQ queue for each queue, with one worker of concurrency 1, as its docs advise for order.
 * Finished jobs are removed.
 */
export const bullQueues: System = {
  async sender(load, at) {
    const queues = namesOf(load).map((name) => new Queue<JsonMessage>(name, { connection: connectionOf(at) }));
    await Promise.all(queues.map((queue) => queue.waitUntilReady()));
    const text = jsonText(load.bytes);
    return {
      send({ key, n, sentAtMs, acknowledged, failed }) {
        const data = { key, n, sentAtMs, text };
        queues[queueOf(key, load)]!.add("message", data, { removeOnComplete: true }).then(acknowledged, failed);
      },
      async close() {
        await Promise.all(queues.map((queue) => queue.close()));
      },
    };
  },
  async receiver(load, at, take) {
    let completed = 0;
    let allCompleted = (): void => {};
    const all = new Promise<void>((resolve) => {
      allCompleted = resolve;
    });
    const workers = namesOf(load).map((name) => {
      const worker = new Worker<JsonMessage>(name, async ({ data }) => take(data), {
        connection: { ...connectionOf(at), maxRetriesPerRequest: null },
        concurrency: 1,
      });
      worker.on("completed", () => {
        if (++completed >= sentOf(load)) allCompleted();
      });
      worker.on("error", (error) => console.error(error));
      return worker;
    });
    await Promise.all(workers.map((worker) => worker.waitUntilReady()));
    return {
      settled: () => all,
      async close() {
        await Promise.all(workers.map((worker) => worker.close()));
      },
    };
  },
};
const namesOf = (load: Load): readonly string[] => Array.from({ length: load.queues }, (_, queue) => `queue-${queue}`);
const connectionOf = ({ address }: At) => ({ host: "127.0.0.1", port: Number(address) });
