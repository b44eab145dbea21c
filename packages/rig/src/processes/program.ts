import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { atExit } from "./at-exit.ts";

export interface ProgramOptions {
  readonly cwd?: string;
  /** Beside those of this process; `undefined` takes one away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** In a process group of its own, so that Ctrl-C can be sent to all of it, as a terminal does. @default false */
  readonly ownGroup?: boolean;
  /** Past it the program is killed, and its status is `null`; in ms. */
  readonly timeoutMs?: number;
}
export interface Ended {
  /** `null` when a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}
const onWindows = process.platform === "win32";

/**
 * Any program, and what it printed.
 * It never outlives this process; what it started is found by a mark that children inherit.
 */
export class Program {
  readonly ended: Promise<Ended>;
  /** What it printed on stdout, line by line; one without its end is not yet there. */
  readonly lines: string[] = [];
  readonly #process: ChildProcess;
  readonly #ownGroup: boolean;
  readonly #mark = `SERIATIM_MARK_${randomUUID()}`;
  readonly #listening = new Set<() => void>();
  #said = "";
  #stdout = "";
  #stderr = "";
  #line = "";
  #isOver = false;

  constructor(command: string, args: readonly string[], options: ProgramOptions = {}) {
    this.#ownGroup = (options.ownGroup ?? false) && !onWindows;
    this.#process = spawn(command, args, {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs, killSignal: "SIGKILL" }),
      detached: this.#ownGroup,
      env: { ...process.env, NO_COLOR: "1", ...options.env, [this.#mark]: "1" },
      shell: onWindows && command === "npm",
      stdio: ["ignore", "pipe", "pipe"],
    });
    const release = atExit(() => this.kill());
    this.#process.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
      const parts = (this.#line + text).split("\n");
      this.#line = parts.pop() ?? "";
      this.lines.push(...parts);
      this.#hear(text);
    });
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
      this.#hear(text);
    });
    this.ended = new Promise((resolve, reject) => {
      const over = (): void => {
        release();
        this.#isOver = true;
        this.#look();
      };
      this.#process.once("error", (error) => {
        over();
        reject(error);
      });
      this.#process.once("close", (status, signal) => {
        over();
        resolve({ status, signal, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
    this.ended.catch(() => {});
  }
  get pid(): number | undefined {
    return this.#process.pid;
  }
  get stdout(): string {
    return this.#stdout;
  }
  get stderr(): string {
    return this.#stderr;
  }
  /** Both, as they came. */
  get said(): string {
    return this.#said;
  }
  /** Resolves once it has printed this. @throws when it ends first */
  printed(what: RegExp | string): Promise<void> {
    const is = typeof what === "string" ? () => this.#said.includes(what) : () => what.test(this.#said);
    return this.#until(is, `it printed ${what}`);
  }
  /**
   * Its lines, once it has printed so many: how far it has come, whatever the time that took.
   * @throws when it ends first
   */
  async told(lines: number): Promise<readonly string[]> {
    await this.#until(() => this.lines.length >= lines, `it had told ${lines} lines`);
    return this.lines;
  }
  signal(signal: NodeJS.Signals, to: "program" | "group" = "program"): void {
    const { pid } = this.#process;
    if (pid === undefined || (this.#isOver && to === "program")) return;
    try {
      process.kill(to === "group" ? -pid : pid, signal);
    } catch {
      // it has ended
    }
  }
  /** It and, where it has a group of its own, what it started there. */
  kill(): void {
    this.signal("SIGKILL", this.#ownGroup ? "group" : "program");
  }
  /** Processes of this program that still run, the program itself included. Where there is `/proc`. */
  leftovers(): string[] {
    const found: string[] = [];
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)))
      try {
        if (readFileSync(`/proc/${pid}/environ`, "utf8").includes(`${this.#mark}=`))
          found.push(readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " "));
      } catch {
        // it has ended meanwhile, or is a zombie
      }
    return found;
  }
  /** Waits a little for what is just ending. */
  async leftoversAfter(ms: number): Promise<string[]> {
    const until = performance.now() + ms;
    while (this.leftovers().length > 0 && performance.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 50));
    return this.leftovers();
  }

  async #until(is: () => boolean, what: string): Promise<void> {
    while (!is()) {
      if (this.#isOver) throw new Error(`ended before ${what}: ${this.#stderr || this.#stdout}`);
      await new Promise<void>((resolve) => this.#listening.add(resolve));
    }
  }
  #hear(text: string): void {
    this.#said += text;
    this.#look();
  }
  #look(): void {
    const listening = [...this.#listening];
    this.#listening.clear();
    for (const listener of listening) listener();
  }
}

/** Runs a program to its end. */
export const run = (command: string, args: readonly string[], options?: ProgramOptions): Promise<Ended> =>
  new Program(command, args, options).ended;
