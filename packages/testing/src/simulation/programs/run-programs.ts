import { type Client, isMessagingError, type QueueAccount } from "@seriatim/actors/client";
import type { HistoryEvent } from "../../history/history-event.ts";
import { brokerSlot } from "../engine/broker-app.ts";
import { connectClient } from "../engine/connect-client.ts";
import { FaultInjector } from "../engine/fault-injector.ts";
import { describeError, type Incarnation, ProcessSlot } from "../engine/process-slot.ts";
import { World } from "../engine/world.ts";
import { ProcessRuntime } from "../network/process-runtime.ts";
import type { Sometimes } from "../watch/sometimes.ts";
import type { SimulationPlan } from "./draw-plan.ts";
import { judgeSimulation } from "./judge.ts";
import type { ClientNotes } from "./noted-client.ts";
import type { CheckedOptions } from "./options.ts";
import type { SimulationProblem } from "./simulation-error.ts";
import { mayComeOfFault, type Stage, UserProcess } from "./user-process.ts";

export interface SimulationResult {
  readonly plan: SimulationPlan;
  /** None: the seed passed. */
  readonly problems: readonly SimulationProblem[];
  readonly traceHash: string;
  readonly sometimes: Readonly<Record<Sometimes, number>>;
  readonly history: readonly HistoryEvent[];
  readonly virtualMs: number;
}
const LOOK_MS = 500;
/** After a program ended by what a fault did to it. */
const RESTART_MS = 500;
/** For the beginning and the orderly end, beside the two phases. */
const SPARE_MS = 300_000;

/** Runs one seed's plan: faults, then healed until all is dealt with, then judged. */
export async function runSimulation<Shared>(
  plan: SimulationPlan,
  options: CheckedOptions<Shared>,
  onLine?: (line: HistoryEvent) => void,
): Promise<SimulationResult> {
  const { seed, broker, network } = plan;
  const world = new World({ seed, broker, network, topics: options.topics });
  world.book.countOrdinals();
  world.book.onLine = onLine ?? null;
  const run = new Run(world, plan, options);
  try {
    await world.runtime.run(run.play(), plan.faultsForMs + 2 * options.healWithinMs + SPARE_MS);
  } catch (error) {
    world.violate("P8", `the run does not end: ${describeError(error)}`);
  }
  run.destroy();
  const problems = [...run.problems, ...(await run.judge())];
  return {
    plan,
    problems,
    traceHash: world.trace.digest,
    sometimes: world.counters.counts,
    history: world.book.lines,
    virtualMs: world.runtime.now(),
  };
}

class Run<Shared> implements Stage<Shared>, ClientNotes {
  readonly shared: Shared;
  readonly notes: ClientNotes = this;
  readonly #world: World;
  readonly #plan: SimulationPlan;
  readonly #options: CheckedOptions<Shared>;
  readonly #broker: ReturnType<typeof brokerSlot>;
  readonly #slots: readonly ProcessSlot<UserProcess<Shared>>[];
  readonly #faults: FaultInjector;
  readonly #problems: SimulationProblem[] = [];
  /** What consumers said of their groups, by `topic group`; the list that every process's first line of the history shows. */
  readonly #groups = new Map<string, { readonly topic: string; readonly group: string }>();
  readonly #settings: object[] = [];
  /** Orders without an answer. */
  readonly #orders = new Set<{ readonly subscription: string }>();
  /** What ended a program last, when a fault explains it. */
  readonly #lastExits = new Map<string, string>();
  #ends = false;
  #isComplete = false;

  constructor(world: World, plan: SimulationPlan, options: CheckedOptions<Shared>) {
    this.shared = options.shared?.() as Shared;
    this.#world = world;
    this.#plan = plan;
    this.#options = options;
    this.#broker = brokerSlot(world);
    this.#slots = plan.processes.map(
      ({ name, kind }) =>
        new ProcessSlot(world, {
          name,
          role: kind,
          settings: { settings: this.#settings },
          begin: (incarnation) =>
            new UserProcess(incarnation, this, (context) => options.processes[kind]?.start(context)),
        }),
    );
    this.#faults = new FaultInjector(world, { broker: this.#broker, clients: this.#slots });
  }

  /* ---------- what processes tell ---------- */

  consumes(settings: { readonly topic: string; readonly group: string }): void {
    const name = `${settings.topic} ${settings.group}`;
    if (this.#groups.has(name)) return;
    this.#groups.set(name, settings);
    this.#settings.push(settings);
  }
  ordered(topic: string, group: string): { answered(): void } {
    const order = { subscription: `${topic} ${group}` };
    this.#orders.add(order);
    return { answered: () => void this.#orders.delete(order) };
  }
  threw({ process, side }: Incarnation, error: unknown): void {
    const { runtime } = this.#world;
    const text = nameError(error);
    const struck = this.#plan.faults.some(({ atMs }) => atMs <= runtime.now());
    if (!struck || !mayComeOfFault(error)) {
      this.#problems.push({ broken: "process", text: `${process} threw ${text}`, atMs: runtime.now(), cause: error });
      return;
    }
    this.#lastExits.set(side.name, text);
    const slot = this.#slots.find(({ name }) => name === side.name);
    if (slot?.incarnation?.process === process) slot.kill(false);
    runtime.setTimeout(() => {
      if (!this.#ends) slot?.start();
    }, RESTART_MS);
  }

  /* ---------- the run ---------- */

  async play(): Promise<void> {
    const world = this.#world;
    const { runtime, history } = world;
    history.record({ type: "start", role: "driver" });
    this.#broker.start();
    for (const [index, slot] of this.#slots.entries())
      runtime.setTimeout(() => slot.start(), this.#plan.processes[index]?.startsAtMs ?? 0);
    const client = await this.#driver();
    this.#faults.schedule(this.#plan.faults);
    await world.sleep(this.#plan.faultsForMs + 1);

    world.healed = true;
    world.counters.loadGoesOn = false;
    await this.#faults.heal();
    if (!(await this.#untilDone(client))) return;
    // Those who only send go first: what they still have in hand has to be dealt with too.
    await this.#leave(this.#slots.filter(({ app }) => app?.consumes !== true));
    if (!(await this.#untilDone(client))) return;
    await this.#leave(this.#slots);
    await this.#tellStates(client);
    history.end();
    this.#isComplete = true;
  }
  async #driver(): Promise<Client> {
    const world = this.#world;
    const runtime = new ProcessRuntime({
      base: world.runtime,
      random: world.stream("driver"),
      wallAheadMs: 0,
      onCrash: (error) => world.violate("P11", `the driver threw ${describeError(error)}`),
    });
    const side = { name: "driver", runtime };
    const incarnation = { world, process: "driver#1", side, runtime, history: world.history };
    return (await connectClient(incarnation, () => false)) as Client;
  }
  async #leave(slots: readonly ProcessSlot[]): Promise<void> {
    if (slots.length === this.#slots.length) this.#ends = true;
    await Promise.all(slots.map((slot) => slot.leave()));
  }

  /** Waits until every program has ended or only consumes, and every backlog is 0, and nothing happens any more. False: that took too long. */
  async #untilDone(client: Client): Promise<boolean> {
    const { runtime, book } = this.#world;
    const until = runtime.now() + this.#options.healWithinMs;
    let lines = -1;
    for (;;) {
      if (this.#problems.length > 0) return false;
      const backlog = await this.#backlog(client);
      const rest = this.#slots.every(({ app }) => app === null || (!app.isUnderWay && app.isQuiet));
      if (backlog === 0 && rest && book.lines.length === lines) return true;
      if (runtime.now() > until) {
        await this.#tellStuck(client);
        return false;
      }
      lines = book.lines.length;
      await this.#world.sleep(LOOK_MS);
    }
  }
  /** What all groups together have not dealt with; a halted queue waits for a person. */
  async #backlog(client: Client): Promise<number> {
    let open = 0;
    for (const of of this.#groups.values())
      for (const account of (await this.#account(client, of)) ?? UNKNOWN) if (!account.halted) open += account.backlog;
    return open;
  }
  async #account(
    client: Client,
    { topic, group }: { readonly topic: string; readonly group: string },
  ): Promise<readonly QueueAccount[] | null> {
    const spec = this.#world.topicSpecs.find(({ name }) => name === topic);
    if (spec === undefined) return [];
    try {
      return await client.admin.account(spec, { group });
    } catch (error) {
      // the broker has no such group: nobody joined it, and nobody may be about to
      const isUnknown = isMessagingError(error, "OPTION_INVALID");
      return isUnknown && !this.#slots.some(({ app }) => app?.consumesIn(topic, group)) ? [] : null;
    }
  }
  async #tellStuck(client: Client): Promise<void> {
    const lines = [`not everything is dealt with ${this.#options.healWithinMs} ms after all faults were healed`];
    for (const { name, app } of this.#slots) {
      if (app?.isUnderWay === true) lines.push(`${name}: its program has neither ended nor does it consume`);
      else if (app?.isQuiet === false) lines.push(`${name}: still has something to send, or no link`);
      const exit = this.#lastExits.get(name);
      if (exit !== undefined) lines.push(`${name}: was started again after ${exit}`);
    }
    for (const of of this.#groups.values()) {
      const { topic, group } = of;
      const accounts = await this.#account(client, of);
      if (accounts === null) lines.push(`${topic} for group ${group}: the broker gives no account`);
      for (const { queue, backlog, cursor, end } of accounts ?? [])
        if (backlog > 0)
          lines.push(`${topic}/${queue} for group ${group}: a backlog of ${backlog}, cursor at ${cursor} of ${end}`);
    }
    this.#world.violate("P8", lines.join("\n      "));
  }
  async #tellStates(client: Client): Promise<void> {
    for (const of of this.#groups.values())
      for (const account of (await this.#account(client, of)) ?? [])
        this.#world.history.record({ type: "state", topic: of.topic, group: of.group, ...account });
  }

  /* ---------- its end ---------- */

  /** Nothing of it goes on once it has been judged. */
  destroy(): void {
    this.#ends = true;
    for (const slot of [this.#broker, ...this.#slots]) slot.kill(false);
  }
  get problems(): readonly SimulationProblem[] {
    const promises = this.#world.problems.map(({ promise, text, atMs }) => ({ broken: promise, text, atMs }));
    return [...this.#problems, ...promises];
  }
  /** The history against the promises; then, when the run came to its end, the user's own check. */
  async judge(): Promise<readonly SimulationProblem[]> {
    const unclear = new Set([...this.#orders].map(({ subscription }) => subscription));
    const problems = await judgeSimulation(this.#world, { faults: this.#plan.faults, unclear });
    const { check } = this.#options;
    if (check === undefined || !this.#isComplete) return problems;
    try {
      await check({ shared: this.shared, history: this.#world.book.lines, seed: this.#plan.seed });
    } catch (error) {
      problems.unshift({ broken: "check", text: nameError(error), atMs: null, cause: error });
    }
    return problems;
  }
}
/** What was thrown, in a line; its stack is in `cause`. */
const nameError = (error: unknown): string =>
  isMessagingError(error) ? `${error.code}: ${error.message}` : String(error);

/** While the broker cannot be asked, it counts as having something left. */
const UNKNOWN: readonly Pick<QueueAccount, "backlog" | "halted">[] = [{ backlog: 1, halted: false }];
