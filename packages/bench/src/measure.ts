import { type ChildProcess, fork } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { FromRole, Settings, ToRole } from "./protocol.ts";

export interface Measured {
  readonly messagesPerSecond: number;
  /** CPU of each process per message, µs. */
  readonly cpuMicros: { readonly broker: number; readonly producer: number; readonly consumer: number };
}
const RUN_MS_MAX = 120_000;

/** One run: a broker, a producer and a consumer, each a process of its own. From the first send to the last acknowledgement. @throws when order, loss or a send was wrong */
export async function measure(given: Omit<Settings, "url" | "dataFolder">): Promise<Measured> {
  const dataFolder = await mkdtemp(join(tmpdir(), "seriatim-bench-"));
  const roles: Role[] = [];
  const start = (name: string, settings: Settings): Role => {
    const role = new Role(name, settings);
    roles.push(role);
    return role;
  };
  try {
    const broker = start("broker", { ...given, url: "", dataFolder });
    const { url = "" } = await broker.hear("ready");
    const consumer = start("consumer", { ...given, url, dataFolder });
    await consumer.hear("ready");
    const producer = start("producer", { ...given, url, dataFolder });
    await producer.hear("ready");
    producer.tell({ type: "go" });
    const started = await producer.hear("started");
    const [sent, handled] = await Promise.all([producer.hear("done"), consumer.hear("done")]);
    for (const wrong of [...sent.wrong, ...handled.wrong]) throw new Error(`the run is not valid: ${wrong}`);
    broker.tell({ type: "stop" });
    const served = await broker.hear("done");
    const perMessage = (cpuMs: number): number => (cpuMs * 1000) / given.messages;
    return {
      messagesPerSecond: given.messages / ((Math.max(sent.atMs, handled.atMs) - started.atMs) / 1000),
      cpuMicros: {
        broker: perMessage(served.cpuMs),
        producer: perMessage(sent.cpuMs),
        consumer: perMessage(handled.cpuMs),
      },
    };
  } finally {
    await Promise.all(roles.map((role) => role.end()));
    await rm(dataFolder, { recursive: true, force: true });
  }
}

/** A child process and what it has said. */
class Role {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #said: FromRole[] = [];
  readonly #exited: Promise<void>;
  #look: () => void = () => {};
  #exitCode: number | null = null;

  constructor(name: string, settings: Settings) {
    this.#name = name;
    this.#child = fork(fileURLToPath(new URL("./role.js", import.meta.url)), [name, JSON.stringify(settings)]);
    this.#child.on("message", (message: FromRole) => {
      this.#said.push(message);
      this.#look();
    });
    this.#exited = new Promise((resolve) =>
      this.#child.once("exit", (code) => {
        this.#exitCode = code ?? 1;
        this.#look();
        resolve();
      }),
    );
  }
  tell(message: ToRole): void {
    if (this.#child.connected) this.#child.send(message);
  }
  async hear<T extends FromRole["type"]>(type: T): Promise<Extract<FromRole, { readonly type: T }>> {
    const deadline = performance.now() + RUN_MS_MAX;
    for (;;) {
      const found = this.#said.find((message) => message.type === type);
      if (found !== undefined) return found as Extract<FromRole, { readonly type: T }>;
      if (this.#exitCode !== null)
        throw new Error(`the ${this.#name} ended with ${this.#exitCode} before it said "${type}"`);
      if (performance.now() > deadline)
        throw new Error(`the ${this.#name} did not say "${type}" within ${RUN_MS_MAX / 1000} s`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1_000);
        this.#look = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
  async end(): Promise<void> {
    this.tell({ type: "stop" });
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 5_000);
    await this.#exited;
    clearTimeout(timer);
  }
}
