import { checkHistory } from "../history/check-history.ts";
import type { HistoryEvent } from "../history/history-event.ts";
import type { PlannedWorld } from "./planned-world.ts";
import type { Problem } from "./world.ts";

/** Holds the finished run's history against the promises. */
export async function judge(world: PlannedWorld): Promise<Problem[]> {
  const verdict = await checkHistory(world.book.lines);
  return verdict.violations
    .filter(({ promise, events }) => promise !== "P6" || !events.some((event) => isUnclear(world, event)))
    .map(({ promise, text, events }) => ({
      promise,
      text: `${text}\n${events.map((event) => `      ${JSON.stringify(event)}`).join("\n")}`,
      atMs: null,
    }));
}

/** An order about its key went out and was never answered: whether the key was open is then not known from the history. */
function isUnclear(world: PlannedWorld, event: HistoryEvent): boolean {
  if (event.type !== "handling" && event.type !== "parked") return false;
  return world.unclear.has(world.keyName(event.topic, event.group, event.key));
}
