import type { Row } from "../frame/row.ts";

const ours = {
  scenario: "size",
  ours: true,
  system: "seriatim",
  variant: "synced",
  durable: "yes: fsync before the ack",
} as const;
const KEYS = 64;

/** What a message costs as the work grows: more queues in use, more keys, larger bodies. */
export const size = (messages: number): readonly Row[] => [
  ...[10, 100, 1_000, 10_000].map((queues) => ({
    ...ours,
    name: `size: ${queues.toLocaleString("en")} queues`,
    load: { queues, keys: Math.max(KEYS, queues * 4) },
    point: { line: "queues", size: queues },
  })),
  ...[64, 1_000, 30_000, 1_000_000].map((keys) => ({
    ...ours,
    name: `size: ${keys.toLocaleString("en")} keys`,
    load: { keys, messages: Math.max(messages, keys) },
    point: { line: "keys", size: keys },
  })),
  ...[200, 1_024, 10_240].map((bytes) => ({
    ...ours,
    name: `size: ${bytes.toLocaleString("en")} bytes a body`,
    load: { bytes },
    point: { line: "bytes of a body", size: bytes },
  })),
];
