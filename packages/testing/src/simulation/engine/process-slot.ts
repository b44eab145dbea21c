import type { ProcessRuntime } from "../network/process-runtime.ts";
import type { LinkSide } from "../network/wires.ts";
import type { ProcessHistory } from "../watch/history-book.ts";
import type { World } from "./world.ts";

/** One life of a process. */
export interface Incarnation {
  readonly world: World;
  /** With its number: `consumer-1#2`. */
  readonly process: string;
  readonly side: LinkSide;
  readonly runtime: ProcessRuntime;
  readonly history: ProcessHistory;
}
/** What runs in it. */
export interface App {
  /** Ends in order. */
  close(): Promise<void>;
  /** Whether it consumes, and where. */
  readonly consumes?: boolean;
  consumesIn?(topic: string, group: string): boolean;
  /** What it still has to do; null: nothing. */
  readonly todo?: string | null;
  /** Resolves when its consumers have dealt with all there was. */
  caughtUp?(): Promise<void>;
  /** Takes no new messages for a while. */
  pause?(): void;
  resume?(): void;
}

/** A process that crashes, freezes and comes back, under one name. */
export class ProcessSlot<A extends App = App> {
  readonly name: string;
  /** What its program ended with last, when a fault explains that. */
  lastExit: string | null = null;
  readonly #world: World;
  readonly #role: string;
  readonly #settings: object;
  readonly #begin: (incarnation: Incarnation) => A;
  #number = 0;
  #wallAheadMs = 0;
  #current: { readonly incarnation: Incarnation; readonly app: A } | null = null;

  constructor(
    world: World,
    of: {
      readonly name: string;
      readonly role: string;
      readonly settings: object;
      readonly begin: (incarnation: Incarnation) => A;
    },
  ) {
    this.#world = world;
    this.name = of.name;
    this.#role = of.role;
    this.#settings = of.settings;
    this.#begin = of.begin;
  }
  get incarnation(): Incarnation | null {
    return this.#current?.incarnation ?? null;
  }
  get app(): A | null {
    return this.#current?.app ?? null;
  }

  start(): void {
    if (this.#current !== null) return;
    const world = this.#world;
    const process = `${this.name}#${++this.#number}`;
    const history = world.book.open(process);
    const runtime = world.processRuntime(process, this.#wallAheadMs);
    const incarnation = { world, process, history, runtime, side: { name: this.name, runtime } };
    history.record({ type: "start", role: this.#role, principal: this.name, ...this.#settings });
    this.#current = { incarnation, app: this.#begin(incarnation) };
  }
  kill(silent: boolean): void {
    const incarnation = this.detach();
    if (incarnation !== null) killIncarnation(incarnation, silent);
  }
  /** Its present life goes on by itself; the slot is free for the next. */
  detach(): Incarnation | null {
    const incarnation = this.incarnation;
    if (incarnation !== null) this.#wallAheadMs = incarnation.runtime.wallAheadMs;
    this.#current = null;
    return incarnation;
  }
  /** Ends in order; the slot is free at once. */
  async leave(): Promise<void> {
    const current = this.#current;
    this.detach();
    if (current === null) return;
    await current.app.close();
    if (!current.incarnation.runtime.isDead) current.incarnation.history.end();
  }
}

export function killIncarnation({ world, process, runtime, history, side }: Incarnation, silent: boolean): void {
  if (runtime.isDead) return;
  world.history.record({ type: "fault", fault: "kill", target: process, silent });
  runtime.kill();
  history.abandon();
  world.processDied(process, side, silent);
}
export function freeze({ world, process, runtime }: Incarnation, clockStops: boolean): void {
  if (runtime.isFrozen || runtime.isDead) return;
  world.history.record({ type: "fault", fault: "pause", target: process, clockStops });
  world.counters.froze(process, clockStops);
  runtime.freeze({ clockStops });
}
export function thaw({ world, process, runtime }: Incarnation, deliveriesFirst: boolean): void {
  if (!runtime.isFrozen) return;
  world.history.record({ type: "fault", fault: "resume", target: process });
  runtime.thaw({ deliveriesFirst });
}
