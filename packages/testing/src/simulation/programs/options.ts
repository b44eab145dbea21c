import { type Client, optionInvalid, type Runtime, type TopicSpec } from "@seriatim/actors/client";
import { HEARTBEAT_MS_MIN, isName, topicSpec } from "@seriatim/actors/internals";
import type { HistoryEvent } from "../../history/history-event.ts";
import { SIMULATED_FAULTS, type SimulatedFault, USUAL_FAULTS } from "./draw-plan.ts";

/** What a simulated process is given. All of it belongs to this incarnation and ends with it. */
export interface ProcessContext<Shared> {
  /** Connected. Named after the process; closed by the simulation when the process leaves and at the end. */
  readonly client: Client;
  /** The outside world: what `shared()` made for this run. */
  readonly shared: Shared;
  /** `stock-2` for the second process of `stock`. */
  readonly name: string;
  /** From 1; one more after each crash. */
  readonly incarnation: number;
  /**
   * This process's clock, timers, randomness and ids. Real ones would not stop when it freezes, nor be the same in a
   * replay.
   */
  readonly runtime: Runtime;
  /** Resolves after `ms` of this process's time. Never, when the process dies before. */
  sleep(ms: number): Promise<void>;
  /** Fires when the process is asked to end in order. */
  readonly signal: AbortSignal;
}
/** A kind of process: how many there are, and what each does. */
export interface SimulatedProcess<Shared> {
  /** @default 1 */
  readonly count?: number | undefined;
  /**
   * The process's program. Run anew, as the next incarnation, after each crash. It may end, its process lives on; or it
   * may go on for as long as it consumes.
   * What it throws fails the seed, unless it is an error of the framework that a fault explains: then the process ends
   * and is started again.
   */
  readonly start: (process: ProcessContext<Shared>) => unknown;
}
export interface SimulationOptions<Shared = undefined> {
  /** So many seeds from 1 on, or just these. */
  readonly seeds: number | readonly number[];
  readonly topics: readonly TopicSpec[];
  /** A client talks to one broker at a time, so there is no more than one yet. @default 1 */
  readonly brokers?: number | undefined;
  /** What may go wrong; each seed draws some of these. `[]`: nothing. @default all but `powerLoss` */
  readonly faults?: readonly SimulatedFault[] | undefined;
  /** How long faults go on, in virtual ms; longer than a lease, so that one can run out. @default 30_000 */
  readonly faultsForMs?: number | undefined;
  /** In which time everything must be dealt with once all is healed, in virtual ms (P8). @default 60_000 */
  readonly healWithinMs?: number | undefined;
  /** The broker's heartbeats; a lease takes at least three. @default 3_000 */
  readonly heartbeatMs?: number | undefined;
  /** Makes the outside world of one run: what outlives crashes, as a database does. */
  readonly shared?: (() => Shared) | undefined;
  /** By name. */
  readonly processes: Readonly<Record<string, SimulatedProcess<Shared>>>;
  /** Called at the end of each run, when all has been dealt with. Throws when something is not as it should be. */
  readonly check?: ((run: FinishedRun<Shared>) => void | Promise<void>) | undefined;
  /** Whether a failing seed is run again to find the faults it takes. @default true */
  readonly shrink?: boolean | undefined;
  /** Hears each line of the history as it is written: to watch one seed. */
  readonly onLine?: ((line: HistoryEvent) => void) | undefined;
  /** Hears of each seed that passed. */
  readonly onRun?: ((run: SimulatedRun) => void) | undefined;
}
export interface FinishedRun<Shared> {
  readonly shared: Shared;
  /**
   * Every line of every process, in the order in which they were written; at its end a `state` line of each queue and
   * group.
   */
  readonly history: readonly HistoryEvent[];
  readonly seed: number;
}
/** One seed that passed. */
export interface SimulatedRun {
  readonly seed: number;
  /** Same seed and same code, same hash: of every history line, every packet and every fault, in order. */
  readonly traceHash: string;
  readonly historyLines: number;
  /** How long it took, in the time of the simulation. */
  readonly virtualMs: number;
}

export interface CheckedOptions<Shared> extends SimulationOptions<Shared> {
  readonly seeds: readonly number[];
  readonly topics: readonly TopicSpec[];
  readonly faults: readonly SimulatedFault[];
  readonly faultsForMs: number;
  readonly healWithinMs: number;
  readonly heartbeatMs: number;
}
const COUNT_MAX = 100;
const TAKEN: readonly string[] = ["broker", "driver"];

/** Every default filled in. @throws `OPTION_INVALID` */
export function checkOptions<Shared>(given: SimulationOptions<Shared>): CheckedOptions<Shared> {
  const { topics, brokers = 1, faults = USUAL_FAULTS } = given;
  if (!Array.isArray(topics) || topics.length === 0) throw optionInvalid("topics", "at least one topic", topics);
  if (new Set(topics.map(({ name }) => name)).size < topics.length)
    throw optionInvalid("topics", "topics of different names", topics.map(({ name }) => name).join(", "));
  if (brokers !== 1)
    throw optionInvalid("brokers", "1 (a client talks to one broker at a time, so more cannot be simulated)", brokers);
  if (!Array.isArray(faults)) throw optionInvalid("faults", "an array of names of faults", faults);
  for (const fault of faults)
    if (!SIMULATED_FAULTS.includes(fault)) throw optionInvalid("faults", `of ${SIMULATED_FAULTS.join(", ")}`, fault);
  for (const name of ["shared", "check", "onLine", "onRun"] as const)
    if (given[name] !== undefined && typeof given[name] !== "function")
      throw optionInvalid(name, "a function", given[name]);
  checkProcesses(given.processes);
  return {
    ...given,
    seeds: seedsOf(given.seeds),
    topics: topics.map((topic: TopicSpec) => topicSpec(topic)),
    faults: [...new Set(faults)],
    faultsForMs: duration("faultsForMs", given.faultsForMs, 30_000),
    healWithinMs: duration("healWithinMs", given.healWithinMs, 60_000),
    heartbeatMs: duration("heartbeatMs", given.heartbeatMs, 3_000, HEARTBEAT_MS_MIN),
  };
}
function seedsOf(seeds: number | readonly number[]): readonly number[] {
  const all = typeof seeds === "number" && whole(seeds) ? Array.from({ length: seeds }, (_, at) => at + 1) : seeds;
  if (!Array.isArray(all) || all.length === 0 || !all.every((seed) => Number.isSafeInteger(seed)))
    throw optionInvalid("seeds", "how many, from 1, or an array of whole numbers", seeds);
  return all;
}
function checkProcesses(processes: Readonly<Record<string, SimulatedProcess<never>>>): void {
  const all = typeof processes === "object" && processes !== null ? Object.entries(processes) : [];
  if (all.length === 0) throw optionInvalid("processes", "at least one process", processes);
  for (const [name, { count = 1, start }] of all) {
    if (!isName(name) || TAKEN.includes(name))
      throw optionInvalid("processes", `named by A-Z a-z 0-9 . _ -, and not ${TAKEN.join(" or ")}`, name);
    if (!whole(count) || count > COUNT_MAX)
      throw optionInvalid(`processes.${name}.count`, `a whole number from 1 to ${COUNT_MAX}`, count);
    if (typeof start !== "function") throw optionInvalid(`processes.${name}.start`, "a function", start);
  }
}
const whole = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 1;

function duration(option: string, given: number | undefined, otherwise: number, from = 1): number {
  const ms = given ?? otherwise;
  if (!Number.isFinite(ms) || ms < from || ms > DAY_MS)
    throw optionInvalid(option, `ms from ${from} to ${DAY_MS}`, given);
  return ms;
}
const DAY_MS = 86_400_000;
