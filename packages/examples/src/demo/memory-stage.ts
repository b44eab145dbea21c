import { type Client, createClient, provide, tokens } from "@seriatim/actors";
import { HistoryWriter, OutsideWorld, ProgramError, within } from "@seriatim/rig";
import { memoryTransport } from "@seriatim/transport-memory";
import { startBroker } from "./broker-role.ts";
import { startConsumer } from "./consumer-role.ts";
import { FreezableRuntime } from "./freezable-runtime.ts";
import { startProducer } from "./producer-role.ts";
import type {
  ConsumerStatus,
  ProducerStatus,
  RoleSetting,
  RunningBroker,
  RunningConsumer,
  RunningProducer,
} from "./roles.ts";
import {
  addConsumers,
  addProducers,
  BROKER,
  consumerNames,
  historyFile,
  producerNames,
  type Stage,
  type StageOptions,
} from "./stage.ts";

interface Member<R> {
  readonly name: string;
  readonly incarnation: number;
  readonly history: HistoryWriter;
  readonly runtime: FreezableRuntime;
  readonly role: R;
}

/**
 * The same actors in one process: a kill is a close that waits for nothing, a freeze holds the timers of one client.
 */
export class MemoryStage implements Stage {
  readonly world = new OutsideWorld();
  readonly means: Stage["means"] = {
    kill: { fault: "close", text: "closed at once" },
    freeze: { fault: "pause", text: "frozen (its timers are held)" },
  };
  readonly failure: Promise<never>;
  readonly #options: StageOptions;
  readonly #transport = memoryTransport();
  readonly #producers = new Map<string, Member<RunningProducer>>();
  readonly #consumers = new Map<string, Member<RunningConsumer>>();
  readonly #past: ConsumerStatus[] = [];
  #broker: Member<RunningBroker> | null = null;
  #fail!: (error: ProgramError) => void;
  #client: Client | null = null;

  constructor(options: StageOptions) {
    this.#options = options;
    this.failure = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failure.catch(() => {});
  }

  /** Nobody has a process to start here. */
  readonly awaited = [];
  async start(): Promise<void> {
    await this.#startBroker(1);
    await Promise.all([
      ...producerNames(this.#options).map((name, index) => this.#startProducer(name, index)),
      ...consumerNames(this.#options).map((name) => this.#startConsumer(name, 1)),
    ]);
  }
  allow(upTo: number): void {
    for (const { role } of this.#producers.values()) role.allow(upTo);
  }
  async occupy(consumer: string, ms: number, patienceMs: number): Promise<string | null> {
    const { role } = this.#consumer(consumer);
    let timer: NodeJS.Timeout | undefined;
    const gaveUp = new Promise<null>((resolve) => {
      timer = setTimeout(resolve, patienceMs, null);
    });
    const id = await Promise.race([role.occupy(ms), gaveUp]);
    clearTimeout(timer);
    if (id === null) role.relax();
    return id;
  }
  async kill(target: string): Promise<void> {
    const member = target === BROKER ? this.#theBroker() : this.#consumer(target);
    await member.role.close({ timeoutMs: 0 });
  }
  async restart(target: string): Promise<void> {
    if (target === BROKER) return this.#startBroker(this.#theBroker().incarnation + 1);
    const before = this.#consumer(target);
    this.#past.push({ ...before.role.status });
    await this.#startConsumer(target, before.incarnation + 1);
  }
  pause(target: string): void {
    this.#consumer(target).runtime.freeze();
  }
  resume(target: string): void {
    this.#consumer(target).runtime.thaw();
  }
  incarnation(target: string): string {
    const { name, incarnation } = target === BROKER ? this.#theBroker() : this.#consumer(target);
    return `${name}#${incarnation}`;
  }
  producers(): ProducerStatus {
    return addProducers([...this.#producers.values()].map(({ role }) => role.status));
  }
  consumers(): ConsumerStatus {
    return addConsumers([...this.#past, ...[...this.#consumers.values()].map(({ role }) => role.status)]);
  }
  async client(): Promise<Client> {
    const client = this.#client ?? (await createClient({ name: "driver", modules: [this.#transport] }));
    this.#client = client;
    return client;
  }
  async closeMembers(timeoutMs: number): Promise<void> {
    const members = [...this.#producers.values(), ...this.#consumers.values()];
    const closed = Promise.all(members.map(({ role }) => role.close({ timeoutMs })));
    await within(timeoutMs + 2_000, "closing the producers and consumers", closed);
  }
  async close(timeoutMs: number): Promise<void> {
    await this.#client?.close({ timeoutMs });
    await this.#broker?.role.close({ timeoutMs });
  }
  async destroy(): Promise<void> {
    const members = [...this.#producers.values(), ...this.#consumers.values()];
    for (const { runtime } of members) runtime.thaw();
    await Promise.allSettled(members.map(({ role }) => role.close({ timeoutMs: 0 })));
    await this.#client?.close({ timeoutMs: 0 }).catch(() => {});
    await this.#broker?.role.close({ timeoutMs: 0 }).catch(() => {});
  }

  #theBroker(): Member<RunningBroker> {
    if (this.#broker === null) throw new Error("the broker was never started");
    return this.#broker;
  }
  #consumer(name: string): Member<RunningConsumer> {
    const consumer = this.#consumers.get(name);
    if (consumer === undefined) throw new Error(`there is no consumer ${name}`);
    return consumer;
  }
  async #startBroker(incarnation: number): Promise<void> {
    this.#broker = await this.#startMember(BROKER, incarnation, (at) =>
      startBroker({ ...at, dataPath: this.#options.dataPath }),
    );
  }
  async #startProducer(name: string, index: number): Promise<void> {
    const events = this.#options.shares[index] ?? [];
    this.#producers.set(
      name,
      await this.#startMember(name, 1, (at) =>
        startProducer({ ...at, events, failed: (error) => this.#failed(name, error) }),
      ),
    );
  }
  async #startConsumer(name: string, incarnation: number): Promise<void> {
    const member = await this.#startMember(name, incarnation, (at, runtime) =>
      startConsumer({
        ...at,
        write: async (write) => this.world.apply(write),
        failed: (error) => this.#failed(name, error),
        sleep: (ms) => new Promise((resolve) => void runtime.setTimeout(resolve, ms)),
      }),
    );
    this.#consumers.set(name, member);
  }
  async #startMember<R>(
    name: string,
    incarnation: number,
    start: (at: RoleSetting, runtime: FreezableRuntime) => Promise<R>,
  ): Promise<Member<R>> {
    const { settings, historyDir } = this.#options;
    const history = new HistoryWriter({
      process: `${name}#${incarnation}`,
      file: historyFile(historyDir, name, incarnation),
    });
    const runtime = new FreezableRuntime();
    const role = await start(
      { name, settings, history, modules: [this.#transport, provide(tokens.runtime, () => runtime)] },
      runtime,
    );
    return { name, incarnation, history, runtime, role };
  }
  #failed(name: string, error: unknown): void {
    this.#fail(
      new ProgramError("PROCESS_FAILED", `${name}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      }),
    );
  }
}
