import type { Bar, Comparison } from "../frame/compare.ts";
import { MEMORY_ROW, startUpRow } from "./backlog.ts";
import { costBars } from "./cost.ts";
import { idleRow, NO_IDLE_ROW } from "./many.ts";
import { BACKLOGS, backlogRow, KEY_COUNTS, keysRow, QUEUES, queuesRow } from "./size.ts";

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
const latency = (at: "500" | "5,000", figure: "p50Ms" | "p99Ms", atMost?: number): Comparison => ({
  ours: `latency at ${at}/s: ws + lmdb, synced`,
  theirs: `latency at ${at}/s: Redis Streams, AOF always`,
  figure,
  ...(atMost === undefined ? {} : { atMost, aim: 1 }),
});
/** Much of a thing against little of it: the cost of a message must not grow. */
const flat = (much: string, little: string): Comparison => ({
  ours: much,
  theirs: little,
  figure: "microsPerMessage",
  atMost: 1.3,
  aim: 1,
});
const smallAndLarge = (sizes: readonly number[], row: (size: number) => string): Comparison =>
  flat(row(sizes.at(-1) ?? 0), row(sizes[0] ?? 0));
const beside = (row: string, theirs: string): Comparison => ({
  ours: `${row}: ws + lmdb, synced`,
  theirs: `${row}: ${theirs}`,
  figure: "messagesPerSecond",
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
  latency("500", "p50Ms"),
  latency("500", "p99Ms", 1.5),
  latency("5,000", "p50Ms"),
  latency("5,000", "p99Ms", 1),
  ...["Redis Streams, AOF always", "RabbitMQ", "NATS JetStream", "limit: bare ws + bare lmdb"].map((theirs) =>
    beside("1 KB", theirs),
  ),
  beside("producer only", "Redis Streams, AOF always"),
  beside("consumer only", "Redis Streams, AOF always"),
  smallAndLarge(QUEUES, queuesRow),
  smallAndLarge(KEY_COUNTS, keysRow),
  smallAndLarge(BACKLOGS, backlogRow),
  flat(idleRow(), NO_IDLE_ROW),
  { ours: startUpRow(1_000_000), theirs: startUpRow(1_000), figure: "broker answers after, ms" },
];

/** What a row owes by itself. */
export const bars: readonly Bar[] = [
  { row: "latency at 500/s: ws + lmdb, synced", figure: "p50Ms", atMost: 1 },
  ...["memory", "LMDB"].flatMap((store) =>
    ["idle queue", "idle queue with one group"].flatMap((name) => [
      { row: "resources", figure: `${name}, ${store} store, bytes`, atMost: 5_000 },
      { row: "resources", figure: `10,000 × ${name}, ${store} store, opened and described, ms`, atMost: 2_000 },
    ]),
  ),
  { row: "resources", figure: "idle connection, at the broker, bytes", atMost: 20_000 },
  // Bounded: this much, whatever the size of the backlog.
  { row: MEMORY_ROW, figure: "memory, largest, MB", atMost: 500 },
  ...costBars,
];
