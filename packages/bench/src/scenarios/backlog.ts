import type { Row } from "../frame/row.ts";
import { redisAlways } from "../peers/peers.ts";
import { SYNCED } from "./durable.ts";
import { count, type Extent, sizesUpTo } from "./extent.ts";

const ours = { ours: true, system: "seriatim", variant: "synced", durable: SYNCED, load: {} } as const;
const peer = { ours: false, load: {} } as const;
const LARGE_BODY_BYTES = 10_240;

/** One end at a time: sending while nobody consumes, and handling what was sent before. */
export const oneSided: readonly Row[] = (["sending", "draining"] as const).flatMap((way) => {
  const name = way === "sending" ? "producer only" : "consumer only";
  return [
    { ...ours, scenario: "one-sided", way, name: `${name}: ws + lmdb, synced` },
    { ...peer, ...redisAlways, scenario: "one-sided", way, name: `${name}: Redis Streams, AOF always` },
  ];
});

export const MEMORY_ROW = "backlog: broker's memory";
/** A backlog is handled; a large one stands on disk. */
export const backlog = ({ most, backlogBytes }: Extent): readonly Row[] => [
  { ...ours, scenario: "backlog", way: "draining", name: `backlog: ${count(most)} drained`, load: { messages: most } },
  {
    ...ours,
    scenario: "backlog",
    way: "draining",
    watchesMemory: true,
    name: MEMORY_ROW,
    load: { bytes: LARGE_BODY_BYTES, messages: Math.max(1, Math.round(backlogBytes / LARGE_BODY_BYTES)), warmUp: 0 },
  },
];

const STORED = [1_000, 1_000_000];
export const startUpRow = (stored: number): string => `start-up: ${count(stored)} stored`;
export const startUp = ({ most }: Extent): readonly Row[] =>
  sizesUpTo(most, STORED).map((stored) => ({
    ...ours,
    scenario: "start-up",
    way: "start-up",
    name: startUpRow(stored),
    load: { messages: stored, warmUp: 0 },
  }));
