import { codecOf } from "@seriatim/actors/internals";
import type { BrokerApp } from "./broker-app.ts";
import { BulkSender } from "./bulk-sender.ts";
import type { FaultPlan } from "./fault-plan.ts";
import { Intruder } from "./intruder.ts";
import { freeze, type Incarnation, killIncarnation, type ProcessSlot, thaw } from "./process-slot.ts";
import type { World } from "./world.ts";

/** Room that a full store has left at least, for settles, leases and orders. */
const RECORDS_BYTES = 16 * 1024;

/** Carries the plan's faults out, and heals them all at once when phase 2 begins. */
export class FaultInjector {
  readonly #world: World;
  readonly #broker: ProcessSlot<BrokerApp>;
  readonly #slots: ReadonlyMap<string, ProcessSlot>;
  /** What ends each fault that lasts; each at most once. */
  readonly #heals = new Set<() => void>();
  /** Processes that another has taken the place of. */
  readonly #outlived: Incarnation[] = [];
  readonly #leaving: Promise<void>[] = [];
  readonly #capacityBytes: number;
  readonly #intruder: Intruder;

  /** `clients`: everybody but the broker. */
  constructor(world: World, broker: ProcessSlot<BrokerApp>, clients: readonly ProcessSlot[]) {
    this.#world = world;
    this.#broker = broker;
    this.#capacityBytes = world.disk.capacityBytes;
    this.#intruder = new Intruder(world);
    this.#slots = new Map([broker, ...clients].map((slot) => [slot.name, slot]));
  }

  schedule(faults: readonly FaultPlan[]): void {
    if (faults.some(({ kind }) => kind === "powerLoss")) this.#world.disk.keepUndo();
    for (const fault of faults) this.#world.runtime.setTimeout(() => this.#strike(fault), fault.atMs);
  }
  /** Ends every fault that lasts. Processes that were outlived die for good. */
  async heal(): Promise<void> {
    for (const heal of [...this.#heals]) heal();
    this.#heals.clear();
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
    if (slot === this.#broker) world.rights.brokerAway(lengthOf(fault));
    switch (fault.kind) {
      case "kill":
        if (slot === this.#broker) world.counters.brokerDied();
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
      case "intrude":
        return void this.#intruder.intrude();
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
      case "powerLoss":
        return this.#losePower(fault);
      case "fillStore":
        // three quarters of a small disk are for producers; what is left must hold some records, however little was
        // sent
        world.disk.capacityBytes = Math.floor(
          Math.max((world.disk.usedBytes * 4) / 3, world.disk.usedBytes + RECORDS_BYTES),
        );
        return this.#lasting(fault.forMs, () => {
          world.disk.capacityBytes = this.#capacityBytes;
        });
      case "restartShorterTtl":
        world.counters.brokerDied();
        world.leaseTtlMsMax = fault.ttlMs;
        world.counters.configuredTtlMs = fault.ttlMs;
        this.#partition(slot.name, "both", fault.forMs);
        this.#broker.kill(false);
        return this.#lasting(fault.downMs, () => this.#broker.start());
      case "lostGrantAnswer": {
        const disarm = world.network.trap("broker", slot.name, (packet) => {
          if (!isGrant(packet)) return false;
          world.history.record({ type: "fault", fault: "cut", target: slot.name, lost: "lease.granted" });
          world.counters.hit("grantAnswerLost");
          return true;
        });
        this.#heals.add(disarm);
        return;
      }
      case "lateFrames":
        world.history.record({ type: "fault", fault: "cut", target: slot.name, late: fault.what });
        return world.network.sendLate(slot.name, fault.what, fault.gatherMs, fault.lateMs);
      case "outlive":
        return this.#outlive(slot, fault.wakesAfterMs, fault.timersFirst ?? false);
      case "revoke":
        world.history.record({ type: "fault", fault: "revoke", target: slot.name });
        world.rights.revoke(slot.name);
        return this.#lasting(fault.forMs, () => world.rights.giveBack(slot.name));
      case "shortTokens":
        world.tokenGoodForMs = fault.goodForMs;
        return this.#lasting(fault.forMs, () => {
          world.tokenGoodForMs = null;
        });
      case "ownFault": {
        world.ownFault = { frame: fault.frame, look: fault.look };
        const heal = () => {
          world.ownFault = null;
        };
        this.#heals.add(heal);
        return;
      }
      case "bulk": {
        const sender = new BulkSender(world, fault);
        this.#heals.add(() => sender.stop());
        void sender.send();
        return;
      }
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
  /**
   * A second broker on the same data while the first is frozen; the first wakes up and finds that the data are
   * another's.
   */
  #takeOver(wakesAfterMs: number): void {
    const { incarnation } = this.#broker;
    if (incarnation === null) return;
    this.#world.counters.brokerDied();
    this.#outlive(this.#broker, wakesAfterMs, false);
  }
  /** Frozen, taken for dead, and replaced; then it wakes up. */
  #outlive(slot: ProcessSlot, wakesAfterMs: number, timersFirst: boolean): void {
    const { incarnation } = slot;
    if (incarnation === null) return;
    freeze(incarnation, false);
    slot.detach();
    this.#outlived.push(incarnation);
    this.#world.outlived.add(slot.name);
    slot.start();
    this.#lasting(wakesAfterMs, () => thaw(incarnation, !timersFirst));
  }
  /**
   * At once; or with a grant on its way, whose epoch must not be given again; or with a receipt, which must be kept.
   */
  #losePower({ downMs, lostShare, onGrant = false, onReceiptTo }: PowerLoss): void {
    if (onReceiptTo !== undefined) this.#afterNext([onReceiptTo], isReceipt, () => this.#powerFails(downMs, lostShare));
    else if (onGrant) this.#afterNext([...this.#slots.keys()], isGrant, () => this.#powerFails(downMs, lostShare));
    else this.#powerFails(downMs, lostShare);
  }
  /** As soon as the broker has sent one of them such a packet. */
  #afterNext(names: readonly string[], takes: (packet: Uint8Array) => boolean, then: () => void): void {
    const { network, runtime } = this.#world;
    const disarms = names.map((name) =>
      network.trap("broker", name, (packet) => {
        if (!takes(packet)) return false;
        for (const disarm of disarms) {
          disarm();
          this.#heals.delete(disarm);
        }
        runtime.setTimeout(() => {
          if (!this.#world.healed) then();
        }, 0);
        return false;
      }),
    );
    for (const disarm of disarms) this.#heals.add(disarm);
  }
  /** The broker's machine: nobody is told, and whoever else had the data open is gone too. */
  #powerFails(downMs: number, lostShare: number): void {
    const [world, broker] = [this.#world, this.#broker];
    world.counters.brokerDied();
    const target = broker.incarnation?.process;
    world.history.record({ type: "fault", fault: "powerLoss", ...(target === undefined ? {} : { target }) });
    broker.kill(true);
    for (const incarnation of this.#outlived)
      if (incarnation.side.name === broker.name) killIncarnation(incarnation, true);
    if (world.disk.losePower(lostShare) > 0) world.counters.hit("powerLostUnsynced");
    this.#lasting(downMs, () => broker.start());
  }
}

/** How long whatever it strikes may be away, ms. */
const lengthOf = (fault: FaultPlan): number =>
  "forMs" in fault ? fault.forMs : "downMs" in fault ? fault.downMs : "wakesAfterMs" in fault ? fault.wakesAfterMs : 0;

type PowerLoss = Extract<FaultPlan, { readonly kind: "powerLoss" }>;

const isGrant = (packet: Uint8Array): boolean =>
  codecOf(packet)
    .decode(packet)
    .some((frame) => frame.type === "lease.granted" && frame.epoch > 0);
const isReceipt = (packet: Uint8Array): boolean =>
  codecOf(packet)
    .decode(packet)
    .some((frame) => frame.type === "batch.appended");
