import type { Client, QueueAccount } from "@seriatim/actors/client";
import type { HistoryEvent } from "../../history/history-event.ts";
import { chance } from "../chance/trace-hash.ts";
import { type BrokerApp, brokerSlot } from "../engine/broker-app.ts";
import { connectClient } from "../engine/connect-client.ts";
import { FaultInjector } from "../engine/fault-injector.ts";
import { describeError, type ProcessSlot } from "../engine/process-slot.ts";
import type { Problem } from "../engine/world.ts";
import { ProcessRuntime } from "../network/process-runtime.ts";
import type { Sometimes } from "../watch/sometimes.ts";
import { AdminOrders } from "./admin-orders.ts";
import { type ConsumerApp, consumerSlot } from "./consumer-app.ts";
import { judge } from "./judge.ts";
import type { Plan } from "./plan.ts";
import { PlannedWorld } from "./planned-world.ts";
import { Outbox, type ProducerApp, producerSlot } from "./producer-app.ts";

export interface RunResult {
  readonly plan: Plan;
  /** None: every promise was kept. */
  readonly problems: readonly Problem[];
  /** Same plan, same hash: of every history line, every packet and every fault, in order. */
  readonly traceHash: string;
  readonly sometimes: Readonly<Record<Sometimes, number>>;
  readonly history: readonly HistoryEvent[];
  readonly virtualMs: number;
}
const LOOK_MS = 500;
const ASIDE_SMALL = 100;
const LATE_LOOKS = 6;
const OVERALL_MS = 600_000;

/** Runs a plan: phase 1 with faults, phase 2 healed, then judged. Takes no real time but that of the computing. */
export async function runPlan(plan: Plan): Promise<RunResult> {
  const world = new PlannedWorld(plan);
  const run = new Run(world);
  try {
    await world.runtime.run(run.play(), OVERALL_MS);
  } catch (error) {
    world.violate("P8", `the run does not end: ${describeError(error)}`);
  }
  run.destroy();
  const problems = [...world.problems, ...(await judge(world))];
  return {
    plan,
    problems,
    traceHash: world.trace.digest,
    sometimes: world.counters.counts,
    history: world.book.lines,
    virtualMs: world.runtime.now(),
  };
}

interface Cast {
  readonly broker: ProcessSlot<BrokerApp>;
  readonly producers: readonly ProcessSlot<ProducerApp>[];
  readonly consumers: readonly ProcessSlot<ConsumerApp>[];
}

class Run {
  readonly #world: PlannedWorld;
  readonly #cast: Cast;
  readonly #outboxes: readonly Outbox[];
  readonly #faults: FaultInjector;

  constructor(world: PlannedWorld) {
    const { plan } = world;
    this.#world = world;
    this.#outboxes = plan.producers.map(({ name }) => new Outbox(name));
    this.#cast = {
      broker: brokerSlot(world),
      producers: plan.producers.map((each, index) => producerSlot(world, each, this.#outboxes[index] as Outbox)),
      consumers: plan.consumers.map((each) => consumerSlot(world, each)),
    };
    this.#faults = new FaultInjector(world, {
      broker: this.#cast.broker,
      clients: [...this.#cast.producers, ...this.#cast.consumers],
    });
  }

  async play(): Promise<void> {
    const world = this.#world;
    const { plan, runtime, history } = world;
    const { broker, producers, consumers } = this.#cast;
    history.record({ type: "start", role: "driver", settings: { healWithinMs: plan.healWithinMs } });
    broker.start();
    for (const producer of producers) producer.start();
    for (const [index, consumer] of consumers.entries())
      runtime.setTimeout(() => consumer.start(), plan.consumers[index]?.startsAtMs ?? 0);
    const client = await this.#driver();
    this.#faults.schedule(plan.faults);
    this.#load();
    const orders = new AdminOrders(world, client);
    orders.schedule(plan.orders);
    await world.sleep(plan.load.overMs + 1);

    world.healed = true;
    world.counters.loadGoesOn = false;
    await this.#faults.heal();
    await this.#untilDrained(client, orders);
    // a lane may still have what its caller gave up: it sends it before its producer has left
    await Promise.all(producers.map((slot) => slot.leave()));
    await this.#untilDrained(client, orders);
    if (world.problems.some(({ promise }) => promise === "P8")) {
      await this.#tellStates(client);
      return;
    }
    await this.#close(client);
  }
  async #driver(): Promise<Client> {
    const world = this.#world;
    const runtime = new ProcessRuntime({
      base: world.runtime,
      random: world.stream("driver"),
      wallAheadMs: 0,
      onCrash: (error) => world.violate("P11", `the driver threw ${describeError(error)}`),
    });
    const client = await connectClient(
      { world, process: "driver#1", side: { name: "driver", runtime }, runtime, history: world.history },
      () => false,
    );
    return client as Client;
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
      const topic = plan.topics[Math.floor(stream() * plan.topics.length)] as Plan["topics"][number];
      const outbox = this.#outboxes[Math.floor(stream() * this.#outboxes.length)] as Outbox;
      const key = `key-${Math.floor(stream() * topic.keys)}`;
      runtime.setTimeout(() => outbox.add(topic.name, key), at);
    }
  }

  /** Phase 2: everything that was sent is appended and dealt with, within the bound. Part of what is set aside is redriven. */
  async #untilDrained(client: Client, orders: AdminOrders): Promise<void> {
    const world = this.#world;
    const { plan, runtime } = world;
    const until = runtime.now() + plan.healWithinMs;
    // what a failed attempt emitted, or a producer has given up, may still be on its way, with nothing to show for it here
    const mayFollow =
      plan.producers.some(({ resends }) => !resends) ||
      plan.topics.some(({ groups }) => groups.some(({ emitsTo }) => emitsTo !== null));
    const quietLooks = mayFollow ? LATE_LOOKS : 1;
    let quiet = 0;
    for (;;) {
      // what is being committed belongs to no account yet, though its producer may have given it up
      let open = this.#outboxes.reduce((sum, outbox) => sum + outbox.pending, world.storeTrouble.applying);
      for (const { name: topic, groups, parkedMessagesMax } of plan.topics)
        for (const { name: group } of groups) {
          const accounts = await this.#account(client, topic, group);
          if (accounts.length === 0) open++; // nobody could say
          for (const account of accounts) open += account.backlog;
          for (const entry of await orders.list(topic, group)) {
            // a third stays where it is, unless it would fill what may be set aside and so halt the queue
            const stays =
              parkedMessagesMax > ASIDE_SMALL && chance(plan.seed, "stays", topic, group, entry.entry) < 1 / 3;
            if (entry.kind === "halted" || !stays) open++;
            if (entry.kind === "halted" || !stays)
              await orders.give({ order: entry.kind === "parked" ? "redrive" : "retry", topic, group }, entry);
          }
        }
      quiet = open === 0 ? quiet + 1 : 0;
      if (quiet === quietLooks) return;
      if (runtime.now() > until) {
        await this.#tellStuck(client, open);
        return;
      }
      await world.sleep(LOOK_MS);
    }
  }
  async #account(client: Client, topic: string, group: string): Promise<readonly QueueAccount[]> {
    try {
      return await client.admin.account(this.#world.topic(topic).topic, { group });
    } catch {
      return [];
    }
  }
  async #tellStuck(client: Client, open: number): Promise<void> {
    const world = this.#world;
    const lines = [`${open} messages are not dealt with ${world.plan.healWithinMs} ms after all faults were healed`];
    for (const [index, outbox] of this.#outboxes.entries())
      if (outbox.pending > 0)
        lines.push(`      ${this.#cast.producers[index]?.name} waits for ${outbox.pending} receipts`);
    for (const { name: topic, groups } of world.plan.topics)
      for (const { name: group } of groups) {
        for (const account of await this.#account(client, topic, group))
          if (account.backlog > 0) lines.push(`      ${topic} ${group} ${JSON.stringify(account)}`);
        try {
          const { queues, members } = await client.describe(world.topic(topic).topic, { group });
          lines.push(`      ${topic} ${group} members ${members.join(", ")} ${JSON.stringify(queues)}`);
        } catch {
          lines.push(`      ${topic} ${group} cannot be described`);
        }
      }
    world.violate("P8", lines.join("\n"));
  }

  /** An orderly end: everybody leaves, the broker comes back once more, and what it says of its queues is what it said before. */
  async #close(client: Client): Promise<void> {
    const world = this.#world;
    const { broker, consumers } = this.#cast;
    world.isOver = true;
    await Promise.all(consumers.map(({ app }) => app?.caughtUp()));
    await Promise.all(consumers.map((slot) => slot.leave()));
    const before = await this.#tellStates(client);
    broker.kill(false);
    broker.start();
    await world.sleep(10_000);
    const after = await this.#accounts(client);
    if (after !== before)
      world.violate("P9", `the last accounts are not the same after a restart:\n      ${before}\n      ${after}`);
    world.history.end();
  }
  async #tellStates(client: Client): Promise<string> {
    const world = this.#world;
    for (const { name: topic, groups } of world.plan.topics)
      for (const { name: group } of groups)
        for (const account of await this.#account(client, topic, group)) {
          world.history.record({ type: "state", topic, group, ...account });
        }
    for (const log of world.disk.logs.values()) if (log.extent().start > 0) world.counters.hit("removedBySettledByAll");
    return await this.#accounts(client);
  }
  async #accounts(client: Client): Promise<string> {
    const all: unknown[] = [];
    for (const { name: topic, groups } of this.#world.plan.topics)
      for (const { name: group } of groups)
        for (const { revision: _r, logEpoch: _l, start: _s, settled: _d, ...rest } of await this.#account(
          client,
          topic,
          group,
        ))
          all.push({ topic, group, ...rest });
    return JSON.stringify(all);
  }
  /** Nothing of it goes on once it has been judged. */
  destroy(): void {
    for (const slot of [this.#cast.broker, ...this.#cast.producers, ...this.#cast.consumers]) slot.kill(false);
  }
}
