import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ChildSpec, Order, Tell } from "./child-messages.ts";
import { DemoError } from "./demo-error.ts";

/** The program runs again with `child` as its first word to become a child. */
const MAIN = fileURLToPath(new URL("./main.js", import.meta.url));
const STDERR_KEPT = 4_096;

/** One child process as the driver sees it. */
export class ChildHandle {
  readonly spec: ChildSpec;
  /** `consumer-2#1` */
  readonly incarnation: string;
  /** Resolves when it is up; rejects when it cannot be. */
  readonly ready: Promise<void>;
  readonly exited: Promise<void>;
  readonly #process: ChildProcess;
  readonly #listeners: { readonly onTell: (tell: Tell) => void; readonly onFailure: (error: DemoError) => void };
  /** It is not up yet, or not gone yet although it was told to end. */
  isAwaited = true;
  #expected = false;
  #paused = false;
  #failure: DemoError | null = null;
  #stderr = "";
  #resolveReady!: () => void;
  #rejectReady!: (error: DemoError) => void;

  constructor(
    spec: ChildSpec,
    listeners: { readonly onTell: (tell: Tell) => void; readonly onFailure: (error: DemoError) => void },
  ) {
    this.spec = spec;
    this.incarnation = `${spec.name}#${spec.incarnation}`;
    this.#listeners = listeners;
    this.ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    this.ready.catch(() => {}); // whoever waits hears it; so does `onFailure`
    this.#process = fork(MAIN, ["child", this.incarnation], { stdio: ["ignore", "ignore", "pipe", "ipc"] });
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT);
    });
    this.#process.on("message", (tell: Tell) => this.#hear(tell));
    this.#process.on("error", (error) => this.#fail(error.message));
    this.exited = new Promise((resolve) => {
      this.#process.once("exit", (code, signal) => {
        this.isAwaited = false;
        if (!this.#expected) this.#fail(`ended unexpectedly (${signal ?? `status ${code}`})${this.#lastWords()}`);
        resolve();
      });
    });
    this.order({ type: "begin", spec });
  }
  get pid(): number | null {
    return this.#process.pid ?? null;
  }
  order(order: Order): void {
    if (this.#process.connected) this.#process.send(order, () => {}); // a child that has died is heard of by `exit`
  }
  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    this.#expected = true;
    this.#process.kill("SIGKILL"); // also ends a stopped process
    await this.exited;
  }
  pause(): void {
    this.#paused = true;
    this.#process.kill("SIGSTOP");
  }
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#process.kill("SIGCONT");
  }
  /** Ends it in an orderly way; whether it did so in time. */
  async close(timeoutMs: number): Promise<boolean> {
    this.#expected = true;
    this.isAwaited = true;
    this.resume();
    this.order({ type: "close", timeoutMs });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(resolve, timeoutMs + 2_000, false);
    });
    const inTime = await Promise.race([this.exited.then(() => true), late]);
    clearTimeout(timer);
    if (!inTime) await this.kill();
    return inTime && this.#failure === null;
  }
  /** For the last moment of the driver: no waiting. */
  killNow(): void {
    this.#expected = true;
    this.#process.kill("SIGKILL");
  }

  #hear(tell: Tell): void {
    if (tell.type === "ready") {
      this.isAwaited = false;
      this.#resolveReady();
    } else if (tell.type === "failed") this.#fail(tell.message, tell.code);
    else this.#listeners.onTell(tell);
  }
  #fail(text: string, code: string | null = null): void {
    if (this.#failure !== null) return;
    this.#failure = new DemoError("PROCESS_FAILED", this.#explain(text, code));
    this.#rejectReady(this.#failure);
    this.#listeners.onFailure(this.#failure);
  }
  #explain(text: string, code: string | null): string {
    if (code === "STORE_IN_USE") return `the data folder ${this.spec.dataPath} is in use by another broker`;
    return `${this.incarnation}: ${text}${code === null ? "" : ` (${code})`}`;
  }
  #lastWords(): string {
    const said = this.#stderr
      .trim()
      .split("\n")
      .filter((line) => line.trim() !== "");
    return said.length === 0 ? "" : `: ${(said.find((line) => /Error/.test(line)) ?? said.at(-1) ?? "").trim()}`;
  }
}
