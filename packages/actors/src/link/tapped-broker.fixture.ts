// A real broker on a simulated clock, a tap on what its clients say and hear, and what is stored at the end.
import { type BenchOptions, BrokerBench, changedStore } from "../broker/broker.fixture.ts";
import { type ClientCoreOptions, createClientCore } from "../client/client.ts";
import type { Client } from "../client/client-api.ts";
import type { SystemEvent } from "../contracts/events.ts";
import type { HistoryStep } from "../contracts/history.ts";
import { storeKeys } from "../log/records.ts";
import { decodeBatch } from "../log/stored-batch.ts";
import { type ErrorCode, isMessagingError } from "../message/errors.ts";
import { PackedReader } from "../message/packed.ts";
import type { TopicSpec } from "../message/topic.ts";
import type { Codec } from "../protocol/codec.ts";
import type { QueueAccount } from "../protocol/questions.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type SimulatedRuntime, simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { MemoryDisk } from "../store/memory-disk.ts";
import { Tap } from "./tap.fixture.ts";

export interface TappedOptions extends Pick<BenchOptions, "topics" | "authorize" | "settings"> {
  readonly seed?: number;
  /** What the wall clock shows at first, ms since 1970. Epochs of leases begin with its seconds. @default 7_000 */
  readonly wallNow?: number;
  /** How the tap reads what clients send. @default binary */
  readonly codec?: Codec;
}
/** A message as it is stored. */
export interface StoredMessage {
  readonly queue: number;
  readonly key: string | null;
  readonly id: string | null;
  readonly bytes: number;
}

/**
 * A broker whose clients dial through a tap; what they record, emit and log is kept here. Its store says that it
 * reaches `synced`.
 */
export class TappedBroker {
  readonly runtime: SimulatedRuntime;
  readonly disk: MemoryDisk;
  readonly tap: Tap;
  readonly history: HistoryStep[] = [];
  readonly events: SystemEvent[] = [];
  readonly logged: { readonly level: string; readonly text: string; readonly data: unknown }[] = [];
  /** Timers of clients that wait. */
  readonly clientTimers = new Set<unknown>();
  readonly #clientRuntime: Runtime;
  readonly #options: TappedOptions;
  #bench: BrokerBench;
  #beside: Promise<Client> | null = null;

  private constructor(options: TappedOptions, bench: BrokerBench) {
    this.#options = options;
    this.#bench = bench;
    this.runtime = bench.runtime;
    this.disk = bench.disk;
    this.tap = new Tap(bench.runtime, bench.transport, options.codec);
    this.#clientRuntime = this.#counted(bench.runtime);
  }
  static async start(options: TappedOptions = {}): Promise<TappedBroker> {
    const runtime = simulatedRuntime({ seed: options.seed ?? 1, wallNow: options.wallNow ?? 7_000 });
    return new TappedBroker(options, await TappedBroker.#begin(options, runtime, new MemoryDisk({ runtime })));
  }
  static #begin({ topics = [], ...rest }: TappedOptions, runtime: SimulatedRuntime, disk: MemoryDisk) {
    return BrokerBench.start({
      ...rest,
      ...{ topics, runtime, disk },
      store: (store) => changedStore(store, { durabilityMax: "synced" }),
    });
  }
  #counted(runtime: SimulatedRuntime): Runtime {
    const { clientTimers } = this;
    return {
      ...runtime,
      setTimeout: (fn, ms) => {
        const timer = runtime.setTimeout(() => {
          clientTimers.delete(timer);
          fn();
        }, ms);
        clientTimers.add(timer);
        return timer;
      },
      clearTimeout: (timer) => {
        clientTimers.delete(timer);
        runtime.clearTimeout(timer);
      },
    };
  }

  /* ---------- clients ---------- */

  async connect(options: Partial<ClientCoreOptions> = {}): Promise<Client> {
    const client = await this.runtime.run(
      createClientCore({
        transport: this.tap,
        runtime: this.#clientRuntime,
        codec: this.tap.codec,
        history: { record: (step) => this.history.push(step) },
        logger: { log: (level, text, data) => this.logged.push({ level, text, data }) },
        ...options,
      }),
    );
    client.events$.subscribe((event) => this.events.push(event));
    return client;
  }
  /** Somebody else's client, past the tap. */
  beside(): Promise<Client> {
    const { runtime } = this;
    this.#beside ??= createClientCore({ transport: this.tap.behind, runtime, name: "beside" });
    return this.#beside;
  }
  /** What clients have recorded of these types, with what it is about. */
  steps(...types: HistoryStep["type"][]): string[] {
    const of = (step: HistoryStep): string =>
      [step.type, "offset" in step ? ` ${step.offset}` : "", "attempt" in step ? `/${step.attempt}` : ""].join("");
    return this.history.filter((step) => types.includes(step.type)).map(of);
  }
  emitted<T extends SystemEvent["type"]>(type: T): Extract<SystemEvent, { readonly type: T }>[] {
    return this.events.filter((event) => event.type === type) as Extract<SystemEvent, { readonly type: T }>[];
  }

  /* ---------- the broker ---------- */

  /** The broker's process dies, and another one takes its data up: what was not stored is gone. */
  async crash(): Promise<void> {
    this.tap.cut();
    this.#beside = null;
    this.disk.beforeApply = undefined;
    this.#bench = await TappedBroker.#begin(this.#options, this.runtime, this.disk);
    this.tap.behind = this.#bench.transport;
  }
  /** From now on nothing is stored. Returns what lets go all that waits, and stores again. */
  holdStore(): () => void {
    let letGo = (): void => {};
    const gate = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const hold = () => gate;
    this.disk.beforeApply = hold;
    return () => {
      if (this.disk.beforeApply === hold) this.disk.beforeApply = undefined;
      letGo();
    };
  }
  /** What is stored of a topic, queue by queue. */
  stored(topic: TopicSpec): StoredMessage[] {
    return Array.from({ length: topic.queues }, (_, queue) =>
      this.#storedIn(storeKeys.log(topic.name, queue), queue),
    ).flat();
  }
  #storedIn(name: string, queue: number): StoredMessage[] {
    const batches = this.disk.logs.get(name)?.read(0, Number.POSITIVE_INFINITY) ?? [];
    return batches.flatMap((batch) => {
      const reader = new PackedReader(decodeBatch(name, batch).messages);
      const found: StoredMessage[] = [];
      while (reader.next()) found.push({ queue, key: reader.key, id: reader.id, bytes: reader.length });
      return found;
    });
  }
  idsByKey(topic: TopicSpec): Map<string | null, (string | null)[]> {
    const ids = new Map<string | null, (string | null)[]>();
    for (const { key, id } of this.stored(topic)) ids.set(key, [...(ids.get(key) ?? []), id]);
    return ids;
  }
  /** What became of a group's messages, as the broker accounts for them; no time goes by. */
  async account(topic: TopicSpec, group = "g"): Promise<readonly QueueAccount[]> {
    const { admin } = await this.beside();
    let found: readonly QueueAccount[] | null = null;
    void admin.account(topic, { group }).then((accounts) => {
      found = accounts;
    });
    await this.runtime.settle();
    if (found === null) throw new Error("the broker did not account in this turn");
    return found;
  }
  /** Offsets that the group has settled in a queue. */
  async settled(topic: TopicSpec, queue = 0, group = "g"): Promise<number[]> {
    const account = (await this.account(topic, group))[queue] as QueueAccount;
    const { start, cursor, settledRanges, deadLettered, parked, discarded } = account;
    const isSetAside = new Set<number>([...deadLettered, ...parked, ...discarded]);
    return [[start, cursor] as const, ...settledRanges]
      .flatMap(([from, to]) => Array.from({ length: to - from }, (_, index) => from + index))
      .filter((at) => !isSetAside.has(at));
  }
}

/** How a promise ends: "fulfilled", an error's code, or what else it was rejected with. */
export async function codeOf(promise: Promise<unknown>): Promise<ErrorCode | "fulfilled" | string> {
  try {
    await promise;
    return "fulfilled";
  } catch (error) {
    return isMessagingError(error) ? error.code : String(error);
  }
}
