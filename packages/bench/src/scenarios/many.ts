import type { Row } from "../frame/row.ts";
import { SYNCED } from "./durable.ts";
import { count, type Extent } from "./extent.ts";

const ours = { ours: true, system: "seriatim", variant: "synced", durable: SYNCED } as const;
const IDLE = 1_000;
export const NO_IDLE_ROW = "no idle connections";
export const idleRow = (connections = IDLE): string => `${count(connections)} idle connections`;

/** The queues of one topic shared by more and more processes. */
export const consumers: readonly Row[] = [1, 2, 4, 8].map((size) => ({
  ...ours,
  scenario: "consumers",
  name: `consumers: ${size}`,
  load: { consumers: size },
  point: { line: "consumers", size },
}));

/** One busy producer and consumer, with connections beside them that do nothing. */
export function idle({ most }: Extent): readonly Row[] {
  const connections = Math.min(most, IDLE);
  return [
    { ...ours, scenario: "idle", name: NO_IDLE_ROW, load: {} },
    { ...ours, scenario: "idle", name: idleRow(connections), load: { idle: connections } },
  ];
}

/** Idle queues and connections, and how fast many queues open. */
export const resources: readonly Row[] = [
  { ...ours, scenario: "resources", name: "resources", way: "resources", load: {}, durable: "" },
];
