import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Child, type EventLog, eventLines, freePort, type HistoryWriter, OutsideWorld, shares } from "@seriatim/rig";
import type { ChildSpec, Order, ProducerStatus, Role, Tell } from "./child-messages.ts";
import { sleep } from "./connect.ts";
import { FaultyProxy } from "./proxy.ts";
import { BROKER, CONSUMERS, PRODUCERS, type RoundSettings } from "./settings.ts";

export interface StageOptions {
  readonly folder: string;
  readonly historyDir: string;
  readonly dataPath: string;
  readonly log: EventLog;
  readonly settings: RoundSettings;
  readonly history: HistoryWriter;
  /** A broker that ends by itself may be one that its disk failed. */
  readonly mayBrokerEnd: () => boolean;
  readonly onBrokerEnded: () => void;
}
const RESTART_PATIENCE_MS = 120_000;
const RETRY_MS = 300;
const NAMES: readonly string[] = [BROKER, ...PRODUCERS.map(({ name }) => name), ...CONSUMERS];
export const CLIENTS = NAMES.slice(1);
export const roleOf = (name: string): Role =>
  name === BROKER ? "broker" : name.startsWith("producer") ? "producer" : "consumer";

/** The program runs again with `child` as its first word to become a child. */
const MAIN = fileURLToPath(new URL("./main.js", import.meta.url));

interface Member {
  readonly spec: ChildSpec;
  readonly child: Child<Order, Tell>;
  /** Whether it came up; false when it ended before. */
  readonly ready: Promise<boolean>;
}

/** The processes of a round, each client behind a proxy of its own, and the outside world their handlers write to. */
export class Stage {
  readonly world = new OutsideWorld();
  /** Rejects when something ended that nobody had told to. */
  readonly failure: Promise<never>;
  readonly proxies: ReadonlyMap<string, FaultyProxy>;
  readonly brokerPort: number;
  readonly #options: StageOptions;
  readonly #members = new Map<string, Member>();
  readonly #incarnations = new Map<string, number>();
  readonly #starting = new Map<string, Promise<void>>();
  readonly #producers = new Map<string, ProducerStatus>();
  #fail!: (error: Error) => void;
  #allowed = 0;
  #calm = false;
  #destroyed = false;

  private constructor(options: StageOptions, brokerPort: number, proxies: ReadonlyMap<string, FaultyProxy>) {
    this.#options = options;
    this.brokerPort = brokerPort;
    this.proxies = proxies;
    this.failure = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failure.catch(() => {});
  }
  static async open(options: StageOptions): Promise<Stage> {
    const brokerPort = await freePort();
    const proxies = new Map<string, FaultyProxy>();
    for (const name of CLIENTS) proxies.set(name, await FaultyProxy.open({ targetPort: brokerPort }));
    const { log, folder } = options;
    for (const [index, share] of shares(log, PRODUCERS.length).entries())
      writeFileSync(join(folder, `${PRODUCERS[index]?.name}.events.jsonl`), eventLines(share));
    return new Stage(options, brokerPort, proxies);
  }

  async startAll(names: readonly string[] = NAMES): Promise<void> {
    await Promise.all(names.map((name) => this.start(name)));
  }
  /**
   * Starts the next incarnation, unless one is starting or alive: several faults may each want it back.
   * A broker whose disk is full is tried again until it has room.
   */
  start(name: string): Promise<void> {
    if (this.#members.get(name)?.child.isUp === true) return Promise.resolve();
    const starting = this.#starting.get(name) ?? this.#start(name).finally(() => this.#starting.delete(name));
    this.#starting.set(name, starting);
    return starting;
  }
  async #start(name: string): Promise<void> {
    const until = performance.now() + RESTART_PATIENCE_MS;
    for (;;) {
      const { child, ready } = this.#spawn(name);
      if (await ready) return;
      const { expected, text } = await child.ended;
      if (this.#destroyed) return;
      // killed by a fault that struck while it started: it is started for that fault, too
      const mayRetry = expected || (name === BROKER && this.#options.mayBrokerEnd() && performance.now() < until);
      if (!mayRetry) {
        this.#fail(new Error(`${child.name} did not start: ${text}\n${child.stderr}`));
        return;
      }
      await sleep(RETRY_MS);
    }
  }
  /** SIGKILL; whether it was alive until then. */
  async kill(name: string): Promise<boolean> {
    const child = this.#child(name);
    this.#options.history.record({ type: "fault", fault: "kill", target: child.name });
    return child.kill();
  }
  freeze(name: string): boolean {
    const child = this.#child(name);
    const done = child.freeze();
    if (done) this.#options.history.record({ type: "fault", fault: "pause", target: child.name });
    this.#guard();
    return done;
  }
  thaw(name: string): void {
    const child = this.#child(name);
    this.#options.history.record({ type: "fault", fault: "resume", target: child.name });
    child.thaw();
    this.#guard();
  }
  /** Ends it in order; one that is late is killed. */
  async close(name: string, timeoutMs: number): Promise<boolean> {
    const child = this.#child(name);
    const inTime = await child.end(timeoutMs);
    if (!inTime) this.#options.history.record({ type: "fault", fault: "kill", target: child.name });
    return inTime;
  }
  pid(name: string): number {
    return this.#child(name).pid ?? 0;
  }
  isAlive(name: string): boolean {
    return this.#child(name).isUp;
  }
  incarnation(name: string): string {
    return this.#child(name).name;
  }

  /** Producers may send up to this share of their events. */
  allow(upTo: number): void {
    this.#allowed = upTo;
    this.#toAll("producer", { type: "allow", upTo });
  }
  /** Handlers fail no more. */
  calm(): void {
    this.#calm = true;
    this.#toAll("consumer", { type: "calm" });
  }
  /** Consumers start no more messages and producers send large bodies, so that the store fills; or no longer. */
  swell(paddingBytes: number): void {
    this.#toAll("producer", { type: "pad", bytes: paddingBytes });
    this.#toAll("consumer", { type: "rest", resting: paddingBytes > 0 });
  }
  get acknowledged(): number {
    return [...this.#producers.values()].reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  }
  get isBlocked(): boolean {
    return [...this.#producers.values()].some(({ blocked }) => blocked);
  }
  get paths(): readonly string[] {
    return CLIENTS.map((name) => `${name}: ${this.proxies.get(name)?.openLinks ?? 0} links`);
  }
  /** At once; nothing is left running. Idempotent. */
  async destroy(): Promise<void> {
    this.#destroyed = true;
    await Promise.all([...this.#members.values()].map(({ child }) => child.kill()));
    await Promise.all([...this.proxies.values()].map((proxy) => proxy.close()));
  }

  #child(name: string): Child<Order, Tell> {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`there is no process ${name}`);
    return member.child;
  }
  #spawn(name: string): Member {
    if (this.#destroyed) throw new Error("the round has ended");
    const { folder, historyDir, dataPath, settings } = this.#options;
    const incarnation = (this.#incarnations.get(name) ?? 0) + 1;
    this.#incarnations.set(name, incarnation);
    const role = roleOf(name);
    const spec: ChildSpec = {
      role,
      name,
      incarnation,
      settings,
      historyFile: join(historyDir, `${name}.${incarnation}.jsonl`),
      port: this.proxies.get(name)?.port ?? this.brokerPort,
      dataPath,
      eventsFile: join(folder, `${name}.events.jsonl`),
      outboxFile: join(folder, `${name}.outbox`),
    };
    const incarnationName = `${name}#${incarnation}`;
    const child = new Child<Order, Tell>({
      name: incarnationName,
      program: MAIN,
      args: ["child", incarnationName],
      spec,
    });
    child.takes = (tell) => this.#hear(child, name, tell);
    const ready = child.hear("ready").then(
      () => true,
      () => false,
    );
    const member = { spec, child, ready };
    this.#members.set(name, member);
    if (role === "producer") child.tell({ type: "allow", upTo: this.#allowed });
    if (role === "consumer" && this.#calm) child.tell({ type: "calm" });
    void ready.then(async (isUp) => {
      const { expected, text } = await child.ended;
      if (!isUp || expected || this.#destroyed) return;
      if (name === BROKER && this.#options.mayBrokerEnd()) {
        this.#options.history.record({ type: "fault", fault: "crash", target: child.name, text });
        this.#options.onBrokerEnded();
      } else this.#fail(new Error(`${child.name} ended by itself: ${text}\n${child.stderr}`));
    });
    this.#guard();
    return member;
  }
  #hear(child: Child<Order, Tell>, name: string, tell: Tell): boolean {
    if (tell.type === "ready") return false;
    if (tell.type === "write")
      child.tell({ type: "written", outcomes: tell.writes.map((write) => this.world.apply(write)) });
    else if (tell.type === "producer") this.#producers.set(name, tell.status);
    return true;
  }
  #toAll(role: Role, order: Order): void {
    for (const { spec, child } of this.#members.values()) if (spec.role === role) child.tell(order);
  }
  /** Should the driver die, the others continue whoever is stopped then. */
  #guard(): void {
    const children = [...this.#members.values()].map(({ child }) => child);
    const pids = children.filter(({ isFrozen }) => isFrozen).flatMap(({ pid }) => pid ?? []);
    for (const child of children) child.guard(pids);
  }
}
