import { writeFile } from "node:fs/promises";
import { type Client, createClient } from "@seriatim/actors";
import { wsTransport } from "@seriatim/transport-ws";
import { ChildHandle } from "./child-handle.ts";
import type { ChildSpec, Tell } from "./child-messages.ts";
import { DemoError } from "./demo-error.ts";
import { freePort } from "./free-port.ts";
import { Projection } from "./projection.ts";
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

/** Real processes over WebSocket. The driver keeps the outside world: consumers reach it over their IPC channel. */
export class ProcessStage implements Stage {
  readonly projection = new Projection();
  readonly means: Stage["means"] = {
    kill: { fault: "kill", text: "killed (SIGKILL)" },
    freeze: { fault: "pause", text: "frozen (SIGSTOP)" },
  };
  readonly failure: Promise<never>;
  readonly #options: StageOptions;
  readonly #port: number;
  readonly #children = new Map<string, ChildHandle>();
  readonly #producers = new Map<string, ProducerStatus>();
  /** By incarnation: what a killed one had done still counts. */
  readonly #consumers = new Map<string, ConsumerStatus>();
  readonly #occupied = new Map<string, (id: string) => void>();
  readonly #onExit = (): void => {
    for (const child of this.#children.values()) child.killNow();
  };
  #fail!: (error: DemoError) => void;
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
    process.on("exit", this.#onExit);
  }
  static async open(options: StageOptions, port: number | null): Promise<ProcessStage> {
    return new ProcessStage(options, port ?? (await freePort()));
  }

  get awaited(): readonly string[] {
    return [...this.#children.values()].filter((child) => child.isAwaited).map(({ incarnation }) => incarnation);
  }
  async start(): Promise<void> {
    await this.#spawn(BROKER, "broker", 1).ready;
    await Promise.all(
      this.#options.shares.map((share, index) =>
        writeFile(
          this.#eventsFile(`producer-${index + 1}`),
          share.map((event) => `${JSON.stringify(event)}\n`).join(""),
        ),
      ),
    );
    await Promise.all([
      ...producerNames(this.#options).map((name) => this.#spawn(name, "producer", 1).ready),
      ...consumerNames(this.#options).map((name) => this.#spawn(name, "consumer", 1).ready),
    ]);
  }
  allow(upTo: number): void {
    this.#allowed = Math.max(this.#allowed, upTo);
    for (const child of this.#children.values())
      if (child.spec.role === "producer") child.order({ type: "allow", upTo: this.#allowed });
  }
  async occupy(consumer: string, ms: number, patienceMs: number): Promise<string | null> {
    const child = this.#child(consumer);
    let timer: NodeJS.Timeout | undefined;
    const taken = new Promise<string>((resolve) => this.#occupied.set(child.incarnation, resolve));
    const gaveUp = new Promise<null>((resolve) => {
      timer = setTimeout(resolve, patienceMs, null);
    });
    child.order({ type: "occupy", ms });
    const id = await Promise.race([taken, gaveUp]);
    clearTimeout(timer);
    this.#occupied.delete(child.incarnation);
    if (id === null) child.order({ type: "relax" });
    return id;
  }
  async kill(target: string): Promise<void> {
    await this.#child(target).kill();
  }
  async restart(target: string): Promise<void> {
    const { role, incarnation } = this.#child(target).spec;
    await this.#spawn(target, role, incarnation + 1).ready;
  }
  pause(target: string): void {
    const child = this.#child(target);
    this.#child(BROKER).order({ type: "guard", pid: child.pid });
    child.pause();
  }
  resume(target: string): void {
    this.#child(target).resume();
    this.#child(BROKER).order({ type: "guard", pid: null });
  }
  incarnation(target: string): string {
    return this.#child(target).incarnation;
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
    const members = [...this.#children.values()].filter(({ spec }) => spec.role !== "broker");
    await Promise.all(members.map((child) => this.#close(child, timeoutMs)));
  }
  async close(timeoutMs: number): Promise<void> {
    await this.#client?.close({ timeoutMs });
    await this.#close(this.#child(BROKER), timeoutMs);
  }
  async destroy(): Promise<void> {
    if (this.#destroyed) return;
    this.#destroyed = true;
    process.off("exit", this.#onExit);
    await Promise.all([...this.#children.values()].map((child) => child.kill()));
    await this.#client?.close({ timeoutMs: 0 }).catch(() => {});
  }

  get #url(): string {
    return `ws://127.0.0.1:${this.#port}`;
  }
  #eventsFile(name: string): string {
    return `${this.#options.workDir}/${name}.events.jsonl`;
  }
  #child(name: string): ChildHandle {
    const child = this.#children.get(name);
    if (child === undefined) throw new Error(`there is no process ${name}`);
    return child;
  }
  #spawn(name: string, role: Role, incarnation: number): ChildHandle {
    const { settings, historyDir, dataPath } = this.#options;
    if (this.#destroyed) throw new DemoError("INTERRUPTED", "the run has ended");
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
    const child = new ChildHandle(spec, {
      onTell: (tell) => this.#hear(child, tell),
      onFailure: (error) => this.#fail(error),
    });
    this.#children.set(name, child);
    if (role === "producer") child.order({ type: "allow", upTo: this.#allowed });
    return child;
  }
  #hear(child: ChildHandle, tell: Tell): void {
    if (tell.type === "write")
      child.order({ type: "written", outcomes: tell.writes.map((write) => this.projection.apply(write)) });
    else if (tell.type === "producer") this.#producers.set(child.spec.name, tell.status);
    else if (tell.type === "consumer") this.#consumers.set(child.incarnation, tell.status);
    else if (tell.type === "occupied") this.#occupied.get(child.incarnation)?.(tell.id);
  }
  async #close(child: ChildHandle, timeoutMs: number): Promise<void> {
    if (!(await child.close(timeoutMs)))
      throw new DemoError(
        "PROCESS_FAILED",
        `${child.incarnation} did not close in an orderly way within ${timeoutMs / 1_000} s`,
      );
  }
}
