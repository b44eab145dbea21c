import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

/** What a child says: the answer to a command, or that it has failed. */
export type Said = { readonly type: string } & Readonly<Record<string, unknown>>;

/** A child of a measuring program: the same program again, with `child` and what it is to be as its words, and a collector that can be called. */
export class MeasuredChild {
  /** Hears first what the child says; what it takes is not kept for `hear`. */
  takes: (said: Said) => boolean = () => false;
  readonly #name: string;
  readonly #process: ChildProcess;
  readonly #said: Said[] = [];
  readonly #exited: Promise<unknown>;
  #look: () => void = () => {};
  #stderr = "";

  /** @param heapMiB the largest heap it may have; by default what Node gives it */
  constructor(program: string, name: string, settings: object, heapMiB?: number) {
    this.#name = name;
    this.#process = fork(program, ["child", name, JSON.stringify(settings)], {
      execArgv: ["--expose-gc", ...(heapMiB === undefined ? [] : [`--max-old-space-size=${heapMiB}`])],
      serialization: "advanced", // bytes stay bytes
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4_096);
    });
    this.#process.on("message", (said: Said) => {
      if (this.takes(said)) return;
      this.#said.push(said);
      this.#look();
    });
    this.#exited = once(this.#process, "exit").then(() => this.#look());
  }
  get ended(): Promise<unknown> {
    return this.#exited;
  }
  get isUp(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }
  /** The last of what it wrote there. */
  get stderr(): string {
    return this.#stderr;
  }
  tell(command: string, data: object = {}): void {
    if (this.#process.connected) this.#process.send({ ...data, type: command }, () => {}); // one that has ended is heard of by its end
  }
  /** Sends a command and waits for what answers it. @throws when the child ends first, or says nothing for so long */
  async ask<T extends object>(command: string, data: object = {}, withinMs = 120_000): Promise<T> {
    this.tell(command, data);
    return await this.hear<T>(command, withinMs);
  }
  async hear<T extends object>(type: string, withinMs = 120_000): Promise<T> {
    const end = performance.now() + withinMs;
    for (;;) {
      const index = this.#said.findIndex((said) => said.type === type);
      if (index >= 0) return this.#said.splice(index, 1)[0] as unknown as T;
      if (!this.isUp) throw new Error(`the ${this.#name} process ended before it said "${type}"\n${this.#stderr}`);
      if (performance.now() > end)
        throw new Error(`the ${this.#name} process did not say "${type}" within ${withinMs / 1000} s`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 500);
        this.#look = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
  /** For the last moment of the program: no waiting. */
  killNow(): void {
    this.#process.kill("SIGKILL");
  }
  /** Asks it to end, and ends it when it does not. */
  async end(): Promise<void> {
    this.tell("end");
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), 10_000);
    await this.#exited;
    clearTimeout(timer);
  }
}

type Work = (command: Said) => Promise<object | undefined>;
/** The child's side: says `ready`, then answers each command under its own name. Ends when told to, or when its parent is gone. */
export function answerParent(ready: object, work: Work, close: () => Promise<void>): void {
  const say = (said: object): void => void process.send?.(said);
  process.on("disconnect", () => process.exit(1));
  process.on("message", async (command: Said) => {
    if (command.type === "end") {
      await close();
      process.exit(0);
    }
    try {
      const answer = await work(command);
      if (answer !== undefined) say({ ...answer, type: command.type });
    } catch (error) {
      console.error(error);
      process.exit(1);
    }
  });
  say({ ...ready, type: "ready" });
}
