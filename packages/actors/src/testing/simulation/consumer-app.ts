import type { Client } from "../../client/client-api.ts";
import type { Consumer, Context } from "../../consumer/consumer-api.ts";
import type { Message } from "../../message/message.ts";
import type { ConsumerPlan, GroupPlan } from "./plan.ts";
import type { PlannedWorld, SimulatedBody } from "./planned-world.ts";
import { type App, describeError, type Incarnation, ProcessSlot } from "./process-slot.ts";
import { connectClient } from "./simulated-client.ts";
import { chance } from "./trace-hash.ts";

const REJOIN_MS = 500;
/** A handler that hangs comes back after this long. */
const HANG_MS = 6_000;

/** A process that consumes in some groups. Its handlers take time, fail, hang and change the world. */
export class ConsumerApp implements App {
  readonly #world: PlannedWorld;
  readonly #incarnation: Incarnation;
  readonly #plan: ConsumerPlan;
  #consumers: Consumer<SimulatedBody, Context>[] = [];
  #client: Client | null = null;
  #closed = false;
  #paused = false;

  constructor(world: PlannedWorld, incarnation: Incarnation, plan: ConsumerPlan) {
    this.#world = world;
    this.#incarnation = incarnation;
    this.#plan = plan;
    void this.#start();
  }
  async #start(): Promise<void> {
    this.#client = await connectClient(this.#incarnation, () => this.#closed);
    for (const { topic, group } of this.#plan.memberships) this.#join(topic, group);
  }
  #join(topicName: string, groupName: string): void {
    if (this.#client === null || this.#closed) return;
    const world = this.#world;
    const { runtime, process } = this.#incarnation;
    const { topic, plan } = world.topic(topicName);
    const group = plan.groups.find(({ name }) => name === groupName) as GroupPlan;
    const consumer = this.#client.consumer(topic, {
      group: groupName,
      concurrency: group.concurrency,
      retry: { attempts: group.attempts, initialMs: 30, maxMs: 400 },
      exhausted: group.exhausted,
      handlerTimeoutMs: group.handlerTimeoutMs,
      handlerGraceMs: group.handlerGraceMs,
      inFlightMax: group.inFlightMax,
      leaseTtlMs: group.leaseTtlMs,
      revokeTimeoutMs: group.revokeTimeoutMs,
    });
    this.#consumers.push(consumer);
    if (this.#paused) consumer.pause();
    consumer
      .run((message, context) => this.#handle(group, message, context))
      .catch((error: unknown) => {
        if (this.#closed || runtime.isDead) return;
        const { code } = error as { readonly code?: string };
        if (code !== "NAME_IN_USE")
          world.violate("P8", `${process} cannot consume ${topicName}: ${describeError(error)}`);
        this.#consumers = this.#consumers.filter((each) => each !== consumer);
        runtime.setTimeout(() => this.#join(topicName, groupName), REJOIN_MS);
      });
  }

  #handle(group: GroupPlan, message: Message<SimulatedBody>, context: Context): Promise<void> | void {
    const world = this.#world;
    const { process, runtime } = this.#incarnation;
    const { effects, plan } = world;
    const handling = effects.begin(process, group.name, message, context.fence);
    const draw = (what: string, ...more: readonly (string | number)[]): number =>
      chance(plan.seed, what, group.name, message.id ?? "", ...more);
    const fails =
      !world.healed && (draw("poison") < group.poisonRate || draw("fail", context.attempt, process) < group.failRate);
    const hangs = !world.healed && draw("hang", process, context.fence) < group.hangRate;
    const workMs = hangs
      ? HANG_MS
      : draw("work", process) < 0.3
        ? 0
        : draw("ms", process, context.attempt) * group.workMs;
    const finish = (): void => {
      effects.end(handling);
      if (fails) throw new Error("it does not work");
      if (!effects.apply(handling)) world.counters.hit("effectFencedOut");
    };
    if (workMs === 0) return finish();
    const obeys = !hangs || draw("obey") < 0.5;
    return new Promise<void>((resolve, reject) => {
      const timer = runtime.setTimeout(() => {
        try {
          finish();
          resolve();
        } catch (error) {
          reject(error);
        }
      }, workMs);
      if (!obeys) return;
      context.signal.addEventListener("abort", () => {
        runtime.clearTimeout(timer);
        effects.end(handling);
        reject(context.signal.reason);
      });
    });
  }

  pause(): void {
    this.#paused = true;
    for (const consumer of this.#consumers) consumer.pause();
  }
  resume(): void {
    this.#paused = false;
    for (const consumer of this.#consumers) consumer.resume();
  }
  async caughtUp(): Promise<void> {
    await Promise.all(this.#consumers.map((consumer) => consumer.caughtUp()));
  }
  async close(): Promise<void> {
    this.#closed = true;
    await this.#client?.close({ timeoutMs: 10_000 });
  }
}

export function consumerSlot(world: PlannedWorld, plan: ConsumerPlan): ProcessSlot<ConsumerApp> {
  const settings = plan.memberships.map(({ topic, group }) => {
    const of = world.topic(topic).plan.groups.find(({ name }) => name === group) as GroupPlan;
    const { exhausted, concurrency, leaseTtlMs, attempts } = of;
    return { topic, group, exhausted, concurrency, leaseTtlMs, attempts };
  });
  return new ProcessSlot(world, {
    name: plan.name,
    role: "consumer",
    settings: { settings },
    begin: (incarnation) => new ConsumerApp(world, incarnation, plan),
  });
}
