import type { System } from "./frame/system.ts";

/** A process loads only the system it is about. */
export const systems: Readonly<Record<string, () => Promise<System>>> = {
  seriatim: async () => (await import("./ours/seriatim.ts")).seriatim,
  "seriatim, priced": async () => (await import("./cost/priced.ts")).priced,
  "lmdb store": async () => (await import("./ours/lmdb-store.ts")).lmdbStoreAlone,
  "bare ws + lmdb": async () => (await import("./limit/bare.ts")).bare,
  "raw lmdb": async () => (await import("./limit/raw-lmdb.ts")).rawLmdb,
  redis: async () => (await import("./peers/redis/streams.ts")).streams,
  rabbitmq: async () => (await import("./peers/rabbitmq/queues.ts")).queues,
  nats: async () => (await import("./peers/nats/jet-stream.ts")).jetStream,
  bullmq: async () => (await import("./peers/bullmq/bull-queues.ts")).bullQueues,
  groupmq: async () => (await import("./peers/groupmq/groups.ts")).groups,
  fastq: async () => (await import("./peers/in-process/fastq-per-key.ts")).fastqPerKey,
  rxjs: async () => (await import("./peers/in-process/group-by-key.ts")).groupByKey,
  "p-queue": async () => (await import("./peers/in-process/p-queue-per-key.ts")).pQueuePerKey,
};
