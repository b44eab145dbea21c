import type { HistoryEvent } from "../history-event.ts";
import { ReferenceConsumers } from "./consumers.fixture.ts";
import { ReferenceProducers } from "./producers.fixture.ts";
import { type Class, cursorOf, QUEUES, type ReferenceOptions, type ReferenceQueue, World } from "./world.fixture.ts";

export type { Bug, ReferenceOptions } from "./world.fixture.ts";

/**
 * A small, synchronous picture of the framework with everything that makes histories hard: lost answers, killed and
 * stopped processes, crashing brokers,
 * hung handlers, parked keys, seeks. A history of it must be clean, and one with a bug must not, once the bug has
 * shown.
 */
export class ReferenceSystem {
  readonly #world: World;
  readonly #producers: ReferenceProducers;
  readonly #consumers: ReferenceConsumers;

  constructor(options: ReferenceOptions) {
    this.#world = new World(options);
    this.#producers = new ReferenceProducers(this.#world);
    this.#consumers = new ReferenceConsumers(this.#world);
  }

  run(): readonly HistoryEvent[] {
    const world = this.#world;
    const { steps } = world.options;
    for (; world.now < steps; world.now++) this.#step();
    world.healed = true;
    this.#consumers.resumeAll();
    for (; world.now < steps * 50 && !this.#isDrained(); world.now++) this.#step();
    for (let queue = 0; queue < QUEUES; queue++) this.#state(queue);
    this.#consumers.end();
    return world.script.events;
  }

  #isDrained(): boolean {
    const isDrained = (queue: ReferenceQueue) => cursorOf(queue) === queue.entries.length && queue.strands.size === 0;
    return this.#producers.done && this.#world.queues.every((queue) => queue.halted || isDrained(queue));
  }

  #step(): void {
    const world = this.#world;
    if (!world.healed && world.chance(0.25)) this.#producers.send();
    if (world.chance(0.4)) this.#producers.transmit();
    if (!world.healed) this.#fault();
    if (world.chance(world.healed ? 0.05 : 0.02)) this.#administer();
    this.#consumers.step();
  }

  #fault(): void {
    const die = this.#world.pick(1_000);
    if (die < 10) this.#consumers.kill();
    else if (die < 20) this.#consumers.pause();
    else if (die < 26) this.#crashBroker();
    else if (die < 31) this.#producers.kill();
  }

  /** Whatever was not flushed is gone; leases end; epochs and what was committed stay. */
  #crashBroker(): void {
    this.#world.script.fault("kill", `broker#${this.#world.logEpoch}`);
    this.#world.logEpoch++;
    for (const [queue, subscription] of this.#world.queues.entries()) {
      const takes =
        this.#world.has("losesFlushed") &&
        subscription.flushed > 0 &&
        !subscription.classes.has(subscription.flushed - 1)
          ? 1
          : 0;
      subscription.flushed -= takes;
      subscription.entries.length = subscription.flushed;
      subscription.holder = undefined;
      if (this.#world.has("forgetsEpochs")) subscription.epoch = 0;
      this.#producers.recover(queue, subscription.flushed);
    }
  }

  #administer(): void {
    const queue = this.#world.pick(QUEUES);
    const subscription = this.#world.queues[queue]!;
    for (const [key, strand] of subscription.strands) {
      if (strand.open) continue;
      const revision = ++subscription.revision;
      const [head] = strand.offsets;
      if (this.#world.chance(0.7) || head === undefined) {
        strand.open = true;
        for (const offset of strand.offsets) this.#aside("redriven", queue, offset, revision);
      } else {
        strand.offsets.shift();
        subscription.classes.set(head, "discarded");
        strand.open = true;
        this.#aside("discarded", queue, head, revision);
        if (strand.offsets.length === 0) subscription.strands.delete(key);
      }
      return;
    }
    if (this.#world.healed || this.#world.chance(0.9)) return;
    this.#seek(queue, subscription);
  }

  #seek(queue: number, subscription: ReferenceQueue): void {
    const from = cursorOf(subscription);
    const to = Math.min(subscription.flushed, Math.max(0, from - 3 + this.#world.pick(5)));
    const revision = ++subscription.revision;
    subscription.epoch++;
    subscription.holder = undefined;
    for (let offset = from; offset < to; offset++)
      if (!subscription.classes.has(offset)) subscription.classes.set(offset, "skipped");
    for (const offset of [...subscription.classes.keys()]) if (offset >= to) subscription.classes.delete(offset);
    for (const offset of [...subscription.attempts.keys()]) if (offset >= to) subscription.attempts.delete(offset);
    for (const [key, strand] of subscription.strands) {
      const kept = strand.offsets.filter((offset) => offset < to);
      if (kept.length === 0) subscription.strands.delete(key);
      else strand.offsets.splice(0, strand.offsets.length, ...kept);
    }
    this.#world.write("admin#1", "sought", { topic: "orders", queue, group: "billing", from, to, revision });
  }

  #state(queue: number): void {
    const subscription = this.#world.queues[queue]!;
    const cursor = cursorOf(subscription);
    const of = (name: Class) => [...subscription.classes].filter(([, each]) => each === name).map(([offset]) => offset);
    const settled = of("settled");
    const state = {
      cursor,
      settledRanges: settled.filter((offset) => offset >= cursor).map((offset) => [offset, offset + 1] as const),
      settled: settled.length,
      deadLettered: of("deadLettered"),
      parked: of("parked"),
      discarded: this.#world.has("countsTwice") ? [...of("discarded"), ...settled.slice(0, 1)] : of("discarded"),
      skipped: of("skipped").length,
      halted: subscription.halted,
    };
    this.#world.script.state(subscription.entries.length, { ...state, queue, logEpoch: this.#world.logEpoch });
  }

  #aside(type: "redriven" | "discarded", queue: number, offset: number, revision: number): void {
    this.#world.script.admin(type, this.#world.placed(queue, offset), revision);
  }
}
