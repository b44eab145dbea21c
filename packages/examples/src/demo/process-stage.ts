import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type Client, createClient } from "@seriatim/actors";
import { Child, type Ending, eventLines, freePort, OutsideWorld, ProgramError } from "@seriatim/rig";
import { wsTransport } from "@seriatim/transport-ws";
import type { ChildSpec, Order, Tell } from "./child-messages.ts";
import { type ConsumerStatus, NO_PRODUCER_STATUS, type ProducerStatus, type Role } from "./roles.ts";
import {
  addConsumers,
  addProducers,
  BROKER,
  consumerNames,
  historyFile,
  producerNames,
  type Stage,
  type StageOptions,
} from "./stage.ts";

/** The program runs again with `child` as its first word to become a child. */
const MAIN = fileURLToPath(new URL("./main.js", import.meta.url));

interface Member {
  readonly spec: ChildSpec;
  readonly child: Child<Order, Tell>;
}

/** Real processes over WebSocket. The driver keeps the outside world: consumers reach it over their IPC channel. */
export class ProcessStage implements Stage {
  readonly world = new OutsideWorld();
  readonly means: Stage["means"] = {
    kill: { fault: "kill", text: "killed (SIGKILL)" },
    freeze: { fault: "pause", text: "frozen (SIGSTOP)" },
  };
  readonly failure: Promise<never>;
  readonly #options: StageOptions;
  readonly #port: number;
  readonly #members = new Map<string, Member>();
  readonly #producers = new Map<string, ProducerStatus>();
  /** By incarnation: what a killed one had done still counts. */
  readonly #consumers = new Map<string, ConsumerStatus>();
  readonly #occupied = new Map<string, (id: string) => void>();
  #fail!: (error: ProgramError) => void;
  #client: Client | null = null;
  #allowed = 0;
  #destroyed = false;

  constructor(options: StageOptions, port: number) {
    this.#options = options;
    this.#port = port;
    this.failure = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failure.catch(() => {});
  }
  static async open(options: StageOptions, port: number | null): Promise<ProcessStage> {
    return new ProcessStage(options, port ?? (await freePort()));
  }

  get awaited(): readonly string[] {
    return [...this.#members.values()].filter(({ child }) => child.isAwaited).map(({ child }) => child.name);
  }
  async start(): Promise<void> {
    await this.#spawn(BROKER, "broker", 1);
    await Promise.all(
      this.#options.shares.map((share, index) =>
        writeFile(this.#eventsFile(`producer-${index + 1}`), eventLines(share)),
      ),
    );
    await Promise.all([
      ...producerNames(this.#options).map((name) => this.#spawn(name, "producer", 1)),
      ...consumerNames(this.#options).map((name) => this.#spawn(name, "consumer", 1)),
    ]);
  }
  allow(upTo: number): void {
    this.#allowed = Math.max(this.#allowed, upTo);
    for (const { child, spec } of this.#members.values())
      if (spec.role === "producer") child.tell({ type: "allow", upTo: this.#allowed });
  }
  async occupy(consumer: string, ms: number, patienceMs: number): Promise<string | null> {
    const child = this.#child(consumer);
    let timer: NodeJS.Timeout | undefined;
    const taken = new Promise<string>((resolve) => this.#occupied.set(child.name, resolve));
    const gaveUp = new Promise<null>((resolve) => {
      timer = setTimeout(resolve, patienceMs, null);
    });
    child.tell({ type: "occupy", ms });
    const id = await Promise.race([taken, gaveUp]);
    clearTimeout(timer);
    this.#occupied.delete(child.name);
    if (id === null) child.tell({ type: "relax" });
    return id;
  }
  async kill(target: string): Promise<void> {
    await this.#child(target).kill();
  }
  async restart(target: string): Promise<void> {
    const { role, incarnation } = this.#member(target).spec;
    await this.#spawn(target, role, incarnation + 1);
  }
  pause(target: string): void {
    const child = this.#child(target);
    if (child.pid !== undefined) this.#child(BROKER).guard([child.pid]);
    child.freeze();
  }
  resume(target: string): void {
    this.#child(target).thaw();
    this.#child(BROKER).guard([]);
  }
  incarnation(target: string): string {
    return this.#child(target).name;
  }
  producers(): ProducerStatus {
    return addProducers(producerNames(this.#options).map((name) => this.#producers.get(name) ?? NO_PRODUCER_STATUS));
  }
  consumers(): ConsumerStatus {
    return addConsumers([...this.#consumers.values()]);
  }
  async client(): Promise<Client> {
    const modules = [wsTransport({ url: this.#url, backoff: { initialMs: 50, maxMs: 500 } })];
    const client = this.#client ?? (await createClient({ name: "driver", modules }));
    this.#client = client;
    return client;
  }
  async closeMembers(timeoutMs: number): Promise<void> {
    const members = [...this.#members.values()].filter(({ spec }) => spec.role !== "broker");
    await Promise.all(members.map(({ child }) => this.#close(child, timeoutMs)));
  }
  async close(timeoutMs: number): Promise<void> {
    await this.#client?.close({ timeoutMs });
    await this.#close(this.#child(BROKER), timeoutMs);
  }
  async destroy(): Promise<void> {
    if (this.#destroyed) return;
    this.#destroyed = true;
    await Promise.all([...this.#members.values()].map(({ child }) => child.kill()));
    await this.#client?.close({ timeoutMs: 0 }).catch(() => {});
  }

  get #url(): string {
    return `ws://127.0.0.1:${this.#port}`;
  }
  #eventsFile(name: string): string {
    return `${this.#options.workDir}/${name}.events.jsonl`;
  }
  #member(name: string): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`there is no process ${name}`);
    return member;
  }
  #child(name: string): Child<Order, Tell> {
    return this.#member(name).child;
  }
  /** Resolves when it is up; rejects when it cannot be. */
  async #spawn(name: string, role: Role, incarnation: number): Promise<void> {
    const { settings, historyDir, dataPath } = this.#options;
    if (this.#destroyed) throw new ProgramError("INTERRUPTED", "the run has ended");
    const spec: ChildSpec = {
      role,
      name,
      incarnation,
      settings,
      dataPath,
      historyFile: historyFile(historyDir, name, incarnation),
      port: this.#port,
      eventsFile: this.#eventsFile(name),
    };
    const child = new Child<Order, Tell>({
      name: `${name}#${incarnation}`,
      program: MAIN,
      args: ["child", `${name}#${incarnation}`],
      spec,
    });
    child.takes = (tell) => this.#hear(child, name, tell);
    this.#members.set(name, { spec, child });
    const failure = child.ended.then((ending) => {
      const error = failureOf(child, spec, ending);
      if (!ending.expected) this.#fail(error);
      throw error;
    });
    failure.catch(() => {});
    if (role === "producer") child.tell({ type: "allow", upTo: this.#allowed });
    await Promise.race([child.hear("ready"), failure]);
  }
  #hear(child: Child<Order, Tell>, name: string, tell: Tell): boolean {
    if (tell.type === "ready") return false;
    if (tell.type === "write")
      child.tell({ type: "written", outcomes: tell.writes.map((write) => this.world.apply(write)) });
    else if (tell.type === "producer") this.#producers.set(name, tell.status);
    else if (tell.type === "consumer") this.#consumers.set(child.name, tell.status);
    else if (tell.type === "occupied") this.#occupied.get(child.name)?.(tell.id);
    return true;
  }
  async #close(child: Child<Order, Tell>, timeoutMs: number): Promise<void> {
    if (!(await child.end(timeoutMs)))
      throw new ProgramError(
        "PROCESS_FAILED",
        `${child.name} did not close in an orderly way within ${timeoutMs / 1_000} s`,
      );
  }
}

function failureOf(child: Child<Order, Tell>, { dataPath }: ChildSpec, { code, text }: Ending): ProgramError {
  const inUse = `the data folder ${dataPath} is in use by another broker`;
  return new ProgramError("PROCESS_FAILED", code === "STORE_IN_USE" ? inUse : `${child.name}: ${text}`);
}
