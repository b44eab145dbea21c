import { type ChildProcess, fork } from "node:child_process";
import { leftBehind } from "./left-behind.ts";
import type { FromRole, Task, ToRole } from "./talk.ts";

type Told<T extends FromRole["type"]> = Extract<FromRole, { readonly type: T }>;

const END_MS_MAX = 5_000;

/** A process of a run, and what it has said. */
export class ChildRole {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #said: FromRole[] = [];
  readonly #exited: Promise<void>;
  #look: () => void = () => {};
  #exitCode: number | null = null;

  /** @param program what the process runs @param execArgv what Node is told */
  constructor(task: Task, program: string, execArgv: readonly string[] = []) {
    this.#name = `${task.system} ${task.role}`;
    this.#child = fork(program, [JSON.stringify(task)], { execArgv: [...execArgv] });
    leftBehind.roles.add(this.#child);
    this.#child.on("message", (message: FromRole) => {
      if (message.type === "handled") return this.onHandled(message.count); // too many to keep
      this.#said.push(message);
      this.#look();
    });
    this.#exited = new Promise((resolve) => {
      const ended = (code: number | null): void => {
        this.#exitCode = code ?? 1;
        leftBehind.roles.delete(this.#child);
        this.#look();
        resolve();
      };
      this.#child.once("exit", ended);
      // One that cannot be started fails its row, not the run.
      this.#child.on("error", () => this.#child.pid === undefined && ended(null));
    });
  }
  /** Hears of a consumer's progress, where the row asks for it. */
  onHandled: (count: number) => void = () => {};
  get pid(): number | undefined {
    return this.#child.pid;
  }
  tell(message: ToRole): void {
    if (this.#child.connected) this.#child.send(message, () => {}); // one that has ended is heard of by its end
  }
  /** @throws when the process ends first, or says nothing of the kind in time */
  async hear<T extends FromRole["type"]>(type: T, timeoutMs: number): Promise<Told<T>> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const found = this.#said.find((message) => message.type === type);
      if (found !== undefined) return found as Told<T>;
      if (this.#exitCode !== null) throw new Error(`${this.#name} ended with ${this.#exitCode} before "${type}"`);
      if (performance.now() > deadline) throw new Error(`${this.#name}: no "${type}" within ${timeoutMs / 1000} s`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1_000);
        this.#look = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
  /** Tells it something, and hears what it says to that, however often before it has. */
  async ask<T extends FromRole["type"]>(message: ToRole, type: T, timeoutMs: number): Promise<Told<T>> {
    for (let at = this.#said.length - 1; at >= 0; at--) if (this.#said[at]?.type === type) this.#said.splice(at, 1);
    this.tell(message);
    return await this.hear(type, timeoutMs);
  }
  /** CPU it has used so far, ms. */
  async cpuMs(): Promise<number> {
    const before = this.#said.length;
    this.tell({ type: "cpu" });
    for (let waitedMs = 0; waitedMs < END_MS_MAX; waitedMs += 5) {
      const answer = this.#said.slice(before).find((message) => message.type === "cpu");
      if (answer !== undefined) return answer.cpuMs;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`${this.#name} did not tell its CPU time`);
  }
  /** Resolves when it has ended, of itself or killed. */
  get ended(): Promise<void> {
    return this.#exited;
  }
  kill(): void {
    this.#child.kill("SIGKILL");
  }
  /** Asks it to stop; kills it when it does not. */
  async end(): Promise<void> {
    this.tell({ type: "stop" });
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), END_MS_MAX);
    await this.#exited;
    clearTimeout(timer);
  }
}
