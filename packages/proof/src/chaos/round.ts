import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { QueueAccount } from "@seriatim/actors";
import {
  type EventLog,
  type FaultKind,
  HistoryWriter,
  type RoundPlan,
  shares,
  unlessAborted,
  within,
} from "@seriatim/rig";
import { sleep } from "./connect.ts";
import { DataDisk } from "./data-disk.ts";
import { FaultInjector } from "./fault-injector.ts";
import { judge } from "./judge.ts";
import { poisonOf, stretchOf } from "./load.ts";
import { Operator } from "./operator.ts";
import { BROKER, CONSUMERS, GROUPS, LEASE_TTL_MS, PRODUCERS, type RoundSettings } from "./settings.ts";
import { Stage } from "./stage.ts";
import { countStruck, type Tally } from "./tally.ts";

export interface RoundOptions {
  readonly plan: RoundPlan;
  readonly seed: number;
  /** Messages a second over all producers. */
  readonly rate: number;
  readonly log: EventLog;
  /** Of this round alone; left there when it fails. */
  readonly folder: string;
  readonly canMount: boolean;
  readonly unavailable: ReadonlySet<FaultKind>;
  readonly signal: AbortSignal;
  readonly show: (now: RoundNow) => void;
}
/** How a round is going, for people. */
export interface RoundNow {
  readonly phase: string;
  readonly acknowledged: number;
  readonly events: number;
  readonly struck: number;
}

const QUEUES = 8;
const ATTEMPTS = 4;
const FAIL_RATE = 0.02;
const POISON_EVERY_KEYS = 40;
/** Where no file system of its own can be mounted, the store is this small. */
const SMALL_STORE_BYTES = 32 * 2 ** 20;
/** Faults take time away from the load: it is made for this share of a phase. */
const LOADED_SHARE = 1.1;
const START_TIMEOUT_MS = 300_000;
/** With all faults over, nothing may stand still for longer: seconds, on a machine that has nothing else to do. */
const STILL_MAX_MS = 150_000;
/** From the last fault on until all is drained, however slow the machine. */
const HEAL_WITHIN_MS = 1_500_000;
const CLOSE_TIMEOUT_MS = 120_000;
const CHECK_TIMEOUT_MS = 1_200_000;
const LOOK_MS = 200;

/**
 * Plays one round and adds what it showed to the tally;
 * resolves with what was wrong, nothing if all promises were kept.
 */
export async function playRound(options: RoundOptions, tally: Tally): Promise<readonly string[]> {
  const { plan, folder, signal } = options;
  const historyDir = join(folder, "history");
  mkdirSync(historyDir, { recursive: true });
  const fillsDisk = plan.phases.some(({ faults }) => faults.some(({ kind }) => kind === "disk-full"));
  const disk = DataDisk.open(join(folder, "disk"), fillsDisk && options.canMount);
  const history = new HistoryWriter({ process: "driver#1", file: join(historyDir, "driver.1.jsonl") });
  const problems: string[] = [];
  let round: Round | null = null;
  try {
    round = new Round(options, disk, history, historyDir, fillsDisk);
    try {
      await round.play();
    } catch (error) {
      signal.throwIfAborted();
      problems.push(error instanceof Error ? error.message : String(error));
      await round.destroy();
    }
    problems.push(...round.problems);
    await round.settleAccounts(tally, problems);
  } finally {
    await round?.destroy();
    history.abandon();
    if (problems.length > 0) disk.keep();
    disk.close();
    if (problems.length === 0) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
  return problems;
}

class Round {
  readonly problems: string[] = [];
  readonly #options: RoundOptions;
  readonly #disk: DataDisk;
  readonly #history: HistoryWriter;
  readonly #historyDir: string;
  readonly #settings: RoundSettings;
  readonly #log: EventLog;
  #stage: Stage | null = null;
  #operator: Operator | null = null;
  #injector: FaultInjector | null = null;
  #phase = "starting";
  #parked = 0;

  constructor(options: RoundOptions, disk: DataDisk, history: HistoryWriter, historyDir: string, fillsDisk: boolean) {
    const { plan, seed, rate, log } = options;
    const seconds = plan.phases.reduce((sum, { lengthMs }) => sum + lengthMs, 0) / 1_000;
    this.#options = options;
    this.#disk = disk;
    this.#history = history;
    this.#historyDir = historyDir;
    this.#log = stretchOf(log, plan.round, Math.round(rate * seconds * LOADED_SHARE));
    this.#settings = {
      topic: `incidents-${plan.round}`,
      queues: QUEUES,
      seed,
      leaseTtlMs: LEASE_TTL_MS,
      attempts: ATTEMPTS,
      failRate: FAIL_RATE,
      poison: [...poisonOf(this.#log, POISON_EVERY_KEYS)],
      ratePerProducer: rate / PRODUCERS.length,
      storeBytesMax: fillsDisk && !options.canMount ? SMALL_STORE_BYTES : null,
    };
  }

  async play(): Promise<void> {
    const { plan, seed, unavailable, signal, folder } = this.#options;
    const { topic } = this.#settings;
    const history = this.#history;
    history.record({
      type: "start",
      role: "driver",
      topics: [topic],
      groups: GROUPS.map(({ name }) => name),
      settings: { healWithinMs: HEAL_WITHIN_MS },
      seed,
      round: plan.round,
    });
    const stage = await Stage.open({
      folder,
      historyDir: this.#historyDir,
      dataPath: this.#disk.dataPath,
      log: this.#log,
      settings: this.#settings,
      history,
      mayBrokerEnd: () => this.#injector?.mayBrokerEnd ?? false,
      onBrokerEnded: () => this.#injector?.onBrokerEnded(),
    });
    this.#stage = stage;
    const ticker = setInterval(() => this.#show(), LOOK_MS);
    try {
      await this.#or(within(START_TIMEOUT_MS, "the start", stage.startAll()));
      const opening = Operator.open(stage.brokerPort, this.#settings, history, signal);
      const operator = await this.#or(within(START_TIMEOUT_MS, "the operator's link", opening));
      this.#operator = operator;
      operator.work();
      this.#injector = new FaultInjector({ stage, disk: this.#disk, history, folder, unavailable, signal });
      for (const [index, phase] of plan.phases.entries()) {
        this.#phase = `phase ${index + 1}`;
        stage.allow((index + 1) / plan.phases.length);
        await this.#or(this.#injector.run(phase));
        signal.throwIfAborted();
        this.#phase = `heal point ${index + 1}`;
        await this.#healed(index + 1 === plan.phases.length);
      }
      this.#phase = "closing";
      await this.#or(this.#close());
    } finally {
      clearInterval(ticker);
    }
  }
  /**
   * Faults are over: what was sent so far is acknowledged and dealt with, within the bound.
   * The last time, nothing fails any more.
   */
  async #healed(isLast: boolean): Promise<void> {
    const [stage, operator] = [this.#stage as Stage, this.#operator as Operator];
    this.#history.record({ type: "fault", fault: "heal", target: "all" });
    if (isLast) {
      stage.calm();
      operator.calm();
    }
    const sent = this.#allowedEvents(isLast);
    const until = performance.now() + HEAL_WITHIN_MS;
    let moved = { what: "", at: performance.now() };
    for (;;) {
      const progress = stage.acknowledged < sent ? null : await this.#or(operator.progress());
      if (progress !== null && progress.end >= sent && progress.backlog === 0)
        if (!isLast || (await this.#or(operator.isSettled()))) return;
      const what = `${stage.acknowledged} of ${sent} acknowledged, ${JSON.stringify(progress)}`;
      const now = performance.now();
      if (what !== moved.what) moved = { what, at: now };
      if (now - moved.at > STILL_MAX_MS || now > until)
        throw new Error(
          `P8: not drained after the faults were over, nothing moved for ${Math.round((now - moved.at) / 1_000)} s: ${what}\n${stage.paths.join(", ")}\n${await operator.describe()}`,
        );
      await this.#or(sleep(LOOK_MS));
    }
  }
  /** Events that may be sent by then: each producer's share of its own events, rounded up. */
  #allowedEvents(isLast: boolean): number {
    if (isLast) return this.#log.events.length;
    const phases = this.#options.plan.phases.length;
    return shares(this.#log, PRODUCERS.length).reduce((sum, { length }) => sum + Math.ceil(length / phases), 0);
  }
  /** Everybody ends in order; what the broker says of its queues is what it says again after a crash. */
  async #close(): Promise<void> {
    const [stage, operator] = [this.#stage as Stage, this.#operator as Operator];
    await operator.stop();
    const members = [...CONSUMERS, ...PRODUCERS.map(({ name }) => name)];
    for (const [index, inTime] of (
      await Promise.all(members.map((name) => stage.close(name, CLOSE_TIMEOUT_MS)))
    ).entries())
      if (!inTime)
        this.problems.push(`P8: ${members[index]} did not close in order within ${CLOSE_TIMEOUT_MS / 1_000} s`);
    const before = await this.#accounts();
    for (const { group, account } of before) {
      this.#history.record({ type: "state", topic: this.#settings.topic, group, ...account });
      this.#parked += account.parked.length + account.deadLettered.length;
    }
    await stage.kill(BROKER);
    await stage.start(BROKER);
    const after = await this.#accounts();
    if (lasting(after) !== lasting(before))
      this.problems.push(`P9: the accounts are not the same after a restart:\n${lasting(before)}\n${lasting(after)}`);
    await operator.close();
    if (!(await stage.close(BROKER, CLOSE_TIMEOUT_MS))) this.problems.push("P8: the broker did not close in order");
    this.#history.end();
  }
  async #accounts(): Promise<{ readonly group: string; readonly account: QueueAccount }[]> {
    const all: { readonly group: string; readonly account: QueueAccount }[] = [];
    const until = performance.now() + CLOSE_TIMEOUT_MS;
    for (const { name } of GROUPS) {
      let accounts = await (this.#operator as Operator).accounts(name);
      while (accounts === null && performance.now() < until)
        accounts = await (this.#operator as Operator).accounts(name);
      if (accounts === null) throw new Error("P9: the broker gives no account of its queues");
      all.push(...accounts.map((account) => ({ group: name, account })));
    }
    return all;
  }

  /** The verdict on its history, and its figures. */
  async settleAccounts(tally: Tally, problems: string[]): Promise<void> {
    const [stage, injector, operator] = [this.#stage, this.#injector, this.#operator];
    tally.rounds++;
    if (stage === null || injector === null || operator === null) return;
    this.#phase = "checking";
    this.#show();
    for (const gap of stage.world.gaps.slice(0, 10)) problems.push(`P6, in the outside world: ${gap}`);
    for (const problem of operator.problems.slice(0, 10)) problems.push(`P11: ${problem}`);
    const judging = judge(this.#historyDir, operator.unclear);
    const { verdict, figures, violations, explained } = await unlessAborted(
      within(CHECK_TIMEOUT_MS, "the check of the histories", judging),
      this.#options.signal,
    );
    for (const { promise, text, events } of violations.slice(0, 20))
      problems.push(`${promise}: ${text}\n${events.map((event) => `      ${JSON.stringify(event)}`).join("\n")}`);
    const lost = this.#log.events.length - figures.sent.size;
    if (lost > 0 && problems.length === 0) problems.push(`P3: ${lost} messages have no receipt`);
    addTo(tally.violations, countsOf(violations.map(({ promise }) => promise)));
    addTo(tally.checks, verdict.checks);
    addTo(tally.explained, explained);
    for (const struck of injector.struck) {
      countStruck(tally, struck);
      if (struck.kind.startsWith("kill") || struck.kind === "restart-all")
        tally.killsWithWorkInFlight += struck.targets.filter((target) =>
          figures.hadWorkInFlight(target, struck.atMs),
        ).length;
      const recovery = figures.recoveryMs(struck);
      if (recovery !== null) tally.recoveriesMs[struck.kind].push(Math.round(recovery));
    }
    tally.messages += this.#log.events.length;
    tally.acknowledged += figures.sent.size;
    tally.handled += figures.handled;
    tally.handledAgain += figures.handledAgain;
    tally.retried += figures.retried;
    tally.duplicateReceipts += figures.duplicateReceipts;
    tally.staleSettlesRefused += figures.staleSettlesRefused;
    tally.parked += this.#parked;
    tally.redriven += operator.redriven;
    tally.writesFencedOut += stage.world.counts.refused;
    tally.skipped += injector.skipped;
    tally.brokerAborts += injector.brokerAborts;
  }
  async destroy(): Promise<void> {
    await this.#stage?.destroy();
    await this.#operator?.close().catch(() => {});
  }

  #show(): void {
    this.#options.show({
      phase: this.#phase,
      acknowledged: this.#stage?.acknowledged ?? 0,
      events: this.#log.events.length,
      struck: this.#injector?.struck.length ?? 0,
    });
  }
  /** `work`, unless a process fails or a person stops it before. */
  #or<T>(work: Promise<T>): Promise<T> {
    const stage = this.#stage;
    return unlessAborted(stage === null ? work : Promise.race([work, stage.failure]), this.#options.signal);
  }
}

/** The part of the accounts that a restart leaves as it is. */
const lasting = (all: readonly { readonly group: string; readonly account: QueueAccount }[]): string =>
  JSON.stringify(
    all.map(({ group, account: { revision: _r, logEpoch: _l, start: _s, settled: _d, ...account } }) => ({
      group,
      ...account,
    })),
  );
const countsOf = (names: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
};
function addTo(sums: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count;
}
