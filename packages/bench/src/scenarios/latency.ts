import type { Row } from "../frame/row.ts";
import { bullmqEverysec, nats, rabbitmq, redisAlways, redisEverysec } from "../peers/peers.ts";
import { NOTHING_KEPT, SYNCED } from "./durable.ts";
import type { Extent } from "./extent.ts";

/** Sends are not held back by what is slow: their times are those of an open loop. */
const WINDOW = 100_000;
export const WARM_UP_SECONDS = 5;

/** From the call of send to the handler, at a steady rate. The first second warms up. */
export const latency = ({ seconds }: Extent): readonly Row[] =>
  [500, 5_000].flatMap((perSecond) => {
    const load = {
      perSecond,
      messages: perSecond * seconds,
      warmUp: perSecond * WARM_UP_SECONDS,
      window: WINDOW,
    };
    const at = `latency at ${perSecond.toLocaleString("en")}/s`;
    const ours = { scenario: "latency", ours: true, system: "seriatim", load } as const;
    const peer = { scenario: "latency", ours: false, load } as const;
    return [
      { ...ours, name: `${at}: ws + lmdb, synced`, variant: "synced", durable: SYNCED },
      { ...peer, ...redisAlways, name: `${at}: Redis Streams, AOF always` },
      { ...ours, name: `${at}: ws + memory store`, variant: "memory", durable: NOTHING_KEPT },
      { ...peer, ...redisEverysec, name: `${at}: Redis Streams, AOF everysec` },
      { ...peer, ...nats, name: `${at}: NATS JetStream` },
      { ...peer, ...rabbitmq, name: `${at}: RabbitMQ` },
      { ...peer, ...bullmqEverysec, name: `${at}: BullMQ, AOF everysec` },
    ];
  });
