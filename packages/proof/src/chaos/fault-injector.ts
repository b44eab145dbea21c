import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { type FaultKind, type HistoryWriter, type PhasePlan, type TimedFault, wallNow } from "@seriatim/rig";
import type { DataDisk } from "./data-disk.ts";
import { injectIoErrors } from "./io-errors.ts";
import type { CutHow, Direction, FaultyProxy } from "./proxy.ts";
import { BROKER, CONSUMERS, LEASE_TTL_MS, PRODUCERS } from "./settings.ts";
import { CLIENTS, type Stage } from "./stage.ts";
import type { Struck } from "./tally.ts";

/** How long a fault waits for something to strike: processes start slowly on a busy machine. */
const PATIENCE_MS = 30_000;
const LOOK_MS = 25;
const CLOSE_TIMEOUT_MS = 3_000;
const SLOW_BYTES_PER_SECOND = 60_000;
/**
 * Left free of a full disk: too little for appends, enough for the records of groups and leases;
 * in some episodes too little for anything.
 */
const LEFT_BYTES = {
  appendsOnly: [9 * 2 ** 20, 12 * 2 ** 20],
  everything: 300 * 2 ** 10,
  everythingShare: 0.25,
} as const;
const PADDING_BYTES = 8 * 2 ** 10;

export interface InjectorOptions {
  readonly stage: Stage;
  readonly disk: DataDisk;
  readonly history: HistoryWriter;
  readonly folder: string;
  /** Kinds that cannot be done on this machine. */
  readonly unavailable: ReadonlySet<FaultKind>;
  readonly signal: AbortSignal;
}

/**
 * Carries out the planned faults: several at a time, one at a time for each process.
 * Only what was seen to have an effect is noted.
 */
export class FaultInjector {
  readonly struck: Struck[] = [];
  skipped = 0;
  brokerAborts = 0;
  readonly #options: InjectorOptions;
  readonly #busy = new Set<string>();
  #brokerMayEnd = 0;
  #reserved = false;

  constructor(options: InjectorOptions) {
    this.#options = options;
  }
  /** Its disk fails, or did so a moment ago. */
  get mayBrokerEnd(): boolean {
    return this.#brokerMayEnd > 0;
  }
  /** It ended by itself while it might: restarted like a killed one. */
  onBrokerEnded(): void {
    this.brokerAborts++;
    if (!this.#busy.has(BROKER)) void this.#options.stage.start(BROKER);
  }
  /** Resolves when all of the phase's faults are over. */
  async run(phase: PhasePlan): Promise<void> {
    const from = performance.now();
    const all = phase.faults.map(async (fault) => {
      await this.#sleepUntil(from + fault.atMs);
      if (this.#options.signal.aborted) return;
      if (this.#options.unavailable.has(fault.kind)) return;
      const struck = await this.#strike(fault);
      if (struck === null) this.skipped++;
      else this.struck.push(struck);
    });
    await Promise.all([...all, this.#sleepUntil(from + phase.lengthMs)]);
  }

  async #strike(fault: TimedFault): Promise<Struck | null> {
    switch (fault.kind) {
      case "kill-consumer":
      case "freeze-consumer":
        return this.#onOne(fault, CONSUMERS);
      case "kill-producer":
      case "freeze-producer":
        return this.#onOne(
          fault,
          PRODUCERS.map(({ name }) => name),
        );
      case "kill-broker":
      case "freeze-broker":
      case "io-error":
        return this.#onOne(fault, [BROKER]);
      case "disk-full":
        return this.#fillDisk(fault);
      case "restart-all":
        return this.#restartAll(fault);
      case "rolling-restart":
        return this.#rollingRestart(fault);
      default:
        return this.#onOne(fault, CLIENTS);
    }
  }
  async #onOne(fault: TimedFault, names: readonly string[]): Promise<Struck | null> {
    const name = await this.#take(names, fault.victim);
    if (name === null) return null;
    const atMs = wallNow();
    const targets = [this.#options.stage.incarnation(name)];
    try {
      const done = await this.#doTo(name, fault);
      return done === null
        ? null
        : { kind: fault.kind, targets, atMs: done.atMs ?? atMs, healedAtMs: wallNow(), detail: done.detail ?? null };
    } finally {
      this.#busy.delete(name);
      if (name === BROKER && !this.#options.stage.isAlive(BROKER)) await this.#options.stage.start(BROKER);
    }
  }
  #doTo(name: string, fault: TimedFault): Promise<Done | null> {
    const { kind } = fault;
    if (kind.startsWith("kill")) return this.#kill(name, fault);
    if (kind.startsWith("freeze")) return this.#freeze(name, fault);
    if (kind === "io-error") return this.#failIo(fault);
    return this.#onPath(name, this.#options.stage.proxies.get(name) as FaultyProxy, fault);
  }

  async #kill(name: string, { forMs }: TimedFault): Promise<Done | null> {
    const { stage } = this.#options;
    const wasAlive = await stage.kill(name);
    await this.#sleep(forMs);
    await stage.start(name);
    return wasAlive ? {} : null;
  }
  async #freeze(name: string, { forMs }: TimedFault): Promise<Done | null> {
    const { stage } = this.#options;
    const from = performance.now();
    if (!stage.freeze(name)) return null;
    await this.#sleep(forMs);
    stage.thaw(name);
    return performance.now() - from > LEASE_TTL_MS ? {} : null;
  }
  async #onPath(name: string, proxy: FaultyProxy, { kind, forMs, variant }: TimedFault): Promise<Done | null> {
    const how: CutHow = variant < 0.5 ? "reset" : "end";
    const direction: Direction = (variant * 1_000) % 2 < 1 ? "up" : "down";
    if (!(await this.#until(() => proxy.openLinks > 0))) return null;
    const atMs = wallNow();
    this.#note(kind, name);
    try {
      switch (kind) {
        case "cut":
          return proxy.cut(how) > 0 ? { atMs } : null;
        case "cut-mid-frame":
          return (await proxy.cutMidChunk(direction, variant, how, PATIENCE_MS)) ? { atMs: wallNow() } : null;
        case "slow":
          proxy.slow(SLOW_BYTES_PER_SECOND);
          await this.#sleep(forMs);
          return { atMs };
        default:
          proxy.hold(kind === "hold-one-way" ? [direction] : ["up", "down"]);
          await this.#sleep(forMs);
          if (kind === "hold-then-cut" && proxy.cut(how) === 0) return null;
          return { atMs };
      }
    } finally {
      proxy.heal();
    }
  }
  /** Whatever else happens to the broker meanwhile, happens with a full disk. */
  async #fillDisk({ kind, forMs, variant }: TimedFault): Promise<Struck | null> {
    const { stage, disk } = this.#options;
    const isDeep = disk.canFill && variant < LEFT_BYTES.everythingShare;
    const means = disk.canFill ? (isDeep ? "tmpfs, no room for anything" : "tmpfs, no room for appends") : "capacity";
    if (!(await this.#until(() => !this.#busy.has("disk")))) return null;
    this.#busy.add("disk");
    this.#note("disk-full", BROKER);
    this.#brokerMayEnd++; // one that is killed meanwhile may not find room to start
    try {
      const [low, high] = LEFT_BYTES.appendsOnly;
      if (!disk.canFill) stage.swell(PADDING_BYTES);
      else disk.fill(isDeep ? LEFT_BYTES.everything : low + variant * (high - low));
      const wasFull = await this.#until(() => stage.isBlocked, forMs + PATIENCE_MS);
      const atMs = wallNow();
      await this.#sleep(forMs);
      if (disk.canFill) disk.free();
      else stage.swell(0);
      return wasFull ? { kind, targets: [BROKER], atMs, healedAtMs: wallNow(), detail: means } : null;
    } finally {
      disk.free();
      this.#busy.delete("disk");
      this.#later(() => this.#brokerMayEnd--);
    }
  }
  async #failIo({ forMs, variant }: TimedFault): Promise<Done | null> {
    const { stage, folder } = this.#options;
    this.#note("io-error", BROKER);
    this.#brokerMayEnd++;
    const calls = await injectIoErrors({ pid: stage.pid(BROKER), forMs, variant, logFile: join(folder, "strace.log") });
    await this.#sleep(300); // an abort is heard of a little later
    this.#later(() => this.#brokerMayEnd--);
    return calls > 0 ? { detail: `${calls}` } : null;
  }
  async #restartAll({ forMs, victim }: TimedFault): Promise<Struck | null> {
    const { stage } = this.#options;
    const names = [BROKER, ...CLIENTS];
    if (!(await this.#takeAll(names))) return null;
    try {
      const atMs = wallNow();
      const targets = names.map((name) => stage.incarnation(name));
      const alive = await Promise.all(names.map((name) => stage.kill(name)));
      await this.#sleep(forMs);
      const turn = victim % names.length;
      await stage.startAll([...names.slice(turn), ...names.slice(0, turn)]);
      if (!alive.every((wasAlive) => wasAlive)) return null;
      return { kind: "restart-all", targets, atMs, healedAtMs: wallNow(), detail: null };
    } finally {
      for (const name of names) this.#busy.delete(name);
    }
  }
  async #rollingRestart({ forMs, victim }: TimedFault): Promise<Struck | null> {
    const { stage } = this.#options;
    const names = [BROKER, ...CLIENTS];
    const turn = victim % names.length;
    const atMs = wallNow();
    const targets: string[] = [];
    for (const next of [...names.slice(turn), ...names.slice(0, turn)]) {
      const name = await this.#take([next], 0);
      if (name === null) continue;
      try {
        targets.push(stage.incarnation(name));
        await stage.close(name, CLOSE_TIMEOUT_MS);
        await this.#sleep(forMs);
        await stage.start(name);
      } finally {
        this.#busy.delete(name);
      }
    }
    return targets.length < names.length - 2
      ? null
      : { kind: "rolling-restart", targets, atMs, healedAtMs: wallNow(), detail: null };
  }

  /** One of these that nothing else is done to, and that is alive. */
  async #take(names: readonly string[], victim: number, patienceMs = PATIENCE_MS): Promise<string | null> {
    const free = (): string[] =>
      this.#reserved ? [] : names.filter((name) => !this.#busy.has(name) && this.#options.stage.isAlive(name));
    if (!(await this.#until(() => free().length > 0, patienceMs))) return null;
    const candidates = free();
    const name = candidates[victim % candidates.length] as string;
    this.#busy.add(name);
    return name;
  }
  async #takeAll(names: readonly string[]): Promise<boolean> {
    const isFree = (): boolean => names.every((name) => !this.#busy.has(name) && this.#options.stage.isAlive(name));
    this.#reserved = true; // nobody begins anything new meanwhile
    const areFree = await this.#until(isFree, 2 * PATIENCE_MS);
    this.#reserved = false;
    if (areFree) for (const name of names) this.#busy.add(name);
    return areFree;
  }
  #note(fault: string, name: string): void {
    this.#options.history.record({ type: "fault", fault, target: this.#options.stage.incarnation(name) });
  }
  #later(then: () => void): void {
    setTimeout(then, 1_000).unref();
  }
  async #until(holds: () => boolean, patienceMs = PATIENCE_MS): Promise<boolean> {
    const until = performance.now() + patienceMs;
    while (!holds()) {
      if (performance.now() > until || this.#options.signal.aborted) return false;
      await this.#sleep(LOOK_MS);
    }
    return true;
  }
  #sleepUntil(at: number): Promise<void> {
    return this.#sleep(at - performance.now());
  }
  async #sleep(ms: number): Promise<void> {
    const { signal } = this.#options;
    if (ms > 0) await wait(ms, undefined, { signal }).catch(() => {});
  }
}
/** It had its effect. */
interface Done {
  readonly atMs?: number;
  readonly detail?: string;
}
