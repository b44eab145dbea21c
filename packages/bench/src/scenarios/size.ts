import type { Row } from "../frame/row.ts";
import { SYNCED } from "./durable.ts";
import { count, type Extent, sizesUpTo } from "./extent.ts";

const ours = { scenario: "size", ours: true, system: "seriatim", variant: "synced", durable: SYNCED } as const;
const KEYS = 64;

export const QUEUES = [10, 100, 1_000, 10_000];
export const KEY_COUNTS = [64, 1_000, 30_000, 1_000_000];
export const BACKLOGS = [1_000, 10_000, 100_000, 1_000_000];
export const queuesRow = (queues: number): string => `size: ${count(queues)} queues`;
export const keysRow = (keys: number): string => `size: ${count(keys)} keys`;
export const backlogRow = (standing: number): string => `size: ${count(standing)} messages standing`;
export const bodyRow = (bytes: number): string => `size: ${count(bytes)} bytes a body`;

/**
 * What a message costs as the work grows: more queues in use, more keys, a longer backlog, larger bodies.
 * Rows of a line take the same number of messages.
 */
export function size({ messages, most }: Extent): readonly Row[] {
  const keyCounts = sizesUpTo(most, KEY_COUNTS);
  const messagesOfKeys = Math.max(messages, ...keyCounts);
  return [
    ...sizesUpTo(most, QUEUES).map((queues) => ({
      ...ours,
      name: queuesRow(queues),
      load: { queues, keys: Math.max(KEYS, queues * 4) },
      point: { line: "queues", size: queues },
    })),
    ...keyCounts.map((keys) => ({
      ...ours,
      name: keysRow(keys),
      load: { keys, messages: messagesOfKeys },
      point: { line: "keys", size: keys },
    })),
    ...sizesUpTo(most, BACKLOGS).map((standing) => ({
      ...ours,
      name: backlogRow(standing),
      way: "standing" as const,
      load: { standing },
      point: { line: "messages standing", size: standing },
    })),
    ...[200, 1_024, 10_240].map((bytes) => ({
      ...ours,
      name: bodyRow(bytes),
      load: { bytes },
      point: { line: "bytes of a body", size: bytes },
    })),
  ];
}
