import { checkHistory } from "../../history/check-history.ts";
import type { HistoryEvent } from "../../history/history-event.ts";
import type { Problem } from "../engine/world.ts";
import type { PlannedWorld } from "./planned-world.ts";

/** Holds the finished run's history against the promises. */
export async function judge(world: PlannedWorld): Promise<Problem[]> {
  const verdict = await checkHistory(world.book.lines);
  const broken = verdict.violations
    .filter(({ promise, events }) => promise !== "P6" || !events.some((event) => isUnclear(world, event)))
    .map(({ promise, text, events }) => ({
      promise,
      text: `${text}\n${events.map((event) => `      ${JSON.stringify(event)}`).join("\n")}`,
      atMs: null,
    }));
  return [...broken, ...tailsLost(world)];
}

/** A lane was told that places are gone for which it had receipts. With all of these behind a flush only a power loss may do that, or a wall clock by which its producer was idle for long. */
function tailsLost({ plan, book }: PlannedWorld): Problem[] {
  const isExcused =
    plan.producers.some(({ durability }) => durability === "memory") ||
    plan.faults.some((fault) => fault.kind === "powerLoss" || (fault.kind === "wallJump" && fault.target === "broker"));
  if (isExcused) return [];
  return book.lines
    .filter(({ type }) => type === "tailLost")
    .map((line) => ({
      promise: "P3",
      text: `flushed messages are said to be lost: ${JSON.stringify(line)}`,
      atMs: null,
    }));
}

/** An order about its key went out and was never answered: whether the key was open is then not known from the history. */
function isUnclear(world: PlannedWorld, event: HistoryEvent): boolean {
  if (event.type !== "handling" && event.type !== "parked") return false;
  return world.unclear.has(world.keyName(event.topic, event.group, event.key));
}
