import type { Client, QueueAccount } from "@seriatim/actors/client";
import type { BrokerApp } from "../engine/broker-app.ts";
import type { ProcessSlot } from "../engine/process-slot.ts";
import { type GroupName, type RunOutcome, runWorld } from "../engine/run.ts";
import type { Problem } from "../engine/world.ts";
import { AdminOrders } from "./admin-orders.ts";
import { consumerSlot } from "./consumer-app.ts";
import type { Plan, TopicPlan } from "./plan.ts";
import { PlannedWorld } from "./planned-world.ts";
import { Outbox, producerSlot } from "./producer-app.ts";

export interface RunResult extends RunOutcome {
  readonly plan: Plan;
}
const LATE_LOOKS = 6;
/** For a broker to come back. */
const BACK_MS = 10_000;

/** Runs a plan in a world of its own. Takes no real time but that of the computing. */
export async function runPlan(plan: Plan): Promise<RunResult> {
  const { topics, producers, consumers, load, faults, healWithinMs } = plan;
  const world = new PlannedWorld(plan);
  const outboxes = producers.map(({ name }) => new Outbox(name));
  const groups = topics.flatMap(({ name: topic, groups }) => groups.map(({ name: group }) => ({ topic, group })));
  // what a failed attempt emitted, or a producer has given up, may still be on its way, with nothing to show for it
  // here
  const mayFollow =
    producers.some(({ resends }) => !resends) ||
    topics.some(({ groups }) => groups.some(({ emitsTo }) => emitsTo !== null));
  let orders: AdminOrders | null = null;
  const outcome = await runWorld(world, {
    faults,
    faultsForMs: load.overMs,
    healWithinMs,
    settings: { settings: { healWithinMs } },
    processes: [
      ...producers.map((each, at) => ({ slot: producerSlot(world, each, outboxes[at] as Outbox), startsAtMs: null })),
      ...consumers.map((each) => ({ slot: consumerSlot(world, each), startsAtMs: each.startsAtMs })),
    ],
    groups: () => groups,
    quietLooks: mayFollow ? LATE_LOOKS : 1,
    begin: (client) => {
      spreadLoad(world, outboxes);
      orders = new AdminOrders(world, client);
      orders.schedule(plan.orders);
    },
    tend: async () => (await orders?.tend()) ?? [],
    ended: (client, broker) => compareRestarted(world, client, { broker, groups }),
    // an order about the key went out and was never answered: whether the key was open is then not known from the
    // history
    isExcused: ({ promise, events }) =>
      promise === "P6" &&
      events.some(
        (event) =>
          (event.type === "handling" || event.type === "parked") &&
          world.unclear.has(world.keyName(event.topic, event.group, event.key)),
      ),
  });
  return { plan, ...outcome, problems: [...outcome.problems, ...tailsLost(world)] };
}

/** Spreads the messages over phase 1, in bursts and pauses. */
function spreadLoad(world: PlannedWorld, outboxes: readonly Outbox[]): void {
  const { messages, overMs } = world.plan.load;
  const { topics } = world.plan;
  const random = world.stream("load");
  let at = 0;
  let rest = 0;
  for (let n = 0; n < messages; n++) {
    if (rest-- <= 0) {
      at = random() * overMs;
      rest = Math.floor(random() * 20);
    }
    const topic = topics[Math.floor(random() * topics.length)] as TopicPlan;
    const outbox = outboxes[Math.floor(random() * outboxes.length)] as Outbox;
    const key = `key-${Math.floor(random() * topic.keys)}`;
    world.runtime.setTimeout(() => outbox.add(topic.name, key), at);
  }
}

/** The broker comes back once more, and what it says of its queues is what it said before. */
async function compareRestarted(
  world: PlannedWorld,
  client: Client,
  { broker, groups }: { readonly broker: ProcessSlot<BrokerApp>; readonly groups: readonly GroupName[] },
): Promise<void> {
  const accounts = async (): Promise<string> => {
    const all: unknown[] = [];
    for (const { topic, group } of groups)
      for (const { revision: _r, logEpoch: _l, start: _s, settled: _d, ...rest } of await client.admin
        .account(world.topic(topic).topic, { group })
        .catch((): readonly QueueAccount[] => []))
        all.push({ topic, group, ...rest });
    return JSON.stringify(all);
  };
  const before = await accounts();
  broker.kill(false);
  broker.start();
  await world.sleep(BACK_MS);
  const after = await accounts();
  if (after !== before)
    world.violate("P9", `the last accounts are not the same after a restart:\n      ${before}\n      ${after}`);
}

/**
 * A lane was told that places are gone for which it had receipts. With all of these behind a flush only a power loss
 * may do
 * that, or a wall clock by which its producer was idle for long.
 */
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
