import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { killGroup, leftBehind } from "./left-behind.ts";
import { memoryOf, type ServerMemory } from "./server-memory.ts";

const UP_MS_MAX = 60_000;
const STOP_MS_MAX = 10_000;
/** A server that is no part of this project, in a process group of its own. */
export class ExternalServer {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;

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
    if (this.#child.pid !== undefined) leftBehind.groups.add(this.#child.pid);
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
        // After the name in brackets: state, parent, group, …; 11 and 12 are the user's and the system's ticks of 10 ms.
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
    const group = this.#child.pid;
    if (group === undefined) return;
    killGroup(group, "SIGTERM");
    const timer = setTimeout(() => killGroup(group, "SIGKILL"), STOP_MS_MAX);
    await this.#exited;
    clearTimeout(timer);
    killGroup(group, "SIGKILL"); // what it started and did not wait for
    leftBehind.groups.delete(group);
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
