import type { Row } from "../frame/row.ts";
import { nats, rabbitmq, redisAlways, redisEverysec } from "../peers/peers.ts";
import { NOTHING_KEPT, SYNCED } from "./durable.ts";

const load = { bytes: 1_024 };
const ours = { scenario: "bodies", ours: true, system: "seriatim", load } as const;
const peer = { scenario: "bodies", ours: false, load } as const;

/** The windowed rows with bodies of 1 KB. */
export const bodies: readonly Row[] = [
  { ...ours, name: "1 KB: ws + lmdb, synced", variant: "synced", durable: SYNCED },
  { ...peer, ...redisAlways, name: "1 KB: Redis Streams, AOF always" },
  { ...peer, ...rabbitmq, name: "1 KB: RabbitMQ" },
  { ...peer, ...nats, name: "1 KB: NATS JetStream" },
  { ...peer, name: "1 KB: limit: bare ws + bare lmdb", system: "bare ws + lmdb", variant: "synced", durable: SYNCED },
  { ...ours, name: "1 KB: ws + memory store", variant: "memory", durable: NOTHING_KEPT },
  { ...peer, ...redisEverysec, name: "1 KB: Redis Streams, AOF everysec" },
];
