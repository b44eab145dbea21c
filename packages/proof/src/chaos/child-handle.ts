import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ChildSpec, Order, Tell } from "./child-messages.ts";

/** The program runs again with `child` as its first word to become a child. */
const MAIN = fileURLToPath(new URL("./main.js", import.meta.url));
const STDERR_KEPT = 4_096;

/** How a child came to its end. */
export interface Ending {
  /** The driver wanted it. */
  readonly expected: boolean;
  readonly text: string;
}

/** One child process as the driver sees it. */
export class ChildHandle {
  readonly spec: ChildSpec;
  /** `consumer-2#1` */
  readonly incarnation: string;
  /** Whether it came up; false when it ended before. */
  readonly ready: Promise<boolean>;
  readonly ended: Promise<Ending>;
  readonly #process: ChildProcess;
  #expected = false;
  #frozen = false;
  #over = false;
  #failure: string | null = null;
  #stderr = "";

  constructor(spec: ChildSpec, onTell: (tell: Tell) => void) {
    this.spec = spec;
    this.incarnation = `${spec.name}#${spec.incarnation}`;
    this.#process = fork(MAIN, ["child", this.incarnation], { stdio: ["ignore", "ignore", "pipe", "ipc"] });
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT);
    });
    let up: (isUp: boolean) => void = () => {};
    this.ready = new Promise((resolve) => {
      up = resolve;
    });
    this.#process.on("message", (tell: Tell) => {
      if (tell.type === "ready") up(true);
      else if (tell.type === "failed") this.#failure = `${tell.message}${tell.code === null ? "" : ` (${tell.code})`}`;
      else onTell(tell);
    });
    this.ended = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#over = true;
        up(false);
        resolve({ expected: this.#expected, text: this.#failure ?? `ended with ${how}${this.#lastWords()}` });
      };
      this.#process.once("error", (error) => end(error.message));
      this.#process.once("exit", (code, signal) => end(signal ?? `status ${code}`));
    });
    this.order({ type: "begin", spec });
  }
  get pid(): number {
    return this.#process.pid ?? 0;
  }
  get isAlive(): boolean {
    return !this.#over;
  }
  get isFrozen(): boolean {
    return this.#frozen;
  }
  order(order: Order): void {
    if (this.#process.connected) this.#process.send(order, () => {}); // one that has died is heard of by its end
  }
  /** Ends it as a crash would; whether it was alive until then. */
  async kill(): Promise<boolean> {
    const wasAlive = this.isAlive;
    this.killNow();
    await this.ended;
    return wasAlive && this.#process.signalCode === "SIGKILL";
  }
  /** For the last moment of the driver: no waiting. */
  killNow(): void {
    this.#expected = true;
    this.#process.kill("SIGKILL"); // also ends a stopped process
  }
  freeze(): boolean {
    this.#frozen = this.isAlive && this.#process.kill("SIGSTOP");
    return this.#frozen;
  }
  thaw(): void {
    this.#frozen = false;
    this.#process.kill("SIGCONT");
  }
  /** Ends it in order; whether it did so in time. */
  async close(timeoutMs: number): Promise<boolean> {
    this.#expected = true;
    this.order({ type: "close", timeoutMs });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(resolve, timeoutMs + 5_000, false);
    });
    const inTime = await Promise.race([this.ended.then(() => true), late]);
    clearTimeout(timer);
    if (!inTime) await this.kill();
    return inTime && this.#failure === null;
  }
  #lastWords(): string {
    const said = this.#stderr.trim();
    return said === "" ? "" : `: ${said.slice(-600)}`;
  }
}
