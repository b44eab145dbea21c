import { checkHistory } from "../../history/check-history.ts";
import type { HistoryEvent } from "../../history/history-event.ts";
import type { Violation } from "../../history/verdict.ts";
import type { FaultPlan } from "../engine/fault-plan.ts";
import type { World } from "../engine/world.ts";
import type { SimulationProblem } from "./simulation-error.ts";

/** Faults of the store after which a place that only a `memory` receipt named may be another message's: a history has no words for that. */
const TAKES_MEMORY_BACK: ReadonlySet<FaultPlan["kind"]> = new Set(["failStore", "takeOver"]);

/** Holds the finished run's history against the promises, and leaves out what a history of this run cannot show. */
export async function judgeSimulation(
  world: World,
  of: {
    readonly faults: readonly FaultPlan[];
    /** `topic group` where an order about what is set aside had no answer. */
    readonly unclear: ReadonlySet<string>;
  },
): Promise<SimulationProblem[]> {
  const { lines } = world.book;
  const { violations } = await checkHistory(lines);
  const takesBack = of.faults.some(({ kind }) => TAKES_MEMORY_BACK.has(kind));
  const inMemory = new Set(
    takesBack
      ? lines.flatMap((line) => (line.type === "sending" && line.durability === "memory" ? [line.topic] : []))
      : [],
  );
  const isShown = ({ promise, events }: Violation): boolean => {
    if (promise !== "P8" && events.some((event) => inMemory.has(topicOf(event)))) return false;
    if (promise === "P6") return !events.some((event) => isUnclear(event, of.unclear));
    if (promise === "P2") return !events.some((event) => isForgotten(world, event));
    return true;
  };
  return violations.filter(isShown).map(({ promise, text, events }) => ({
    broken: promise,
    text: [text, ...events.map((event) => `      ${JSON.stringify(event)}`)].join("\n"),
    atMs: null,
  }));
}
const topicOf = (event: HistoryEvent): string => ("topic" in event ? (event.topic ?? "") : "");

/** An order about this group's keys went out and was never answered: whether one was open is then not known from the history. */
const isUnclear = (event: HistoryEvent, unclear: ReadonlySet<string>): boolean =>
  (event.type === "handling" || event.type === "parked") && unclear.has(`${event.topic} ${event.group}`);

/** Ids are remembered for `idWindowMs`. */
function isForgotten(world: World, event: HistoryEvent): boolean {
  const topic = world.topicSpecs.find(({ name }) => name === topicOf(event));
  return topic !== undefined && topic.idWindowMs < world.runtime.now();
}
