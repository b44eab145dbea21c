import type { Row } from "../frame/row.ts";
import { bullmqEverysec, groupmqEverysec, nats, rabbitmq, redisAlways, redisEverysec } from "../peers/peers.ts";
import { NOTHING_KEPT, SYNCED } from "./durable.ts";

const scenario = "throughput";
const ours = { scenario, ours: true, system: "seriatim", load: {} } as const;
const peer = { scenario, ours: false, load: {} } as const;
const strict = { load: { strict: true }, share: 0.2 } as const;
const inProcess = { way: "embedded", share: 5 } as const;

/** As fast as a window of sends not yet acknowledged allows, every message acknowledged after its handler. */
export const throughput: readonly Row[] = [
  { ...ours, name: "ws + lmdb, synced", variant: "synced", durable: SYNCED },
  {
    ...ours,
    name: "ws + lmdb, flushed",
    variant: "flushed",
    durable: "in part: written before the ack, fsync right after",
  },
  { ...peer, ...redisAlways, name: "Redis Streams, AOF always" },
  { ...peer, ...rabbitmq, name: "RabbitMQ" },
  { ...peer, ...nats, name: "NATS JetStream" },
  { ...peer, ...bullmqEverysec, name: "BullMQ, AOF everysec" },
  { ...peer, ...groupmqEverysec, name: "GroupMQ, AOF everysec" },
  { ...peer, name: "limit: bare ws + bare lmdb", system: "bare ws + lmdb", variant: "synced", durable: SYNCED },
  { ...ours, name: "ws + memory store", variant: "memory", durable: NOTHING_KEPT },
  { ...peer, ...redisEverysec, name: "Redis Streams, AOF everysec" },
  { ...ours, ...strict, name: "strict: ws + lmdb, synced", variant: "synced", durable: SYNCED },
  { ...peer, ...redisAlways, ...strict, name: "strict: Redis Streams, AOF always" },
  { ...peer, ...rabbitmq, ...strict, name: "strict: RabbitMQ" },
  { ...peer, ...nats, ...strict, name: "strict: NATS JetStream" },
  { ...ours, ...inProcess, name: "embedded: memory store", variant: "memory", durable: NOTHING_KEPT },
  { ...peer, ...inProcess, name: "in process: fastq per key", system: "fastq", variant: "", durable: NOTHING_KEPT },
  {
    ...peer,
    ...inProcess,
    name: "in process: RxJS groupBy + concatMap",
    system: "rxjs",
    variant: "",
    durable: NOTHING_KEPT,
  },
  { ...peer, ...inProcess, name: "in process: p-queue per key", system: "p-queue", variant: "", durable: NOTHING_KEPT },
  { ...ours, ...inProcess, name: "embedded: lmdb, synced", variant: "synced", durable: SYNCED },
  { ...peer, ...inProcess, name: "limit: raw lmdb appends", system: "raw lmdb", variant: "", durable: SYNCED },
];
