import { fileURLToPath } from "node:url";
import { DrainWaits, type Link, type LinkCode, type LinkEnd, type Transport } from "@seriatim/actors/transport";
import { Child } from "@seriatim/rig";
import { ReplaySubject } from "rxjs";
import type { Memory } from "../resources/memory.ts";
import type { FromBroker, FromLink, ToBroker } from "./link-messages.ts";
import type { HostileBroker } from "./open-broker.ts";

/** It runs from dist: `npm test` builds first. */
const PROGRAM = fileURLToPath(new URL("../../dist/hostile/main.js", import.meta.url));

/** Far beyond what any answer takes. */
const HANGS_MS = 120_000;

/** The broker under attack, in a process with a heap of its own. */
export class OwnProcess {
  readonly #child: Child<ToBroker, FromBroker>;
  readonly #links = new Map<number, CarriedLink>();
  readonly #logged: string[];
  address = "";
  #dialled = 0;

  static async start(settings: HostileBroker, heapMiB: number, logged: string[]): Promise<OwnProcess> {
    const own = new OwnProcess(
      new Child({
        name: "hostile",
        program: PROGRAM,
        execArgv: ["--expose-gc", `--max-old-space-size=${heapMiB}`],
        serialization: "advanced",
        spec: settings,
      }),
      logged,
    );
    own.address = (await own.#child.hear("ready", HANGS_MS)).address;
    return own;
  }
  private constructor(child: Child<ToBroker, FromBroker>, logged: string[]) {
    this.#logged = logged;
    this.#child = child;
    child.takes = (said) => this.#take(said);
    void child.ended.then(() => {
      const end = { code: "lost", reason: "the broker's process has ended" } as const;
      for (const link of this.#links.values()) link.take({ type: "link.ended", id: 0, end });
    });
  }
  /** Dials its transport in memory, from here. */
  readonly transport: Transport = {
    dial: ({ token }) =>
      new Promise((resolve, reject) => {
        const id = this.#dialled++;
        const link = new CarriedLink(id, (order) => this.#child.tell(order), resolve, reject);
        this.#links.set(id, link);
        this.#child.tell({ type: "link.dial", id, token });
      }),
  };
  #take(said: FromBroker): boolean {
    if (said.type === "logged") {
      this.#logged.push(`${said.level}: ${said.text}`);
      return true;
    }
    if (said.type === "ready" || said.type === "memory") return false;
    this.#links.get(said.id)?.take(said);
    return true;
  }
  get isUp(): boolean {
    return this.#child.isUp;
  }
  get stderr(): string {
    return this.#child.stderr;
  }
  /** After collection. */
  async memory(): Promise<Memory> {
    return await this.#child.ask({ type: "memory" }, "memory", HANGS_MS);
  }
  async end(): Promise<void> {
    await this.#child.end();
  }
}

/** This process's hold on a link that the other one has dialled. */
class CarriedLink implements Link {
  readonly #packets = new ReplaySubject<Uint8Array>();
  readonly frames$ = this.#packets.asObservable();
  readonly bufferedBytes = 0;
  readonly ended: Promise<LinkEnd>;
  readonly #drains = new DrainWaits();
  readonly #id: number;
  readonly #tell: (order: ToBroker) => void;
  readonly #opened: (link: Link) => void;
  readonly #refused: (error: Error) => void;
  #end!: (end: LinkEnd) => void;
  constructor(
    id: number,
    tell: (order: ToBroker) => void,
    opened: (link: Link) => void,
    refused: (error: Error) => void,
  ) {
    this.#id = id;
    this.#tell = tell;
    this.#opened = opened;
    this.#refused = refused;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }
  take(said: FromLink): void {
    if (said.type === "link.opened") this.#opened(this);
    else if (said.type === "link.refused") this.#refused(new Error(said.text));
    else if (said.type === "link.frame") this.#packets.next(said.frame);
    else if (said.type === "link.ended") {
      this.#refused(new Error(said.end.reason)); // does nothing once it has opened
      this.#packets.complete();
      this.#drains.look(0);
      this.#end(said.end);
    }
  }
  send(frame: Uint8Array): void {
    this.#tell({ type: "link.send", id: this.#id, frame });
  }
  whenDrained(bytes: number, drained: () => void): void {
    this.#drains.add(bytes, drained);
    setImmediate(() => this.#drains.look(0));
  }
  pause(): void {} // whoever is at this end reads all that comes
  resume(): void {}
  close(_code?: LinkCode, _reason?: string): void {
    this.#tell({ type: "link.close", id: this.#id });
  }
  abort(): void {
    this.#tell({ type: "link.abort", id: this.#id });
  }
}
