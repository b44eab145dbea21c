import type { Measured, Row, Way } from "./frame/row.ts";
import { Run } from "./frame/run.ts";
import type { Load } from "./frame/system.ts";
import { cost } from "./ways/cost.ts";
import { embedded } from "./ways/embedded.ts";
import { brokerKilled, consumerKilled } from "./ways/fail-over.ts";
import { draining, sending } from "./ways/one-sided.ts";
import { probe } from "./ways/probe.ts";
import { resources } from "./ways/resources.ts";
import { standing } from "./ways/standing.ts";
import { startUp } from "./ways/start-up.ts";
import { together } from "./ways/together.ts";

const ways: Readonly<Record<Way, (run: Run) => Promise<Measured>>> = {
  together,
  embedded,
  sending,
  draining,
  standing,
  "start-up": startUp,
  "consumer killed": consumerKilled,
  "broker killed": brokerKilled,
  probe,
  resources,
  cost,
};
/**
 * One run of one row.
 * @param program see {@link Run.open}
 * @throws when order, loss, a repetition or a send was wrong
 */
export async function measure(row: Row, load: Load, program?: string): Promise<Measured> {
  const run = await Run.open(row, load, program);
  try {
    return await ways[row.way ?? "together"](run);
  } finally {
    await run.end();
  }
}
