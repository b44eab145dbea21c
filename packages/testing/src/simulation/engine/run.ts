import type { Client, QueueAccount } from "@seriatim/actors/client";
import { isMessagingError } from "@seriatim/actors/client";
import { checkHistory } from "../../history/check-history.ts";
import type { HistoryEvent } from "../../history/history-event.ts";
import type { Violation } from "../../history/verdict.ts";
import type { Sometimes } from "../watch/sometimes.ts";
import { type BrokerApp, brokerSlot } from "./broker-app.ts";
import { connectClient } from "./connect-client.ts";
import { describeError } from "./describe-error.ts";
import { FaultInjector } from "./fault-injector.ts";
import type { FaultPlan } from "./fault-plan.ts";
import type { ProcessSlot } from "./process-slot.ts";
import type { Problem, World } from "./world.ts";

/**
 * What runs in a world beside its broker, and what must have come of it in the end. There are two: what a plan says
 * (`planned/`), and users' programs (`programs/`).
 *
 *     begin ── faults ──┤ heal ── all dealt with ── producers leave ── all dealt with ── all leave ── ended ── judged
 *              └ faultsForMs      └ healWithinMs                       └ healWithinMs
 */
export interface Workload {
  readonly faults: readonly FaultPlan[];
  readonly faultsForMs: number;
  readonly healWithinMs: number;
  /** Everybody but the broker; `null` starts together with it. */
  readonly processes: readonly { readonly slot: ProcessSlot; readonly startsAtMs: number | null }[];
  /** Groups that have to deal with all there is, as far as they are known by now. */
  readonly groups: () => Iterable<GroupName>;
  /** How often in a row nothing must be left, and nothing have happened since the look before. */
  readonly quietLooks: number;
  /** It has come to grief: there is nothing to wait for. */
  readonly hasFailed?: () => boolean;
  /** The first line of the history: what it says beside. */
  readonly settings?: object;
  /** Faults begin, and with them what it does while they last. */
  readonly begin?: (client: Client) => void;
  /** Sees to what is set aside, as a person would; in lines, what of that is left. */
  readonly tend?: () => Promise<readonly string[]>;
  /** All is dealt with, and everybody has left. */
  readonly ended?: (client: Client, broker: ProcessSlot<BrokerApp>) => Promise<void>;
  /** Whether the history of this run cannot show that what the checker found was wrong. */
  readonly isExcused: (violation: Violation) => boolean;
}
export interface GroupName {
  readonly topic: string;
  readonly group: string;
}
export interface RunOutcome {
  /** None: every promise was kept. */
  readonly problems: readonly Problem[];
  /** Same plan, same hash: of every history line, every packet and every fault, in order. */
  readonly traceHash: string;
  readonly sometimes: Readonly<Record<Sometimes, number>>;
  readonly history: readonly HistoryEvent[];
  readonly virtualMs: number;
}
const LOOK_MS = 500;
/** For the beginning and the orderly end, beside the two phases. */
const SPARE_MS = 300_000;

/** Runs a world: phase 1 with faults, phase 2 healed, then judged. Takes no real time but that of the computing. */
export async function runWorld(world: World, workload: Workload): Promise<RunOutcome> {
  const run = new Run(world, workload);
  try {
    await world.runtime.run(run.play(), workload.faultsForMs + 2 * workload.healWithinMs + SPARE_MS);
  } catch (error) {
    world.violate("P8", `the run does not end: ${describeError(error)}`);
  }
  run.destroy();
  const problems = [...world.problems, ...(await judge(world, workload))];
  return {
    problems,
    traceHash: world.trace.digest,
    sometimes: world.counters.counts,
    history: world.book.lines,
    virtualMs: world.runtime.now(),
  };
}

class Run {
  readonly #world: World;
  readonly #workload: Workload;
  readonly #broker: ProcessSlot<BrokerApp>;
  readonly #slots: readonly ProcessSlot[];
  readonly #faults: FaultInjector;

  constructor(world: World, workload: Workload) {
    this.#world = world;
    this.#workload = workload;
    this.#broker = brokerSlot(world);
    this.#slots = workload.processes.map(({ slot }) => slot);
    this.#faults = new FaultInjector(world, this.#broker, this.#slots);
  }

  async play(): Promise<void> {
    const { runtime, history, counters } = this.#world;
    const { processes, faults, faultsForMs, settings } = this.#workload;
    history.record({ type: "start", role: "driver", ...settings });
    this.#broker.start();
    for (const { slot, startsAtMs } of processes)
      if (startsAtMs === null) slot.start();
      else runtime.setTimeout(() => slot.start(), startsAtMs);
    const client = await this.#driver();
    this.#faults.schedule(faults);
    this.#workload.begin?.(client);
    await this.#world.sleep(faultsForMs + 1);

    this.#world.healed = true;
    counters.loadGoesOn = false;
    await this.#faults.heal();
    if (!(await this.#untilDone(client))) return;
    // those who only send go first: what they still have in hand has to be dealt with too
    await leave(this.#slots.filter(({ app }) => app?.consumes !== true));
    if (!(await this.#untilDone(client))) return;
    this.#world.isOver = true;
    await Promise.all(this.#slots.map(({ app }) => app?.caughtUp?.()));
    await leave(this.#slots);
    await this.#tellStates(client);
    await this.#workload.ended?.(client, this.#broker);
    history.end();
  }
  async #driver(): Promise<Client> {
    const world = this.#world;
    const runtime = world.processRuntime("driver");
    const side = { name: "driver", runtime };
    return (await connectClient({ world, process: "driver#1", side, runtime, history: world.history })) as Client;
  }

  /** Waits until nothing is left to do, and nothing happens any more. False, and said: that took too long. */
  async #untilDone(client: Client): Promise<boolean> {
    const { runtime, book } = this.#world;
    const { healWithinMs, quietLooks } = this.#workload;
    const until = runtime.now() + healWithinMs;
    let quiet = 0;
    for (let seen = -1; ; seen = book.lines.length) {
      if (this.#workload.hasFailed?.() === true) return false;
      if (seen >= 0) await this.#world.sleep(LOOK_MS);
      const left = await this.#left(client);
      quiet = left.length === 0 && book.lines.length === seen ? quiet + 1 : 0;
      if (quiet >= quietLooks) return true;
      if (runtime.now() <= until) continue;
      await this.#tellStuck(client, left);
      return false;
    }
  }
  /** In lines, what is left to do. */
  async #left(client: Client): Promise<string[]> {
    const lines: string[] = [];
    // what is being committed belongs to no account yet, though its producer may have given it up
    if (this.#world.storeTrouble.applying > 0) lines.push("commits are under way");
    for (const { name, app } of this.#slots) {
      const todo = app?.todo ?? null;
      if (todo !== null) lines.push(`${name}: ${todo}`);
    }
    for (const of of this.#workload.groups()) {
      const accounts = await this.#account(client, of);
      if (accounts === null) lines.push(`${of.topic} for group ${of.group}: the broker gives no account`);
      for (const { queue, backlog, cursor, end, halted } of accounts ?? [])
        if (backlog > 0 && !halted)
          lines.push(
            `${of.topic}/${queue} for group ${of.group}: a backlog of ${backlog}, cursor at ${cursor} of ${end}`,
          );
    }
    return [...lines, ...((await this.#workload.tend?.()) ?? [])];
  }
  /** Null where nobody could say. */
  async #account(client: Client, { topic, group }: GroupName): Promise<readonly QueueAccount[] | null> {
    const spec = this.#world.spec(topic);
    if (spec === undefined) return [];
    try {
      return await client.admin.account(spec, { group });
    } catch (error) {
      // the broker has no such group: nobody joined it, and nobody may be about to
      const isUnknown = isMessagingError(error, "OPTION_INVALID");
      return isUnknown && !this.#slots.some(({ app }) => app?.consumesIn?.(topic, group)) ? [] : null;
    }
  }
  async #tellStuck(client: Client, left: readonly string[]): Promise<void> {
    const { healWithinMs, groups } = this.#workload;
    const lines = [`not everything is dealt with ${healWithinMs} ms after all faults were healed`, ...left];
    for (const { name, lastExit } of this.#slots)
      if (lastExit !== null) lines.push(`${name}: was started again after ${lastExit}`);
    for (const { topic, group } of groups()) {
      const spec = this.#world.spec(topic);
      if (spec === undefined) continue;
      const described = await client.describe(spec, { group }).catch(() => null);
      if (described !== null)
        lines.push(`${topic} for group ${group}: ${described.members.join(", ")} ${JSON.stringify(described.queues)}`);
    }
    this.#world.violate("P8", lines.join("\n      "));
    await this.#tellStates(client);
  }
  async #tellStates(client: Client): Promise<void> {
    const { history, disk, counters } = this.#world;
    for (const of of this.#workload.groups())
      for (const account of (await this.#account(client, of)) ?? [])
        history.record({ type: "state", topic: of.topic, group: of.group, ...account });
    for (const log of disk.logs.values()) if (log.extent().start > 0) counters.hit("removedBySettledByAll");
  }
  /** Nothing of it goes on once it has been judged. */
  destroy(): void {
    this.#world.isOver = true;
    for (const slot of [this.#broker, ...this.#slots]) slot.kill(false);
  }
}
const leave = async (slots: readonly ProcessSlot[]): Promise<void> => {
  await Promise.all(slots.map((slot) => slot.leave()));
};

/** Holds the finished run's history against the promises. */
async function judge(world: World, workload: Workload): Promise<Problem[]> {
  const { violations } = await checkHistory(world.book.lines);
  const isStuck = world.problems.some(({ promise }) => promise === "P8"); // and said so
  return violations
    .filter((violation) => !workload.isExcused(violation) && !(isStuck && violation.promise === "P8"))
    .map(({ promise, text, events }) => ({
      promise,
      text: [text, ...events.map((event) => `      ${JSON.stringify(event)}`)].join("\n"),
      atMs: null,
    }));
}
