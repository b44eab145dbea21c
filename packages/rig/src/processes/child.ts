import { type ChildProcess, fork } from "node:child_process";
import { ProgramError } from "../program-error.ts";
import { atExit } from "./at-exit.ts";

/** What goes to and fro between a program and its child: each message names its kind. */
export interface Said {
  readonly type: string;
}
/** Those of the kind. */
type Told<Tell extends Said, T extends Tell["type"]> = Tell extends Said
  ? T extends Tell["type"]
    ? Tell
    : never
  : never;

/** How a child came to its end. */
export interface Ending {
  /** It was told to end, or killed from here. */
  readonly expected: boolean;
  /** Code of the error that it gave as the cause. */
  readonly code: string | null;
  /** For people: what it gave as the cause, or how it ended and its last words. */
  readonly text: string;
}
export interface ChildOptions {
  /** For people: `consumer-2#1`. */
  readonly name: string;
  /** The compiled program. */
  readonly program: string;
  readonly args?: readonly string[];
  /** What Node is told. */
  readonly execArgv?: readonly string[];
  /** What it is to be: the first that it is told, for a child that lives by `serveParent`. */
  readonly spec?: object;
  /** How messages travel: `advanced` leaves bytes as they are, and costs more. @default "json" */
  readonly serialization?: "json" | "advanced";
}
const STDERR_KEPT = 4_096;
/** Beside the time that it was given to end in order, in ms. */
const GRACE_MS = 5_000;

/**
 * A child process as its parent sees it: this repository's own program, forked, that hears orders and says how it goes.
 * It never outlives its parent.
 */
export class Child<Order extends Said, Tell extends Said> {
  readonly name: string;
  /** Once it has ended, and all that it said has been heard. */
  readonly ended: Promise<Ending>;
  /** Hears first what the child says; what it takes is not kept for `hear`. */
  takes: (said: Tell) => boolean = () => false;
  readonly #process: ChildProcess;
  readonly #said: Tell[] = [];
  readonly #listening = new Set<() => void>();
  #ending: Ending | null = null;
  #failure: { readonly code: string | null; readonly message: string } | null = null;
  #isReady = false;
  #isOver = false;
  #isExpected = false;
  #isFrozen = false;
  #stderr = "";

  constructor({ name, program, args = [], execArgv = [], spec, serialization = "json" }: ChildOptions) {
    this.name = name;
    this.#process = fork(program, args, {
      execArgv: [...execArgv],
      serialization,
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    const release = atExit(() => this.killNow());
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT);
    });
    this.#process.on("message", (said: Tell) => this.#hear(said));
    this.ended = new Promise((resolve) => {
      const end = (how: string): void => {
        release();
        this.#isOver = true;
        const code = this.#failure?.code ?? null;
        this.#ending = { expected: this.#isExpected, code, text: this.#explain(how) };
        this.#look();
        resolve(this.#ending);
      };
      this.#process.once("exit", () => {
        this.#isOver = true;
      });
      this.#process.once("close", (code, signal) => end(signal ?? `status ${code}`));
      this.#process.on("error", (error) => this.#process.pid === undefined && end(error.message)); // never started
    });
    if (spec !== undefined) this.#send({ type: "begin", spec });
  }
  get pid(): number | undefined {
    return this.#process.pid;
  }
  get isUp(): boolean {
    return !this.#isOver;
  }
  get isFrozen(): boolean {
    return this.#isFrozen;
  }
  /** It has not said that it is ready, or was told to end and has not. */
  get isAwaited(): boolean {
    return !this.#isOver && (!this.#isReady || this.#isExpected);
  }
  /** The last of what it wrote there. */
  get stderr(): string {
    return this.#stderr;
  }
  /** One that has ended is heard of by its end. */
  tell(order: Order): void {
    this.#send(order);
  }
  /**
   * The first that it says of this kind, or has said and nobody has heard.
   * @throws `PROCESS_FAILED` when it ends first, `STALLED` when it says nothing of the kind in time
   */
  async hear<T extends Tell["type"]>(type: T, withinMs = Number.POSITIVE_INFINITY): Promise<Told<Tell, T>> {
    const until = performance.now() + withinMs;
    for (;;) {
      const at = this.#said.findIndex((said) => said.type === type);
      if (at >= 0) return this.#said.splice(at, 1)[0] as Told<Tell, T>;
      if (this.#ending !== null) throw new ProgramError("PROCESS_FAILED", `${this.name}: ${this.#ending.text}`);
      const leftMs = until - performance.now();
      if (leftMs <= 0) throw new ProgramError("STALLED", `${this.name}: no "${type}" within ${withinMs / 1_000} s`);
      await this.#news(leftMs);
    }
  }
  /** Tells it something, and hears what it says to that; what it has said of the kind before is forgotten. */
  ask<T extends Tell["type"]>(order: Order, type: T, withinMs?: number): Promise<Told<Tell, T>> {
    for (let at = this.#said.length - 1; at >= 0; at--) if (this.#said[at]?.type === type) this.#said.splice(at, 1);
    this.tell(order);
    return this.hear(type, withinMs);
  }
  /** Stops it where it is; false when it has ended. */
  freeze(): boolean {
    this.#isFrozen = this.isUp && this.#process.kill("SIGSTOP");
    return this.#isFrozen;
  }
  thaw(): void {
    if (this.#isFrozen) this.#process.kill("SIGCONT");
    this.#isFrozen = false;
  }
  /** Should this process go while these are stopped, the child continues them. */
  guard(pids: readonly number[]): void {
    this.#send({ type: "guard", pids });
  }
  /** Ends it as a crash would; whether it was up until then. */
  async kill(): Promise<boolean> {
    const wasUp = this.isUp;
    this.killNow();
    await this.ended;
    return wasUp && this.#process.signalCode === "SIGKILL";
  }
  /** Without waiting: for the last moment of this process. */
  killNow(): void {
    this.#isExpected = true;
    this.#process.kill("SIGKILL"); // also ends a stopped process
  }
  /** Tells it to end, and kills it when it is late; whether it ended in order. */
  async end(timeoutMs = GRACE_MS): Promise<boolean> {
    this.#isExpected = true;
    this.thaw();
    this.#send({ type: "end", timeoutMs });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(resolve, timeoutMs + GRACE_MS, false);
    });
    const inTime = await Promise.race([this.ended.then(() => true), late]);
    clearTimeout(timer);
    if (!inTime) await this.kill();
    return inTime && this.#failure === null;
  }

  #send(message: object): void {
    if (this.#process.connected) this.#process.send(message, () => {});
  }
  #hear(said: Tell): void {
    if (said.type === "ended") return; // `ended` tells
    if (said.type === "failed") {
      this.#failure = said as unknown as { code: string | null; message: string };
      return;
    }
    if (said.type === "ready") this.#isReady = true;
    if (this.takes(said)) return;
    this.#said.push(said);
    this.#look();
  }
  #news(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#listening.delete(done);
        resolve();
      };
      const timer = Number.isFinite(withinMs) ? setTimeout(done, withinMs) : undefined;
      this.#listening.add(done);
    });
  }
  #look(): void {
    for (const listener of [...this.#listening]) listener();
  }
  #explain(how: string): string {
    if (this.#failure === null) return `ended unexpectedly (${how})${this.#lastWords()}`;
    const { code, message } = this.#failure;
    return `${message}${code === null ? "" : ` (${code})`}`;
  }
  #lastWords(): string {
    const lines = this.#stderr.split("\n").filter((line) => line.trim() !== "");
    return lines.length === 0 ? "" : `: ${(lines.find((line) => /Error/.test(line)) ?? lines.at(-1) ?? "").trim()}`;
  }
}
