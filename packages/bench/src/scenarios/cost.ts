import { entries } from "../cost/entries.ts";
import { figureNames } from "../cost/figures.ts";
import type { Bar } from "../frame/compare.ts";
import type { Row } from "../frame/row.ts";
import { NOTHING_KEPT } from "./durable.ts";
import type { Extent } from "./extent.ts";

/** Messages that wait for each group. */
const STANDING = 10_000;
const rowName = (entry: string): string => `cost: ${entry}`;
/** What is new is small and collected often, so that what the broker keeps shows in its peak. */
const BROKER_EXEC_ARGV = ["--expose-gc", "--max-semi-space-size=2"];

/**
 * What a byte of each kind of frame, and of question, costs the broker.
 * @param extent with fewer than 100,000 messages all of it is smaller by as much
 */
export const cost = ({ messages }: Extent): readonly Row[] =>
  [...entries.keys()].map((entry) => ({
    scenario: "cost",
    ours: true,
    system: "seriatim, priced",
    way: "cost",
    name: rowName(entry),
    variant: entry,
    durable: NOTHING_KEPT,
    load: { standing: Math.min(STANDING, Math.ceil(messages / 10)) },
    brokerExecArgv: BROKER_EXEC_ARGV,
  }));

/**
 * What a client that may do nothing can cost, and how long another link may wait, whoever sends. What ends its link
 * has no bar by its bytes: it costs as much as connecting does, and how often an address may do that is bounded.
 */
export const costBars: readonly Bar[] = [...entries].flatMap(([entry, { endsLink }]) => {
  const [stranger, worker] = [figureNames("stranger"), figureNames("worker")];
  const bar = (figure: string, atMost: number): Bar => ({ row: rowName(entry), figure, atMost });
  return [
    ...(endsLink === undefined ? [bar(stranger.cpuTimes, 50), bar(stranger.memoryTimes, 30)] : []),
    bar(stranger.longest, 100),
    bar(worker.longest, 100),
  ];
});
