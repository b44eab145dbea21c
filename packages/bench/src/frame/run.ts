import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { atExit } from "@seriatim/rig";
import { ChildRole } from "./child-role.ts";
import type { Row, RunningServer } from "./row.ts";
import { memoryOf } from "./server-memory.ts";
import type { Load } from "./system.ts";
import type { RoleName } from "./talk.ts";

export const READY_MS_MAX = 120_000;
export const RUN_MS_MAX = 900_000;
/** Whoever writes there has been told to end, but may not have ended yet. */
const REMOVED = { recursive: true, force: true, maxRetries: 5 };
const ROLE_PROGRAM = fileURLToPath(new URL("../role.js", import.meta.url));

/** The processes and the folder of one run of a row. */
export class Run {
  readonly row: Row;
  readonly load: Load;
  readonly folder: string;
  readonly #program: string;
  readonly #roles: ChildRole[] = [];
  readonly #brokers: ChildRole[] = [];
  readonly #release: () => void;
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
    this.#release = atExit(() => rmSync(folder, REMOVED));
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
      stop: async () => void (await child.end()),
    };
  }
  /** Ends the processes, clients first, and removes the folder. */
  async end(): Promise<void> {
    await Promise.all(this.#roles.map((role) => role.end()));
    await Promise.all(this.#brokers.map((broker) => broker.end()));
    await this.#server?.stop();
    await rm(this.folder, REMOVED);
    this.#release();
  }
}
