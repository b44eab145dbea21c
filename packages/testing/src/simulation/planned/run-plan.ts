import type { Client, QueueAccount } from "@seriatim/actors/client";
import type { Violation } from "../../history/verdict.ts";
import { chance } from "../chance/trace-hash.ts";
import type { BrokerApp } from "../engine/broker-app.ts";
import type { ProcessSlot } from "../engine/process-slot.ts";
import { type Company, type GroupName, type RunOutcome, runWorld } from "../engine/run.ts";
import type { Problem } from "../engine/world.ts";
import { AdminOrders } from "./admin-orders.ts";
import { consumerSlot } from "./consumer-app.ts";
import type { Plan, TopicPlan } from "./plan.ts";
import { PlannedWorld } from "./planned-world.ts";
import { Outbox, producerSlot } from "./producer-app.ts";

export interface RunResult extends RunOutcome {
  readonly plan: Plan;
}
const ASIDE_SMALL = 100;
const LATE_LOOKS = 6;
/** For a broker to come back. */
const BACK_MS = 10_000;

/** Runs a plan in a world of its own. Takes no real time but that of the computing. */
export async function runPlan(plan: Plan): Promise<RunResult> {
  const world = new PlannedWorld(plan);
  const outcome = await runWorld(world, new PlannedCompany(world));
  return { plan, ...outcome, problems: [...outcome.problems, ...tailsLost(world)] };
}

/** The apps of a plan, the load that they carry, and the person who sees to what they set aside. */
class PlannedCompany implements Company {
  readonly faults: Plan["faults"];
  readonly faultsForMs: number;
  readonly healWithinMs: number;
  readonly settings: object;
  readonly processes: Company["processes"];
  readonly groups: readonly GroupName[];
  readonly quietLooks: number;
  readonly #world: PlannedWorld;
  readonly #outboxes: readonly Outbox[];
  #orders: AdminOrders | null = null;

  constructor(world: PlannedWorld) {
    const { topics, producers, consumers, load, faults, healWithinMs } = world.plan;
    this.#world = world;
    this.faults = faults;
    this.faultsForMs = load.overMs;
    this.healWithinMs = healWithinMs;
    this.settings = { settings: { healWithinMs } };
    this.#outboxes = producers.map(({ name }) => new Outbox(name));
    this.processes = [
      ...producers.map((each, index) => ({
        slot: producerSlot(world, each, this.#outboxes[index] as Outbox),
        startsAtMs: null,
      })),
      ...consumers.map((each) => ({ slot: consumerSlot(world, each), startsAtMs: each.startsAtMs })),
    ];
    this.groups = topics.flatMap(({ name: topic, groups }) => groups.map(({ name: group }) => ({ topic, group })));
    // what a failed attempt emitted, or a producer has given up, may still be on its way, with nothing to show for it here
    const mayFollow =
      producers.some(({ resends }) => !resends) ||
      topics.some(({ groups }) => groups.some(({ emitsTo }) => emitsTo !== null));
    this.quietLooks = mayFollow ? LATE_LOOKS : 1;
  }
  begin(client: Client): void {
    this.#load();
    this.#orders = new AdminOrders(this.#world, client);
    this.#orders.schedule(this.#world.plan.orders);
  }
  /** Spreads the messages over phase 1, in bursts and pauses. */
  #load(): void {
    const { plan, runtime, stream } = { ...this.#world, stream: this.#world.stream("load") };
    const { messages, overMs } = plan.load;
    let at = 0;
    let rest = 0;
    for (let n = 0; n < messages; n++) {
      if (rest-- <= 0) {
        at = stream() * overMs;
        rest = Math.floor(stream() * 20);
      }
      const topic = plan.topics[Math.floor(stream() * plan.topics.length)] as TopicPlan;
      const outbox = this.#outboxes[Math.floor(stream() * this.#outboxes.length)] as Outbox;
      const key = `key-${Math.floor(stream() * topic.keys)}`;
      runtime.setTimeout(() => outbox.add(topic.name, key), at);
    }
  }
  /** A third of what is set aside stays where it is, unless it would fill what may be set aside and so halt the queue. */
  async tend(): Promise<readonly string[]> {
    const { seed, topics } = this.#world.plan;
    const left: string[] = [];
    for (const { name: topic, groups, parkedMessagesMax } of topics)
      for (const { name: group } of groups)
        for (const entry of (await this.#orders?.list(topic, group)) ?? []) {
          const mayStay = entry.kind !== "halted" && parkedMessagesMax > ASIDE_SMALL;
          if (mayStay && chance(seed, "stays", topic, group, entry.entry) < 1 / 3) continue;
          left.push(`${topic} for group ${group}: ${entry.entry} is ${entry.kind}`);
          await this.#orders?.give({ order: entry.kind === "parked" ? "redrive" : "retry", topic, group }, entry);
        }
    return left;
  }
  /** The broker comes back once more, and what it says of its queues is what it said before. */
  async ended(client: Client, broker: ProcessSlot<BrokerApp>): Promise<void> {
    const before = await this.#accounts(client);
    broker.kill(false);
    broker.start();
    await this.#world.sleep(BACK_MS);
    const after = await this.#accounts(client);
    if (after !== before)
      this.#world.violate("P9", `the last accounts are not the same after a restart:\n      ${before}\n      ${after}`);
  }
  async #accounts(client: Client): Promise<string> {
    const all: unknown[] = [];
    for (const { topic, group } of this.groups) {
      const accounts = await client.admin.account(this.#world.topic(topic).topic, { group }).catch(nobodyKnows);
      for (const { revision: _r, logEpoch: _l, start: _s, settled: _d, ...rest } of accounts)
        all.push({ topic, group, ...rest });
    }
    return JSON.stringify(all);
  }
  /** An order about a key went out and was never answered: whether the key was open is then not known from the history. */
  isExcused({ promise, events }: Violation): boolean {
    return (
      promise === "P6" &&
      events.some(
        (event) =>
          (event.type === "handling" || event.type === "parked") &&
          this.#world.unclear.has(this.#world.keyName(event.topic, event.group, event.key)),
      )
    );
  }
}
const nobodyKnows = (): readonly QueueAccount[] => [];

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
