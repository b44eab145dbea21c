import { setTimeout as sleep } from "node:timers/promises";
import type { QueueAccount } from "@seriatim/actors";
import { type EventLog, HistoryWriter, historyLines, planMarked, shares, unlessAborted } from "@seriatim/rig";
import { checkHistory, parseHistory, type Verdict } from "@seriatim/testing";
import { eventsTopic } from "./events-topic.ts";
import { FaultDirector } from "./fault-director.ts";
import { type HistoryStats, historyStats } from "./history-stats.ts";
import { MemoryStage } from "./memory-stage.ts";
import { isDrained, Monitor } from "./monitor.ts";
import { ProcessStage } from "./process-stage.ts";
import { type DemoReport, demoReport } from "./report.ts";
import { type DemoOptions, type RunSettings, replayRate, runSettings } from "./settings.ts";
import { BROKER, historyFile, type Stage, type StageOptions } from "./stage.ts";
import { poisonIds } from "./trouble.ts";
import type { Frame, View } from "./view.ts";
import { patiently, Watchdog } from "./watchdog.ts";
import type { WorkFolders } from "./work-folders.ts";

const TICK_MS = 100;
/** How long an orderly close may take before it counts as a hang; when a person stops the run, they are waiting. */
const CLOSE_TIMEOUT_MS = 180_000;
const STOP_TIMEOUT_MS = 3_000;

export interface DemoRun {
  readonly report: DemoReport;
  /** What was violated, one sentence each. */
  readonly violations: readonly string[];
}

/**
 * One whole run: start, replay, faults, drain, close, verdict.
 * Whatever happens, nothing is left running when it settles.
 */
export async function runDemo(
  options: DemoOptions,
  log: EventLog,
  folders: WorkFolders,
  view: View,
  signal: AbortSignal,
): Promise<DemoRun> {
  const settings = runSettings(options, {
    events: log.events.length,
    poison: poisonIds(log, { seed: options.seed, keys: options.poison }),
    topic: folders.freshData ? "events" : `events-${Date.now().toString(36)}`, // older data may hold another run's events
  });
  const history = new HistoryWriter({ process: "driver#1", file: historyFile(folders.historyDir, "driver", 1) });
  const stage = await openStage(options, {
    settings,
    consumers: options.consumers,
    shares: shares(log, options.producers),
    ...folders,
  });
  const run = new Run(options, log, settings, stage, history, view, signal);
  try {
    const accounts = await run.play();
    view.show(run.frame("checking"));
    const checking = patiently(
      "checking the histories",
      check(folders),
      () => ["the checker"],
      (text) => view.say(text),
    );
    const { verdict, stats } = await unlessAborted(checking, signal);
    return {
      report: demoReport({ options, log, accounts, verdict, stats, faults: run.faults, world: stage.world }),
      violations: verdict.violations.map(({ promise, text }) => `${promise}: ${text}`),
    };
  } catch (error) {
    if (signal.aborted)
      await stage
        .closeMembers(STOP_TIMEOUT_MS)
        .then(() => stage.close(STOP_TIMEOUT_MS))
        .catch(() => {});
    throw error;
  } finally {
    await stage.destroy();
    history.abandon();
  }
}

/** The verdict is the checker's, which shares no code with what wrote the histories; the figures are for people. */
async function check({ historyDir }: WorkFolders): Promise<{ verdict: Verdict; stats: HistoryStats }> {
  const verdict = await checkHistory(parseHistory(historyLines(historyDir)));
  return { verdict, stats: await historyStats(historyLines(historyDir)) };
}

const openStage = (options: DemoOptions, stage: StageOptions): Promise<Stage> | Stage =>
  options.transport === "memory" ? new MemoryStage(stage) : ProcessStage.open(stage, options.port);

class Run {
  readonly #options: DemoOptions;
  readonly #log: EventLog;
  readonly #settings: RunSettings;
  readonly #stage: Stage;
  readonly #history: HistoryWriter;
  readonly #view: View;
  readonly #signal: AbortSignal;
  readonly #startedAt = performance.now();
  #monitor: Monitor | null = null;
  #director: FaultDirector | null = null;
  /** What was dealt with when, of late: for the rate. */
  #samples: { readonly at: number; readonly dealtWith: number }[] = [];

  constructor(
    options: DemoOptions,
    log: EventLog,
    settings: RunSettings,
    stage: Stage,
    history: HistoryWriter,
    view: View,
    signal: AbortSignal,
  ) {
    this.#options = options;
    this.#log = log;
    this.#settings = settings;
    this.#stage = stage;
    this.#history = history;
    this.#view = view;
    this.#signal = signal;
  }
  get faults() {
    return this.#director?.faults ?? [];
  }

  /** Everything up to the orderly end; resolves with where each message of each queue ended. */
  async play(): Promise<readonly QueueAccount[]> {
    const stage = this.#stage;
    const { exhausted, concurrency, durability, leaseTtlMs, attempts, topic, group } = this.#settings;
    this.#history.record({
      type: "start",
      role: "driver",
      topics: [topic],
      groups: [group],
      settings: { exhausted, concurrency, durability, leaseTtlMs, attempts, failover: "strict" },
      seed: this.#options.seed,
    });
    await this.#patiently("starting", stage.start());
    const monitor = new Monitor({ client: await stage.client(), topic: eventsTopic(this.#settings), group });
    this.#monitor = monitor;
    await monitor.ask();
    monitor.start();
    try {
      await this.#replay(monitor);
    } finally {
      monitor.stop();
    }
    this.#view.show(this.frame("closing"));
    await this.#patiently("closing", stage.closeMembers(CLOSE_TIMEOUT_MS));
    const client = await stage.client();
    const accounts = await this.#patiently(
      "asking for the account of the queues",
      client.admin.account(eventsTopic(this.#settings), { group }),
      () => [BROKER],
    );
    for (const account of accounts) this.#history.record({ type: "state", topic, group, ...account });
    await this.#patiently("closing", stage.close(CLOSE_TIMEOUT_MS));
    this.#history.end();
    return accounts;
  }
  async #replay(monitor: Monitor): Promise<void> {
    const stage = this.#stage;
    const stopped = new AbortController();
    const director = new FaultDirector({
      stage,
      plan: this.#options.faults ? planMarked(this.#options.seed) : [],
      history: this.#history,
      leaseTtlMs: this.#settings.leaseTtlMs,
      holders: () => new Map(monitor.queues.map(({ queue, lease }) => [queue, lease?.holder ?? null])),
      dealtWith: () => monitor.dealtWith,
      events: this.#log.events.length,
      tell: (text) => this.#view.say(text, "fault"),
      signal: AbortSignal.any([this.#signal, stopped.signal]),
    });
    this.#director = director;
    let struck = false;
    const striking = director.run().then(() => {
      struck = true;
    });
    try {
      await this.#or(
        Promise.race([this.#untilDrained(monitor, () => struck), striking.then(() => new Promise<never>(() => {}))]),
      );
    } finally {
      stopped.abort();
      await striking.catch(() => {});
    }
  }
  async #untilDrained(monitor: Monitor, struck: () => boolean): Promise<void> {
    const events = this.#log.events.length;
    const watchdog = new Watchdog({ overallMs: 120_000 + (3_000 * events) / replayRate(this.#options, events) });
    for (;;) {
      await sleep(TICK_MS);
      this.#signal.throwIfAborted();
      const { sent, acknowledged, refused, done } = this.#stage.producers();
      const { handled, failed } = this.#stage.consumers();
      this.#view.show(this.frame(done ? "draining" : "running"));
      watchdog.check({
        sent,
        acknowledged,
        refused,
        handled,
        failed,
        "dealt with": monitor.dealtWith,
        faults: this.faults.length,
        broker: monitor.answering ? "up" : "away",
      });
      if (!done || !struck()) continue;
      const group = await monitor.ask();
      if (group !== null && isDrained(group, acknowledged)) return;
    }
  }
  #patiently<T>(what: string, work: Promise<T>, waitingFor = () => this.#stage.awaited): Promise<T> {
    return this.#or(patiently(what, work, waitingFor, (text) => this.#view.say(text)));
  }
  /** `work`, unless something fails or a person stops it before. */
  #or<T>(work: Promise<T>): Promise<T> {
    return unlessAborted(Promise.race([work, this.#stage.failure]), this.#signal);
  }

  frame(phase: Frame["phase"]): Frame {
    const dealtWith = this.#monitor?.dealtWith ?? 0;
    const now = performance.now();
    this.#samples = [...this.#samples.filter(({ at }) => now - at < 2_000), { at: now, dealtWith }];
    const first = this.#samples[0];
    const { handled, failed } = this.#stage.consumers();
    return {
      phase,
      elapsedMs: now - this.#startedAt,
      events: this.#log.events.length,
      sent: Math.max(dealtWith, this.#stage.producers().sent), // what producers say comes a little late
      dealtWith,
      handled,
      failed,
      perSecond:
        first === undefined || now - first.at < 500
          ? 0
          : Math.round(((dealtWith - first.dealtWith) * 1_000) / (now - first.at)),
      brokerAnswers: this.#monitor?.answering ?? false,
      queues: this.#monitor?.queues ?? [],
    };
  }
}
