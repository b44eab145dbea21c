import type { Row } from "../frame/row.ts";
import { natsProgram, startNats } from "./nats/nats-server.ts";
import { rabbitmqProgram, startRabbitmq } from "./rabbitmq/rabbitmq-server.ts";
import { redisProgram, startRedis } from "./redis/redis-server.ts";

type Peer = Pick<Row, "system" | "variant" | "durable"> & Required<Pick<Row, "program" | "startServer">>;

const redis = { program: redisProgram, startServer: startRedis } as const;
const EVERYSEC = "no: AOF, fsync once a second";

export const redisAlways: Peer = {
  ...redis,
  system: "redis",
  variant: "always",
  durable: "yes: AOF, fsync before the ack",
};
export const redisEverysec: Peer = { ...redis, system: "redis", variant: "everysec", durable: EVERYSEC };
export const bullmqEverysec: Peer = { ...redis, system: "bullmq", variant: "everysec", durable: EVERYSEC };
export const groupmqEverysec: Peer = { ...redis, system: "groupmq", variant: "everysec", durable: EVERYSEC };
export const rabbitmq: Peer = {
  program: rabbitmqProgram,
  startServer: startRabbitmq,
  system: "rabbitmq",
  variant: "",
  durable: "in part: persistent, confirmed; no fsync per message",
};
export const nats: Peer = {
  program: natsProgram,
  startServer: startNats,
  system: "nats",
  variant: "",
  durable: "in part: file storage; no fsync per message",
};
