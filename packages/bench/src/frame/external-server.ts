import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { atExit } from "@seriatim/rig";
import type { RunningServer } from "./row.ts";
import { memoryOf, type ServerMemory } from "./server-memory.ts";

const UP_MS_MAX = 60_000;
const STOP_MS_MAX = 10_000;
/** A server that is no part of this project, in a process group of its own. */
export class ExternalServer {
  /** One that takes connections on the port. Where it takes none it is stopped. */
  static async listening(
    port: number,
    ...started: ConstructorParameters<typeof ExternalServer>
  ): Promise<RunningServer> {
    const server = new ExternalServer(...started);
    try {
      await server.listens(port);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return {
      address: String(port),
      cpuMs: () => server.cpuMs(),
      memory: () => server.memory(),
      stop: () => server.stop(),
    };
  }

  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #release: () => void;

  /** @param folder where it works, and where its output goes */
  constructor(command: string, args: readonly string[], folder: string, env: Readonly<Record<string, string>> = {}) {
    const log = createWriteStream(join(folder, "server.log"), { flags: "a" });
    this.#child = spawn(command, args, {
      cwd: folder,
      detached: true,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stdout?.pipe(log, { end: false });
    this.#child.stderr?.pipe(log, { end: false });
    this.#exited = new Promise((resolve) => {
      this.#child.once("error", () => resolve());
      this.#child.once("exit", () => resolve());
    });
    this.#release = atExit(() => this.#signal("SIGKILL"));
  }
  /** Resolves once it takes connections. @throws when it ends first, or takes none in time */
  async listens(port: number): Promise<void> {
    let ended = false;
    void this.#exited.then(() => {
      ended = true;
    });
    const deadline = performance.now() + UP_MS_MAX;
    while (!(await answers(port))) {
      if (ended) throw new Error(`${this.#child.spawnfile} ended before it took connections`);
      if (performance.now() > deadline) throw new Error(`${this.#child.spawnfile} took no connections in time`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  /** CPU of its process group so far, ms, or undefined where the system does not tell (it does on Linux). */
  async cpuMs(): Promise<number | undefined> {
    const group = this.#child.pid;
    try {
      const ids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
      const stats = await Promise.all(ids.map((id) => readFile(`/proc/${id}/stat`, "utf8").catch(() => "")));
      let ticks = 0;
      for (const stat of stats) {
        // After the name in brackets: state, parent, group, …;
        // 11 and 12 are the user's and the system's ticks of 10 ms.
        const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        if (Number(fields[2]) === group) ticks += Number(fields[11]) + Number(fields[12]);
      }
      return ticks * 10;
    } catch {
      return undefined;
    }
  }
  /** Of the process that was started, without those it started. */
  memory(): Promise<ServerMemory | undefined> {
    return memoryOf(this.#child.pid);
  }
  async stop(): Promise<void> {
    this.#signal("SIGTERM");
    const timer = setTimeout(() => this.#signal("SIGKILL"), STOP_MS_MAX);
    await this.#exited;
    clearTimeout(timer);
    this.#signal("SIGKILL"); // what it started and did not wait for
    this.#release();
  }
  #signal(signal: NodeJS.Signals): void {
    try {
      if (this.#child.pid !== undefined) process.kill(-this.#child.pid, signal);
    } catch {
      // it has ended
    }
  }
}
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    const end = (yes: boolean): void => {
      socket.destroy();
      resolve(yes);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}
