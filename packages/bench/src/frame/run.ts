import { randomInt } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import getPort, { portNumbers } from "get-port";
import { ChildRole } from "./child-role.ts";
import { leftBehind } from "./left-behind.ts";
import type { Row, RunningServer } from "./row.ts";
import { memoryOf } from "./server-memory.ts";
import type { Load } from "./system.ts";
import type { RoleName } from "./talk.ts";

export const READY_MS_MAX = 120_000;
export const RUN_MS_MAX = 900_000;
/** Below the ports that systems give to outgoing connections: a client that reaches for a broker that is down must not get its port. */
const PORT_MIN = 15_000;
const PORT_MAX = 30_000;
const CANDIDATES = 50;
const ROLE_PROGRAM = fileURLToPath(new URL("../role.js", import.meta.url));

/** The processes and the folder of one run of a row. */
export class Run {
  readonly row: Row;
  readonly load: Load;
  readonly folder: string;
  readonly #program: string;
  readonly #roles: ChildRole[] = [];
  readonly #brokers: ChildRole[] = [];
  #server: RunningServer | undefined;

  /** @param program of the processes; by default the one built beside this file */
  static async open(row: Row, load: Load, program = ROLE_PROGRAM): Promise<Run> {
    return new Run(row, load, program, await mkdtemp(join(tmpdir(), "seriatim-bench-")));
  }
  private constructor(row: Row, load: Load, program: string, folder: string) {
    this.row = row;
    this.load = load;
    this.#program = program;
    this.folder = folder;
    leftBehind.folders.add(folder);
  }
  #start(role: RoleName, address: string, more: { readonly connectsLate?: true } = {}): ChildRole {
    const { system, variant } = this.row;
    const at = { address, folder: this.folder, variant };
    const execArgv = role === "serve" ? this.row.brokerExecArgv : undefined;
    const child = new ChildRole({ system, role, load: this.load, at, ...more }, this.#program, execArgv);
    (role === "serve" ? this.#brokers : this.#roles).push(child);
    return child;
  }
  /** A process that is ready. */
  async role(role: RoleName, address: string, more: { readonly connectsLate?: true } = {}): Promise<ChildRole> {
    const child = this.#start(role, address, more);
    await child.hear("ready", READY_MS_MAX);
    return child;
  }
  /** The server of the row: a peer's, or a broker of ours. */
  async server(): Promise<RunningServer> {
    if (this.row.startServer === undefined) return await this.broker();
    this.#server = await this.row.startServer(this.folder, this.row.variant);
    return this.#server;
  }
  /** A broker as a process of the bench, on the data in the folder. */
  async broker(port = ""): Promise<RunningServer & { readonly child: ChildRole }> {
    const child = this.#start("serve", port);
    const { address = "" } = await child.hear("ready", READY_MS_MAX);
    child.tell({ type: "go" });
    const memory = () => memoryOf(child.pid);
    const { pid } = child;
    return {
      child,
      address,
      cpuMs: () => child.cpuMs(),
      memory,
      ...(pid === undefined ? {} : { pid }),
      stop: () => child.end(),
    };
  }
  /** A port for a broker that will be started again on it. */
  static async port(): Promise<string> {
    const from = randomInt(PORT_MIN, PORT_MAX);
    return String(await getPort({ host: "127.0.0.1", port: portNumbers(from, from + CANDIDATES) }));
  }
  /** Ends the processes, clients first, and removes the folder. */
  async end(): Promise<void> {
    await Promise.all(this.#roles.map((role) => role.end()));
    await Promise.all(this.#brokers.map((broker) => broker.end()));
    await this.#server?.stop();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 });
    leftBehind.folders.delete(this.folder);
  }
}
