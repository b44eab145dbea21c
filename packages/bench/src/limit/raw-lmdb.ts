import { join } from "node:path";
import { open } from "lmdb";
import { type Outgoing, readBody } from "../frame/message.ts";
import { queueOf, type System } from "../frame/system.ts";

/**
 * Batches of what has piled up per queue, one in flight for each, synced: nothing but lmdb.
 * Read back and judged afterwards, outside the time.
 */
export const rawLmdb: System = {
  async embedded(load, at, take) {
    const database = open<Uint8Array, string>({ path: join(at.folder, "raw"), ...SYNCED });
    const queues = Array.from({ length: load.queues }, () => ({
      waiting: [] as Outgoing[],
      batches: 0,
      busy: false,
    }));
    const write = async (queue: number): Promise<void> => {
      const own = queues[queue]!;
      own.busy = true;
      await Promise.resolve(); // what is sent in this turn goes together
      while (own.waiting.length > 0) {
        const batch = own.waiting;
        own.waiting = [];
        const bytes = Buffer.concat(batch.map(({ body }) => body));
        await database.put(batchKey(queue, own.batches++), bytes);
        for (const { acknowledged } of batch) acknowledged();
      }
      own.busy = false;
    };
    const readBack = (): void => {
      for (const [queue, { batches }] of queues.entries())
        for (let nth = 0; nth < batches; nth++) {
          const bytes = database.get(batchKey(queue, nth)) ?? new Uint8Array();
          for (let from = 0; from < bytes.length; from += load.bytes) take(readBody(bytes.subarray(from)));
        }
    };
    return {
      sender: {
        send(message) {
          const queue = queueOf(message.key, load);
          const own = queues[queue]!;
          own.waiting.push(message);
          if (!own.busy) write(queue).catch(message.failed);
        },
        close: async () => {},
      },
      receiver: { settled: async () => {}, readBack, close: () => database.close() },
    };
  },
};
/** As the store of ours opens it: a commit resolves when it is on disk. */
export const SYNCED = { encoding: "binary", overlappingSync: false, compression: false } as const;
/** Sorts in the order of numbers. */
export const batchKey = (queue: number, nth: number): string => `${queue}/${String(nth).padStart(10, "0")}`;
