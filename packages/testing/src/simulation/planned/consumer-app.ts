import { type Client, type Consumer, type Context, isMessagingError, type Message } from "@seriatim/actors/client";
import { chance } from "../chance/trace-hash.ts";
import { connectClient } from "../engine/connect-client.ts";
import { describeError } from "../engine/describe-error.ts";
import { type App, type Incarnation, ProcessSlot } from "../engine/process-slot.ts";
import type { ConsumerPlan, GroupPlan } from "./plan.ts";
import type { PlannedWorld, SimulatedBody } from "./planned-world.ts";

type UnorderedOrOrdered = Omit<Context, "fence"> & { readonly fence?: Context["fence"] };

const REJOIN_MS = 500;
/** A handler that hangs comes back after this long. */
const HANG_MS = 6_000;
/** Share of failures with a text that nobody should have to keep, or to see. */
const UGLY_SHARE = 0.1;
const UGLY_TEXT = `it does not work\u001b[2J\n\u202e${"\u0007東".repeat(5_000)}`;
/** A process that a message has killed is started again after this long. */
const DOWN_MS = 300;

/** A process that consumes in some groups. Its handlers take time, fail, hang and change the world. */
export class ConsumerApp implements App {
  readonly consumes = true;
  readonly #world: PlannedWorld;
  readonly #incarnation: Incarnation;
  readonly #plan: ConsumerPlan;
  readonly #die: () => void;
  #consumers: Consumer<SimulatedBody, Context>[] = [];
  #client: Client | null = null;
  #closed = false;
  #paused = false;

  constructor(world: PlannedWorld, incarnation: Incarnation, plan: ConsumerPlan, die: () => void) {
    this.#die = die;
    this.#world = world;
    this.#incarnation = incarnation;
    this.#plan = plan;
    void this.#start();
  }
  async #start(): Promise<void> {
    this.#client = await connectClient(this.#incarnation, { isOver: () => this.#closed });
    const { runtime } = this.#incarnation;
    for (const { topic, group } of this.#plan.memberships) {
      const waitMs = this.#group(topic, group).joinsAtMs - this.#world.runtime.now();
      if (waitMs > 0) runtime.setTimeout(() => this.#join(topic, group), waitMs);
      else this.#join(topic, group);
    }
  }
  #group(topic: string, group: string): GroupPlan {
    return this.#world.topic(topic).plan.groups.find(({ name }) => name === group) as GroupPlan;
  }
  #join(topicName: string, groupName: string): void {
    if (this.#client === null || this.#closed) return;
    const world = this.#world;
    const { runtime, process } = this.#incarnation;
    const { topic, plan } = world.topic(topicName);
    const group = this.#group(topicName, groupName);
    const { exhausted, leaseTtlMs, revokeTimeoutMs, startAt } = group;
    const consumer = this.#client.consumer(topic, {
      group: groupName,
      concurrency: group.concurrency,
      retry: { attempts: group.attempts, initialMs: 30, maxMs: 400 },
      handlerTimeoutMs: group.handlerTimeoutMs,
      handlerGraceMs: group.handlerGraceMs,
      inFlightMax: group.inFlightMax,
      startAt,
      ...(plan.ordered ? { exhausted, leaseTtlMs, revokeTimeoutMs } : {}),
    });
    this.#consumers.push(consumer);
    if (this.#paused) consumer.pause();
    consumer
      .run((message, context) => this.#handle(group, message, context))
      .catch((error: unknown) => {
        if (this.#closed || runtime.isDead) return;
        const { code } = error as { readonly code?: string };
        if (code !== "NAME_IN_USE" && code !== "FORBIDDEN")
          world.violate("P8", `${process} cannot consume ${topicName}: ${describeError(error)}`);
        this.#consumers = this.#consumers.filter((each) => each !== consumer);
        runtime.setTimeout(() => this.#join(topicName, groupName), REJOIN_MS);
      });
  }

  #handle(group: GroupPlan, message: Message<SimulatedBody>, context: UnorderedOrOrdered): Promise<void> | void {
    const world = this.#world;
    const { process, runtime } = this.#incarnation;
    const { effects, plan } = world;
    const handling = context.fence === undefined ? null : effects.begin(process, group.name, message, context.fence);
    const draw = (what: string, ...more: readonly (string | number)[]): number =>
      chance(plan.seed, what, group.name, message.id ?? "", ...more);
    const fails =
      !world.healed && (draw("poison") < group.poisonRate || draw("fail", context.attempt, process) < group.failRate);
    if (draw("killer") < group.killerRate && world.mayKill(group.name, message, group.killsMax)) {
      world.counters.hit("killedByMessage");
      this.#die();
      return new Promise(() => {});
    }
    const hangs = !world.healed && draw("hang", process, context.fence ?? 0) < group.hangRate;
    const workMs = hangs
      ? HANG_MS
      : draw("work", process) < 0.3
        ? 0
        : draw("ms", process, context.attempt) * group.workMs;
    const finish = (): void => {
      if (handling !== null) effects.end(handling);
      if (fails) throw new Error(draw("text", context.attempt) < UGLY_SHARE ? UGLY_TEXT : "it does not work");
      if (handling !== null && !effects.apply(handling)) world.counters.hit("effectFencedOut");
      if (group.emitsTo === null) return;
      const { topic, plan: target } = world.topic(group.emitsTo);
      const key = `emitted-${Math.floor(draw("key") * target.keys)}`;
      context.emit(topic, { key, n: message.body.n });
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
        if (handling !== null) effects.end(handling);
        reject(context.signal.reason);
      });
    });
  }

  consumesIn(topic: string, group: string): boolean {
    return this.#plan.memberships.some((each) => each.topic === topic && each.group === group);
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
    await Promise.all(
      this.#consumers.map((consumer) =>
        consumer.caughtUp().catch((error: unknown) => {
          // an older process still has its name: there is nothing that this one could catch up with
          if (!isMessagingError(error, "NAME_IN_USE")) throw error;
        }),
      ),
    );
  }
  async close(): Promise<void> {
    this.#closed = true;
    await this.#client?.close({ timeoutMs: 10_000 });
  }
}

export function consumerSlot(world: PlannedWorld, plan: ConsumerPlan): ProcessSlot<ConsumerApp> {
  const settings = plan.memberships.map(({ topic, group }) => {
    const of = world.topic(topic).plan.groups.find(({ name }) => name === group) as GroupPlan;
    const { exhausted, concurrency, leaseTtlMs, attempts, startAt } = of;
    return { topic, group, exhausted, concurrency, leaseTtlMs, attempts, startAt };
  });
  const slot: ProcessSlot<ConsumerApp> = new ProcessSlot(world, {
    name: plan.name,
    role: "consumer",
    settings: { settings },
    begin: (incarnation) =>
      new ConsumerApp(world, incarnation, plan, () =>
        world.runtime.setTimeout(() => {
          if (slot.incarnation !== incarnation) return;
          slot.kill(false);
          world.runtime.setTimeout(() => {
            if (!world.isOver) slot.start();
          }, DOWN_MS);
        }, 0),
      ),
  });
  return slot;
}
