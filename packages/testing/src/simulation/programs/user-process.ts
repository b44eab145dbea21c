import { type Client, createClient, type FlushError, isMessagingError, type Runtime } from "@seriatim/actors/client";
import { type App, describeError, type Incarnation } from "../engine/process-slot.ts";
import { type ClientNotes, notedClient } from "./noted-client.ts";
import type { SimulatedProcess } from "./options.ts";

const CLOSE_MS = 10_000;
const CONNECT_AGAIN_MS = 200;

/** What a run gives each of its processes. */
export interface Stage<Shared> {
  readonly shared: Shared;
  readonly notes: ClientNotes;
  /** Its program threw, or what it had a timer run did. */
  threw(incarnation: Incarnation, error: unknown): void;
}

/** One life of a user's process: a client, and the user's program with it. */
export class UserProcess<Shared> implements App {
  readonly #incarnation: Incarnation;
  readonly #stage: Stage<Shared>;
  readonly #start: SimulatedProcess<Shared>["start"];
  readonly #closing = new AbortController();
  #client: Client | null = null;
  #ended = false;

  constructor(incarnation: Incarnation, stage: Stage<Shared>, start: SimulatedProcess<Shared>["start"]) {
    this.#incarnation = incarnation;
    this.#stage = stage;
    this.#start = start;
    void this.#run();
  }
  async #run(): Promise<void> {
    const { runtime, side, process } = this.#incarnation;
    const { signal } = this.#closing;
    const client = await this.#connect();
    if (client === null) return;
    this.#client = client;
    try {
      await this.#start({
        client: notedClient(client, this.#stage.notes),
        shared: this.#stage.shared,
        name: side.name,
        incarnation: Number(process.slice(process.lastIndexOf("#") + 1)),
        runtime: this.#userRuntime(),
        sleep: (ms) => new Promise((resolve) => void runtime.setTimeout(resolve, ms)),
        signal,
      });
      this.#ended = true;
    } catch (error) {
      this.#threw(error);
    }
  }
  /** As soon as there is a broker for it. Null: it was told to end meanwhile. */
  async #connect(): Promise<Client | null> {
    const { world, runtime, side, history, process } = this.#incarnation;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        const client = await createClient({
          name: side.name,
          token: side.name,
          transport: world.network.transport(side),
          runtime,
          history,
          logger: {
            log: (level, text, data) => {
              world.trace.text(`${process} ${level} ${text}`);
              const { error } = data as { readonly error?: unknown };
              // what the framework has a code for comes to the user too; anything else is a fault of its own
              if (level === "error" && error !== undefined && !isMessagingError(error))
                world.violate("P11", `${process} logged an error: ${text} ${describeError(error)}`);
            },
          },
        });
        if (!signal.aborted) return client;
        await client.close();
      } catch {
        await new Promise<void>((resolve) => void runtime.setTimeout(resolve, CONNECT_AGAIN_MS));
      }
    }
    return null;
  }
  /** Its own runtime; what a timer of the user's throws is the user's. */
  #userRuntime(): Runtime {
    const { runtime } = this.#incarnation;
    const guarded = (fn: () => void) => () => {
      try {
        fn();
      } catch (error) {
        this.#threw(error);
      }
    };
    return {
      now: () => runtime.now(),
      wallNow: () => runtime.wallNow(),
      setTimeout: (fn, ms) => runtime.setTimeout(guarded(fn), ms),
      clearTimeout: (id) => runtime.clearTimeout(id),
      defer: (fn) => runtime.defer(guarded(fn)),
      atTurnEnd: (fn) => runtime.atTurnEnd(guarded(fn)),
      random: () => runtime.random(),
      id: () => runtime.id(),
    };
  }
  #threw(error: unknown): void {
    this.#ended = true;
    const { signal } = this.#closing;
    if (this.#incarnation.runtime.isDead) return;
    // told to end, it may say so with whatever its client or its signal gave it
    if (signal.aborted && (error === signal.reason || isMessagingError(error))) return;
    this.#stage.threw(this.#incarnation, error);
  }

  /** Whether it consumes: then its program may go on for as long as it likes. */
  get consumes(): boolean {
    return this.#consumers.length > 0;
  }
  consumesIn(topic: string, group: string): boolean {
    return this.#consumers.some(({ path }) => path.startsWith(`${topic}/${group}/`));
  }
  get #consumers() {
    return this.#client?.actors.list("consumer").filter(({ state }) => state === "open") ?? [];
  }
  /** Its program has not ended, and neither does it wait for messages. */
  get isUnderWay(): boolean {
    return !this.#ended && !this.consumes;
  }
  /** Nothing is on its way between it and the broker that it knows of. */
  get isQuiet(): boolean {
    const actors = this.#client?.actors;
    if (actors === undefined) return false;
    if (actors.list("connection").some(({ state }) => state !== "open" && state !== "closed")) return false;
    return !actors.list("lane").some(({ state }) => state === "sending" || state === "rewinding");
  }
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#client?.close({ timeoutMs: CLOSE_MS });
  }
}

const BY_FAULTS: ReadonlySet<string> = new Set([
  "OUTCOME_UNKNOWN",
  "PREDECESSOR_FAILED",
  "PRODUCER_FENCED",
  "PRODUCER_UNKNOWN",
  "STALE_EPOCH",
  "NAME_IN_USE",
]);

/** Whether a fault can be behind this error, or behind what caused it: then a real process would be started again by whoever watches it. */
export function mayComeOfFault(error: unknown): boolean {
  if (isMessagingError(error, "FLUSH_FAILED")) return (error as FlushError).errors.every(mayComeOfFault);
  if (isMessagingError(error)) return error.retryable || BY_FAULTS.has(error.code);
  return error instanceof Error && error.cause !== undefined && mayComeOfFault(error.cause);
}
