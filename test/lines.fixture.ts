import {
  auth,
  createSystem,
  type Principal,
  provide,
  type Right,
  type System,
  type SystemEvent,
  tokens,
  topic,
} from "@seriatim/actors";
import { memoryTransport } from "@seriatim/transport-memory";
import { expect, vi } from "vitest";
import { z } from "zod";

/** `text` begins with its key: "a1" is the first of key "a". */
export const lines = topic("lines", {
  schema: z.object({ text: z.string(), body: z.string().optional() }),
  key: ({ text }) => text.slice(0, 1),
  queues: 1,
});
export type Policy = "park" | "dead-letter" | "halt";

/** A wait ends when what it waits for is there; this only ends one that hangs. */
const WAIT = { interval: 2, timeout: 300_000 };

/** One system over memory with one queue and one group, whose handler fails at what is broken. */
export class LinesScene implements AsyncDisposable {
  readonly system: System;
  readonly handled: string[] = [];
  readonly broken = new Set<string>();
  /** Handlers of these wait until `open`. */
  readonly gates = new Map<string, Promise<void>>();
  readonly told: { readonly broker: SystemEvent[]; readonly client: SystemEvent[] } = { broker: [], client: [] };
  readonly errors: string[] = [];

  static async open(authorize: (principal: Principal, right: Right) => boolean = () => true): Promise<LinesScene> {
    const scene: { errors?: string[] } = {};
    const system = await createSystem({
      modules: [
        memoryTransport(),
        auth({ authenticate: async () => ({ id: "ops" }), authorize }),
        provide(tokens.logger, () => ({
          log: (level, text, data) => {
            if (level === "error") scene.errors?.push(`${text} ${JSON.stringify(data)}`);
          },
        })),
      ],
      topics: [lines],
    });
    const opened = new LinesScene(system);
    scene.errors = opened.errors;
    return opened;
  }
  private constructor(system: System) {
    this.system = system;
    system.events$.subscribe((event) => this.told.client.push(event));
    system.broker.events$.subscribe((event) => this.told.broker.push(event));
  }
  /** Starts the group's one consumer. */
  async consume(
    exhausted: Policy = "park",
    rest: { readonly attempts?: number; readonly initialMs?: number; readonly inFlightMax?: number } = {},
  ) {
    const { attempts = 1, initialMs = 1, inFlightMax = 256 } = rest;
    const consumer = this.system.consumer(lines, {
      group: "g",
      exhausted,
      inFlightMax,
      retry: { attempts, initialMs, jitter: 0 },
    });
    void consumer.run(async ({ body }) => {
      await this.gates.get(body.text);
      const text = body.body ?? body.text;
      if (this.broken.has(text)) throw new Error(`${text} is broken`);
      this.handled.push(text);
    });
    await consumer.ready();
    return consumer;
  }
  /** Handlers of this text wait from now on, until the function returned is called. */
  gate(text: string): () => void {
    let open = () => {};
    this.gates.set(text, new Promise((resolve) => (open = resolve)));
    return () => {
      this.gates.delete(text);
      open();
    };
  }
  async send(...texts: readonly string[]): Promise<void> {
    const producer = this.system.producer(lines);
    await Promise.all(texts.map((text) => producer.send({ text })));
    await producer.close();
  }
  get aside() {
    return this.system.admin.setAside(lines, { group: "g" });
  }
  async listed() {
    const entries = [];
    for await (const entry of this.aside.list()) entries.push(entry);
    return entries;
  }
  /** The one thing set aside. */
  async entry() {
    const [entry, ...more] = await until(
      () => this.listed(),
      (entries) => entries.length > 0,
    );
    expect(more).toEqual([]);
    if (entry === undefined) throw new Error("nothing is set aside");
    return entry;
  }
  /** The queue's account, after it was held to add up (P9), with no offset in two classes. */
  async account() {
    const [account] = await this.system.admin.account(lines, { group: "g" });
    if (account === undefined) throw new Error("there is no account");
    const { start, end, settled, filtered, skipped, expired, backlog, deadLettered, parked, discarded } = account;
    const aside = [...deadLettered, ...parked, ...discarded];
    expect(settled + filtered + skipped + expired + backlog + aside.length).toBe(end - start);
    expect(new Set(aside).size).toBe(aside.length);
    return { settled, backlog, deadLettered, parked, discarded, halted: account.halted };
  }
  /** Waits until the handlers have ended well for these, in this order. */
  async handles(...texts: readonly string[]): Promise<void> {
    await vi.waitFor(() => expect(this.handled).toEqual(texts), WAIT);
  }
  async settles(count: number): Promise<void> {
    await until(
      () => this.account(),
      ({ settled }) => settled === count,
    );
  }
  /** What either side told about an order: the broker names the principal, the client itself. */
  orders(type: SystemEvent["type"]): readonly object[] {
    const of = (events: readonly SystemEvent[]) =>
      events.filter((event) => event.type === type).map(({ atMs: _, ...event }) => event);
    return [...of(this.told.broker), ...of(this.told.client)];
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.system.close({ timeoutMs: 100 });
    expect(this.errors).toEqual([]);
  }
}

/** Asks again until the answer will do. */
export async function until<T>(ask: () => Promise<T>, isGood: (found: T) => boolean): Promise<T> {
  return await vi.waitFor(async () => {
    const found = await ask();
    if (!isGood(found)) throw new Error(`found ${JSON.stringify(found)}`);
    return found;
  }, WAIT);
}
export const codeOf = (failing: Promise<unknown>): Promise<unknown> =>
  failing.then(
    () => "no error",
    (error: { readonly code?: unknown }) => error.code ?? error,
  );
