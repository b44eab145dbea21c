import { type Client, type FlushError, isMessagingError, type Runtime } from "@seriatim/actors/client";
import { connectClient, errorIn } from "../engine/connect-client.ts";
import type { App, Incarnation } from "../engine/process-slot.ts";
import { type GroupNotes, notedClient } from "./noted-client.ts";
import type { SimulatedProcess } from "./options.ts";

const CLOSE_MS = 10_000;

/** What a run gives each of its processes. */
export interface ProcessOptions<Shared> {
  readonly shared: Shared;
  readonly notes: GroupNotes;
  readonly start: SimulatedProcess<Shared>["start"];
  /** Its program threw, or what it had a timer run did. */
  readonly threw: (error: unknown) => void;
}

/** One life of a user's process: a client, and the user's program with it. */
export class UserProcess<Shared> implements App {
  readonly #incarnation: Incarnation;
  readonly #options: ProcessOptions<Shared>;
  readonly #closing = new AbortController();
  #client: Client | null = null;
  #ended = false;

  constructor(incarnation: Incarnation, options: ProcessOptions<Shared>) {
    this.#incarnation = incarnation;
    this.#options = options;
    void this.#run();
  }
  async #run(): Promise<void> {
    const { runtime, side, process } = this.#incarnation;
    const { signal } = this.#closing;
    const client = await connectClient(this.#incarnation, { isOver: () => signal.aborted, isFault });
    if (client === null) return;
    this.#client = client;
    const { shared, notes, start } = this.#options;
    try {
      await start({
        client: notedClient(client, notes),
        shared,
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
    this.#options.threw(error);
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
  get todo(): string | null {
    if (!this.#ended && !this.consumes) return "its program has neither ended nor does it consume";
    return this.#isQuiet ? null : "still has something to send, or no link";
  }
  /** Nothing is on its way between it and the broker that it knows of. */
  get #isQuiet(): boolean {
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

/** What the framework has a code for comes to the user too; anything else is a fault of its own. */
const isFault = (_: Incarnation, _text: string, data: object): boolean =>
  errorIn(data) !== undefined && !isMessagingError(errorIn(data));

const BY_FAULTS: ReadonlySet<string> = new Set([
  "OUTCOME_UNKNOWN",
  "PREDECESSOR_FAILED",
  "PRODUCER_FENCED",
  "PRODUCER_UNKNOWN",
  "STALE_EPOCH",
  "NAME_IN_USE",
]);

/**
 * Whether a fault can be behind this error, or behind what caused it: then a real process would be started again by
 * whoever watches it.
 */
export function mayComeOfFault(error: unknown): boolean {
  if (isMessagingError(error, "FLUSH_FAILED")) return (error as FlushError).errors.every(mayComeOfFault);
  if (isMessagingError(error)) return error.retryable || BY_FAULTS.has(error.code);
  return error instanceof Error && error.cause !== undefined && mayComeOfFault(error.cause);
}
