import { setTimeout as sleep } from "node:timers/promises";
import { allowedBefore, type HistoryWriter, type MarkedFault, unlessAborted, wallNow } from "@seriatim/rig";
import { BROKER, type Stage } from "./stage.ts";
import { patiently } from "./watchdog.ts";

/** One fault as it struck. */
export interface FaultRecord {
  readonly fault: "kill" | "close" | "pause";
  /** The incarnation that was struck. */
  readonly target: string;
  readonly atMs: number;
  /** Share of the log dealt with when it struck. */
  readonly progress: number;
  /** Messages sent and not dealt with at that moment. */
  readonly inFlight: number;
  /** Id of the message the struck consumer had in hand. */
  readonly inHand: string | null;
  /** When it was over: replaced, restarted, continued. */
  healedAtMs: number | null;
}

const OCCUPY_PATIENCE_MS = 15_000;
/** Longer than it takes to be struck; a handler whose signal fires stops dawdling. */
const DAWDLE_BEFORE_KILL_MS = 5_000;
/**
 * In leases: longer than it takes to be struck, and over before the freeze is,
 * so that the handler goes on the moment the process does.
 */
const DAWDLE_BEFORE_FREEZE = 0.8;
/** In leases: how long others may take to serve the queues of a frozen one. */
const SERVED_PATIENCE = 20;
const REPLACED_AFTER_MS = 700;
const RESTARTED_AFTER_MS = 500;
/**
 * When nothing has moved for this long although all that may be sent is sent, a mark will not be reached: strike now.
 */
const STILL_MS = 2_500;
const LOOK_MS = 50;

export interface DirectorOptions {
  readonly stage: Stage;
  readonly plan: readonly MarkedFault[];
  readonly history: HistoryWriter;
  readonly leaseTtlMs: number;
  /** Who holds the lease of each queue, as far as it is known; `null`: nobody. */
  readonly holders: () => ReadonlyMap<number, string | null>;
  readonly dealtWith: () => number;
  readonly events: number;
  readonly tell: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Strikes the run with the planned faults, one after another, each when its mark is reached and with work in hand. */
export class FaultDirector {
  readonly faults: FaultRecord[] = [];
  readonly #options: DirectorOptions;

  constructor(options: DirectorOptions) {
    this.#options = options;
  }
  async run(): Promise<void> {
    const { plan, stage } = this.#options;
    stage.allow(allowedBefore(plan[0]));
    for (const [index, fault] of plan.entries()) {
      await this.#reach(fault.mark);
      const next = allowedBefore(plan[index + 1]);
      if (fault.kind === "kill-broker") await this.#killBroker(next);
      else if (fault.kind === "kill-consumer") await this.#killConsumer(fault, next);
      else await this.#freezeConsumer(fault, next);
    }
    stage.allow(1);
  }

  async #killConsumer(fault: MarkedFault, next: number): Promise<void> {
    const { stage, tell } = this.#options;
    const victim = await this.#victim(fault);
    const inHand = await stage.occupy(victim, DAWDLE_BEFORE_KILL_MS, OCCUPY_PATIENCE_MS);
    const record = this.#note(stage.means.kill.fault, victim, inHand);
    await stage.kill(victim);
    tell(`${record.target} ${stage.means.kill.text}${withInHand(inHand)}`);
    stage.allow(next);
    await this.#wait(REPLACED_AFTER_MS);
    await this.#restart(victim);
    this.#healed(record);
    tell(`${record.target} replaced by ${stage.incarnation(victim)}`);
  }
  async #freezeConsumer(fault: MarkedFault, next: number): Promise<void> {
    const { stage, tell, leaseTtlMs, history, holders } = this.#options;
    const victim = await this.#victim(fault);
    const inHand = await stage.occupy(victim, leaseTtlMs * DAWDLE_BEFORE_FREEZE, OCCUPY_PATIENCE_MS);
    const queues = [...holders()].flatMap(([queue, holder]) => (holder === victim ? [queue] : []));
    const record = this.#note(stage.means.freeze.fault, victim, inHand);
    stage.pause(victim);
    tell(`${record.target} ${stage.means.freeze.text}${withInHand(inHand)}`);
    stage.allow(next);
    // Past its lease, and on until others serve its queues, so that it wakes up as a true past holder.
    await this.#wait(leaseTtlMs * 1.2);
    const isServed = (queue: number): boolean => ![victim, null, undefined].includes(holders().get(queue));
    await this.#until(() => queues.every(isServed), leaseTtlMs * SERVED_PATIENCE);
    await this.#wait(leaseTtlMs * 0.2);
    history.record({ type: "fault", fault: "resume", target: record.target });
    stage.resume(victim);
    this.#healed(record);
    tell(
      `${record.target} wakes after ${((wallNow() - record.atMs) / 1_000).toFixed(1)} s, its lease of ${leaseTtlMs / 1_000} s long over`,
    );
  }
  async #killBroker(next: number): Promise<void> {
    const { stage, tell } = this.#options;
    const record = this.#note(stage.means.kill.fault, BROKER, null);
    await stage.kill(BROKER);
    tell(`${record.target} ${stage.means.kill.text}`);
    stage.allow(next);
    await this.#wait(RESTARTED_AFTER_MS);
    await this.#restart(BROKER);
    this.#healed(record);
    tell(`${stage.incarnation(BROKER)} restarted on the same data`);
  }

  /** Resolves at the mark, or when it will not be reached. */
  async #reach(mark: number): Promise<void> {
    const { dealtWith, events } = this.#options;
    let seen = -1;
    let stillSince = 0;
    await this.#until(() => {
      const now = dealtWith();
      if (now !== seen) {
        seen = now;
        stillSince = performance.now();
      }
      return now >= mark * events || (now > 0 && performance.now() - stillSince > STILL_MS);
    });
  }
  async #victim(fault: MarkedFault): Promise<string> {
    const { holders } = this.#options;
    const named = (): string[] => [...new Set([...holders().values()].filter((name) => name !== null))].toSorted();
    await this.#until(() => named().length > 0);
    const names = named();
    return names[fault.victim % names.length] as string;
  }
  #note(fault: FaultRecord["fault"], name: string, inHand: string | null): FaultRecord {
    const { stage, history, dealtWith, events } = this.#options;
    const target = stage.incarnation(name);
    history.record({ type: "fault", fault, target });
    const record: FaultRecord = {
      fault,
      target,
      atMs: wallNow(),
      progress: Number((dealtWith() / events).toFixed(3)),
      inFlight: Math.max(0, stage.producers().sent - dealtWith()),
      inHand,
      healedAtMs: null,
    };
    this.faults.push(record);
    return record;
  }
  async #restart(target: string): Promise<void> {
    const { stage, signal, tell } = this.#options;
    await unlessAborted(
      patiently(`restarting ${target}`, stage.restart(target), () => stage.awaited, tell),
      signal,
    );
  }
  #healed(record: FaultRecord): void {
    record.healedAtMs = wallNow();
  }
  async #until(holds: () => boolean, patienceMs = Number.POSITIVE_INFINITY): Promise<void> {
    const from = performance.now();
    while (!holds() && performance.now() - from < patienceMs) await this.#wait(LOOK_MS);
  }
  async #wait(ms: number): Promise<void> {
    const { signal } = this.#options;
    signal.throwIfAborted();
    await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
const withInHand = (id: string | null): string => (id === null ? "" : ` with ${id} in hand`);
