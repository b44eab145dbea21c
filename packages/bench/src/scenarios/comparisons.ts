import type { Comparison } from "../frame/compare.ts";

const windowed = (theirs: string, bar: number, aim: number): Comparison => ({
  ours: "ws + lmdb, synced",
  theirs,
  figure: "messagesPerSecond",
  atLeast: bar,
  aim,
});
const strict = (theirs: string): Comparison => ({
  ours: "strict: ws + lmdb, synced",
  theirs: `strict: ${theirs}`,
  figure: "messagesPerSecond",
  atLeast: 1.5,
  aim: 2,
});
const latency = (theirs: string, figure: "p50Ms" | "p99Ms"): Comparison => ({
  ours: "latency at 500/s: ws + lmdb, synced",
  theirs: `latency at 500/s: ${theirs}`,
  figure,
  ...(figure === "p99Ms" ? { atMost: 1.5, aim: 1 } : {}),
});
/** What is held against what; those without a bar are only told. */
export const comparisons: readonly Comparison[] = [
  windowed("Redis Streams, AOF always", 2, 3),
  windowed("NATS JetStream", 4, 6),
  windowed("RabbitMQ", 3.5, 5),
  windowed("BullMQ, AOF everysec", 15, 20),
  windowed("GroupMQ, AOF everysec", 15, 20),
  { ours: "ws + lmdb, synced", theirs: "limit: bare ws + bare lmdb", figure: "messagesPerSecond" },
  {
    ours: "ws + memory store",
    theirs: "Redis Streams, AOF everysec",
    figure: "messagesPerSecond",
    atLeast: 3,
    aim: 4.5,
  },
  strict("Redis Streams, AOF always"),
  strict("RabbitMQ"),
  strict("NATS JetStream"),
  {
    ours: "embedded: memory store",
    theirs: "in process: fastq per key",
    figure: "messagesPerSecond",
    atLeast: 0.7,
    aim: 1,
  },
  { ours: "embedded: memory store", theirs: "in process: RxJS groupBy + concatMap", figure: "messagesPerSecond" },
  { ours: "embedded: memory store", theirs: "in process: p-queue per key", figure: "messagesPerSecond" },
  {
    ours: "embedded: lmdb, synced",
    theirs: "limit: raw lmdb appends",
    figure: "messagesPerSecond",
    atLeast: 0.7,
    aim: 1,
  },
  latency("Redis Streams, AOF always", "p50Ms"),
  latency("Redis Streams, AOF always", "p99Ms"),
];
