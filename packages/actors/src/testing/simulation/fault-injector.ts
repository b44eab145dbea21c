import type { BrokerApp } from "./broker-app.ts";
import type { FaultPlan } from "./plan.ts";
import { freeze, type Incarnation, killIncarnation, type ProcessSlot, thaw } from "./process-slot.ts";
import type { World } from "./world.ts";

export interface Cast {
  readonly broker: ProcessSlot<BrokerApp>;
  /** Everybody else: clients of the broker. */
  readonly clients: readonly ProcessSlot[];
}

/** Carries the plan's faults out, and heals them all at once when phase 2 begins. */
export class FaultInjector {
  readonly #world: World;
  readonly #cast: Cast;
  readonly #slots: ReadonlyMap<string, ProcessSlot>;
  /** What ends each fault that lasts; each at most once. */
  readonly #heals = new Set<() => void>();
  /** Brokers that another has taken the data over from. */
  readonly #outlived: Incarnation[] = [];
  readonly #leaving: Promise<void>[] = [];

  constructor(world: World, cast: Cast) {
    this.#world = world;
    this.#cast = cast;
    this.#slots = new Map([cast.broker, ...cast.clients].map((slot) => [slot.name, slot]));
  }

  schedule(faults: readonly FaultPlan[]): void {
    for (const fault of faults) this.#world.runtime.setTimeout(() => this.#strike(fault), fault.atMs);
  }
  /** Ends every fault that lasts. Brokers that were outlived die for good. */
  async heal(): Promise<void> {
    for (const heal of [...this.#heals]) heal();
    for (const incarnation of this.#outlived) killIncarnation(incarnation, false);
    await Promise.all(this.#leaving);
    for (const slot of this.#slots.values()) slot.start();
    this.#world.history.record({ type: "fault", fault: "heal" });
  }

  #strike(fault: FaultPlan) {
    const world = this.#world;
    if (world.healed) return;
    world.trace.text(`${fault.kind} ${world.runtime.now()}`);
    const slot = this.#slots.get("target" in fault ? fault.target : "broker") as ProcessSlot;
    switch (fault.kind) {
      case "kill":
        if (slot === this.#cast.broker) world.counters.brokerDied();
        slot.kill(fault.silent);
        return this.#lasting(fault.downMs, () => slot.start());
      case "leave":
        this.#leaving.push(slot.leave());
        return this.#lasting(fault.downMs, () => slot.start());
      case "freeze": {
        const { incarnation } = slot;
        if (incarnation === null || incarnation.runtime.isFrozen) return;
        freeze(incarnation, fault.clockStops);
        return this.#lasting(fault.forMs, () => thaw(incarnation, fault.deliveriesFirst));
      }
      case "takeOver":
        return this.#takeOver(fault.wakesAfterMs);
      case "wallJump": {
        const { incarnation } = slot;
        if (incarnation === null) return;
        world.history.record({ type: "fault", fault: "wallJump", target: incarnation.process, byMs: fault.byMs });
        if (fault.byMs > 0) world.counters.wallJumped(incarnation.process);
        return incarnation.runtime.jumpWallClock(fault.byMs);
      }
      case "cut":
        world.history.record({ type: "fault", fault: "cut", target: slot.name });
        for (const link of world.network.linksOf(slot.name)) world.network.cut(link);
        return;
      case "halfOpen":
        world.history.record({ type: "fault", fault: "cut", target: slot.name, blind: fault.blind });
        for (const link of world.network.linksOf(slot.name)) world.network.halfOpen(link, fault.blind);
        return;
      case "partition":
        return this.#partition(slot.name, fault.direction, fault.forMs);
      case "slowLink":
        return this.#lasting(fault.forMs, world.network.slowDown(slot.name, fault.factor));
      case "slowStore":
        world.storeTrouble.eachMs = fault.eachMs;
        return this.#lasting(fault.forMs, () => {
          world.storeTrouble.eachMs = 0;
        });
      case "failStore":
        world.storeTrouble.failRate = fault.rate;
        return this.#lasting(fault.forMs, () => {
          world.storeTrouble.failRate = 0;
        });
      case "pauseConsumer": {
        const { app } = slot;
        app?.pause?.();
        return this.#lasting(fault.forMs, () => app?.resume?.());
      }
    }
  }
  #lasting(ms: number, end: () => void): void {
    const heal = (): void => {
      if (this.#heals.delete(heal)) end();
    };
    this.#heals.add(heal);
    this.#world.runtime.setTimeout(heal, ms);
  }
  /** Between the target and the broker; for the broker, between it and everybody. */
  #partition(name: string, direction: "in" | "out" | "both", forMs: number): void {
    const { network, history } = this.#world;
    const others = name === "broker" ? [...this.#slots.keys(), "driver"].filter((each) => each !== name) : ["broker"];
    const heals: (() => void)[] = [];
    for (const other of others) {
      if (direction !== "in") heals.push(network.block(name, other));
      if (direction !== "out") heals.push(network.block(other, name));
    }
    history.record({ type: "fault", fault: "cut", target: name, direction });
    this.#lasting(forMs, () => {
      for (const heal of heals) heal();
    });
  }
  /** A second broker on the same data while the first is frozen; the first wakes up and finds that the data are another's. */
  #takeOver(wakesAfterMs: number): void {
    const { broker } = this.#cast;
    const { incarnation } = broker;
    if (incarnation === null) return;
    this.#world.counters.brokerDied();
    freeze(incarnation, false);
    broker.detach();
    this.#outlived.push(incarnation);
    broker.start();
    this.#lasting(wakesAfterMs, () => thaw(incarnation, true));
  }
}
