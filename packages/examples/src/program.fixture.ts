import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The compiled program of a source file beside this one; `npm test` has built it. */
export const built = (name: string): string => fileURLToPath(new URL(`../dist/${name}.js`, import.meta.url));
export const source = (name: string): string => fileURLToPath(new URL(`./${name}.ts`, import.meta.url));
const repository = fileURLToPath(new URL("../../../", import.meta.url));
export const deno = `${repository}node_modules/.bin/deno`;

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}
/** A program as a test runs it. Children inherit a mark, so that what it leaves behind can be found. */
export class Program {
  readonly ended: Promise<Ended>;
  readonly #process: ChildProcess;
  readonly #mark = `seriatim-test-${process.pid}-${counter++}`;
  #stdout = "";
  #stderr = "";

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    // A process group of its own, so that Ctrl-C can be sent to all of it, as a terminal does.
    this.#process = spawn(command, args, {
      cwd: repository,
      detached: true,
      env: { ...process.env, ...env, NO_COLOR: "1", SERIATIM_TEST_MARK: this.#mark },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#process.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout += text;
    });
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
    this.ended = new Promise((resolve, reject) => {
      this.#process.once("error", reject);
      this.#process.once("close", (status) => resolve({ status, stdout: this.#stdout, stderr: this.#stderr }));
    });
  }
  /** Resolves once the program has printed this. */
  async printed(what: RegExp): Promise<void> {
    const gone = this.ended.then(({ status, stderr }) => {
      throw new Error(`ended with status ${status} before it printed ${what}: ${stderr}`);
    });
    gone.catch(() => {});
    while (!what.test(this.#stdout)) await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 20))]);
  }
  signal(signal: NodeJS.Signals, to: "program" | "group"): void {
    const { pid } = this.#process;
    if (pid !== undefined) process.kill(to === "group" ? -pid : pid, signal);
  }
  /** Processes of this program that still run, the program itself included. */
  leftovers(): string[] {
    const found: string[] = [];
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)))
      try {
        if (readFileSync(`/proc/${pid}/environ`, "utf8").includes(`SERIATIM_TEST_MARK=${this.#mark}\0`))
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
  /** For the end of a failed test. */
  kill(): void {
    try {
      this.signal("SIGKILL", "group");
    } catch {
      // it has ended
    }
  }
}
let counter = 0;

export const runNode = (name: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Program =>
  new Program(process.execPath, [built(name), ...args], env);
