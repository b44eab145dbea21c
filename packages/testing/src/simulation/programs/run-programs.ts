import { isMessagingError, type TopicSpec } from "@seriatim/actors/client";
import type { HistoryEvent } from "../../history/history-event.ts";
import type { Violation } from "../../history/verdict.ts";
import type { FaultPlan } from "../engine/fault-plan.ts";
import { type Incarnation, ProcessSlot } from "../engine/process-slot.ts";
import { type Company, type RunOutcome, runWorld } from "../engine/run.ts";
import { World } from "../engine/world.ts";
import type { SimulationPlan } from "./draw-plan.ts";
import { GroupNotes } from "./noted-client.ts";
import type { CheckedOptions } from "./options.ts";
import type { SimulationProblem } from "./simulation-error.ts";
import { mayComeOfFault, UserProcess } from "./user-process.ts";

export interface SimulationResult extends Omit<RunOutcome, "problems"> {
  readonly plan: SimulationPlan;
  /** None: the seed passed. */
  readonly problems: readonly SimulationProblem[];
}
/** After a program ended by what a fault did to it. */
const RESTART_MS = 500;
/** Faults of the store after which a place that only a `memory` receipt named may be another message's: a history has no words for that. */
const TAKES_MEMORY_BACK: ReadonlySet<FaultPlan["kind"]> = new Set(["failStore", "takeOver"]);

/** Runs one seed's plan in a world of its own; then, when the run came to its end, the user's `check`. */
export async function runPrograms<Shared>(
  plan: SimulationPlan,
  options: CheckedOptions<Shared>,
  onLine?: (line: HistoryEvent) => void,
): Promise<SimulationResult> {
  const { seed, broker, network } = plan;
  const world = new World({ seed, broker, network, topics: options.topics });
  world.book.countOrdinals();
  world.book.onLine = onLine ?? null;
  const company = new ProgramCompany(world, plan, options);
  const { problems: promises, ...outcome } = await runWorld(world, company);
  const problems: SimulationProblem[] = [
    ...company.failures,
    ...promises.map(({ promise, text, atMs }) => ({ broken: promise, text, atMs })),
  ];
  if (company.isComplete)
    try {
      await options.check?.({ shared: company.shared, history: outcome.history, seed });
    } catch (error) {
      problems.unshift({ broken: "check", text: nameError(error), atMs: null, cause: error });
    }
  return { plan, ...outcome, problems };
}

/** A user's programs, each started again when a fault has ended it. */
class ProgramCompany<Shared> implements Company {
  readonly faults: readonly FaultPlan[];
  readonly faultsForMs: number;
  readonly healWithinMs: number;
  readonly processes: readonly { readonly slot: ProcessSlot<UserProcess<Shared>>; readonly startsAtMs: number }[];
  readonly quietLooks = 1;
  readonly shared: Shared;
  /** What programs threw that no fault explains. */
  readonly failures: SimulationProblem[] = [];
  isComplete = false;
  readonly #world: World;
  readonly #notes = new GroupNotes();

  constructor(world: World, { faults, faultsForMs, processes }: SimulationPlan, options: CheckedOptions<Shared>) {
    this.#world = world;
    this.faults = faults;
    this.faultsForMs = faultsForMs;
    this.healWithinMs = options.healWithinMs;
    this.shared = options.shared?.() as Shared;
    this.processes = processes.map(({ name, kind, startsAtMs }) => {
      const slot: ProcessSlot<UserProcess<Shared>> = new ProcessSlot(world, {
        name,
        role: kind,
        settings: { settings: this.#notes.settings },
        begin: (incarnation) =>
          new UserProcess(incarnation, {
            shared: this.shared,
            notes: this.#notes,
            start: (context) => options.processes[kind]?.start(context),
            threw: (error) => this.#threw(slot, incarnation, error),
          }),
      });
      return { slot, startsAtMs };
    });
  }
  get groups() {
    return this.#notes.groups;
  }
  get hasFailed(): boolean {
    return this.failures.length > 0;
  }
  #threw(slot: ProcessSlot, incarnation: Incarnation, error: unknown): void {
    const { runtime } = this.#world;
    const text = nameError(error);
    const struck = this.faults.some(({ atMs }) => atMs <= runtime.now());
    if (!struck || !mayComeOfFault(error)) {
      const { process } = incarnation;
      this.failures.push({ broken: "process", text: `${process} threw ${text}`, atMs: runtime.now(), cause: error });
      return;
    }
    slot.lastExit = text;
    if (slot.incarnation === incarnation) slot.kill(false);
    runtime.setTimeout(() => {
      if (!this.#world.isOver) slot.start();
    }, RESTART_MS);
  }
  async ended(): Promise<void> {
    this.isComplete = true;
  }

  /** What a history of this run cannot show. */
  isExcused({ promise, events }: Violation): boolean {
    const isOfMemory = (event: HistoryEvent): boolean => this.#memoryTopics.has(topicOf(event));
    if (promise !== "P8" && events.some(isOfMemory)) return true;
    if (promise === "P6") return events.some((event) => this.#isUnclear(event));
    return promise === "P2" && events.some((event) => isForgotten(this.#world, event));
  }
  /** Whose places may be given to others. */
  get #memoryTopics(): ReadonlySet<string> {
    if (!this.faults.some(({ kind }) => TAKES_MEMORY_BACK.has(kind))) return new Set();
    const { lines } = this.#world.book;
    return new Set(
      lines.flatMap((line) => (line.type === "sending" && line.durability === "memory" ? [line.topic] : [])),
    );
  }
  /** An order about this group's keys went out and was never answered: whether one was open is then not known from the history. */
  #isUnclear(event: HistoryEvent): boolean {
    return (event.type === "handling" || event.type === "parked") && this.#notes.isUnclear(event.topic, event.group);
  }
}
const topicOf = (event: HistoryEvent): string => ("topic" in event ? (event.topic ?? "") : "");

/** Ids are remembered for `idWindowMs`. */
function isForgotten(world: World, event: HistoryEvent): boolean {
  const topic: TopicSpec | undefined = world.spec(topicOf(event));
  return topic !== undefined && topic.idWindowMs < world.runtime.now();
}
/** What was thrown, in a line; its stack is in `cause`. */
const nameError = (error: unknown): string =>
  isMessagingError(error) ? `${error.code}: ${error.message}` : String(error);
