import { isMessagingError } from "@seriatim/actors/client";
import type { HistoryEvent } from "../../history/history-event.ts";
import type { Violation } from "../../history/verdict.ts";
import type { FaultPlan } from "../engine/fault-plan.ts";
import { type Incarnation, ProcessSlot } from "../engine/process-slot.ts";
import { type RunOutcome, runWorld } from "../engine/run.ts";
import { World } from "../engine/world.ts";
import type { SimulationPlan } from "./draw-plan.ts";
import { GroupNotes } from "./noted-client.ts";
import type { CheckedOptions, SimulatedProcess } from "./options.ts";
import type { SimulationProblem } from "./simulation-error.ts";
import { mayComeOfFault, UserProcess } from "./user-process.ts";

export interface SimulationResult extends Omit<RunOutcome, "problems"> {
  readonly plan: SimulationPlan;
  /** None: the seed passed. */
  readonly problems: readonly SimulationProblem[];
}
/** After a program ended by what a fault did to it. */
const RESTART_MS = 500;
/**
 * Faults of the store after which a place that only a `memory` receipt named may be another message's: a history has no
 * words for that.
 */
const TAKES_MEMORY_BACK: ReadonlySet<FaultPlan["kind"]> = new Set(["failStore", "takeOver"]);

/** Runs one seed's plan in a world of its own; then, when the run came to its end, the user's `check`. */
export async function runPrograms<Shared>(
  plan: SimulationPlan,
  options: CheckedOptions<Shared>,
  onLine?: (line: HistoryEvent) => void,
): Promise<SimulationResult> {
  const { seed, broker, network, faults, faultsForMs } = plan;
  const world = new World({ seed, broker, network, topics: options.topics });
  world.book.countOrdinals();
  world.book.onLine = onLine ?? null;
  const shared = options.shared?.() as Shared;
  const notes = new GroupNotes();
  /** What programs threw that no fault explains. */
  const failures: SimulationProblem[] = [];
  let isComplete = false;

  const threw = (slot: ProcessSlot, incarnation: Incarnation, error: unknown): void => {
    const atMs = world.runtime.now();
    const text = nameError(error);
    if (!faults.some((fault) => fault.atMs <= atMs) || !mayComeOfFault(error)) {
      failures.push({ broken: "process", text: `${incarnation.process} threw ${text}`, atMs, cause: error });
      return;
    }
    slot.lastExit = text;
    if (slot.incarnation === incarnation) slot.kill(false);
    world.runtime.setTimeout(() => {
      if (!world.isOver) slot.start();
    }, RESTART_MS);
  };
  const processes = plan.processes.map(({ name, kind, startsAtMs }) => {
    const program = options.processes[kind] as SimulatedProcess<Shared>;
    const slot: ProcessSlot = new ProcessSlot(world, {
      name,
      role: kind,
      settings: { settings: notes.settings },
      begin: (incarnation) =>
        new UserProcess(incarnation, {
          shared,
          notes,
          start: (context) => program.start(context),
          threw: (error) => threw(slot, incarnation, error),
        }),
    });
    return { slot, startsAtMs };
  });
  const { problems: promises, ...outcome } = await runWorld(world, {
    faults,
    faultsForMs,
    healWithinMs: options.healWithinMs,
    processes,
    groups: () => notes.groups,
    quietLooks: 1,
    hasFailed: () => failures.length > 0,
    ended: async () => {
      isComplete = true;
    },
    isExcused: (violation) => isExcused(violation, world, faults, notes),
  });
  const problems: SimulationProblem[] = [
    ...failures,
    ...promises.map(({ promise, text, atMs }) => ({ broken: promise, text, atMs })),
  ];
  try {
    if (isComplete) await options.check?.({ shared, history: outcome.history, seed });
  } catch (error) {
    problems.unshift({ broken: "check", text: nameError(error), atMs: null, cause: error });
  }
  return { plan, ...outcome, problems };
}
/** What was thrown, in a line; its stack is in `cause`. */
const nameError = (error: unknown): string =>
  isMessagingError(error) ? `${error.code}: ${error.message}` : String(error);

/** What a history of programs cannot show. */
function isExcused(
  { promise, events }: Violation,
  world: World,
  faults: readonly FaultPlan[],
  notes: GroupNotes,
): boolean {
  if (promise !== "P8" && faults.some(({ kind }) => TAKES_MEMORY_BACK.has(kind))) {
    const inMemory = new Set<string>();
    for (const line of world.book.lines)
      if (line.type === "sending" && line.durability === "memory") inMemory.add(line.topic);
    if (events.some((event) => inMemory.has(topicOf(event)))) return true;
  }
  // an order about this group's keys went out and was never answered: whether one was open is then not known from the
  // history
  if (promise === "P6")
    return events.some(
      (event) => (event.type === "handling" || event.type === "parked") && notes.isUnclear(event.topic, event.group),
    );
  // ids are remembered for `idWindowMs`
  return (
    promise === "P2" &&
    events.some((event) => (world.spec(topicOf(event))?.idWindowMs ?? Infinity) < world.runtime.now())
  );
}
const topicOf = (event: HistoryEvent): string => ("topic" in event ? (event.topic ?? "") : "");
