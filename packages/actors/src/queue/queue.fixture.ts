import type { Metrics } from "../contracts/metrics.ts";
import { Counters, TopicCounters } from "../log/counters.ts";
import type { Owner } from "../log/owner.ts";
import { ProducerNames } from "../log/producer-names.ts";
import { StoreBacklog } from "../log/store-backlog.ts";
import { TailBudget } from "../log/tail-cache.ts";
import type { TopicScope } from "../log/topic-scope.ts";
import { type Durability, type Epoch, offset, sequence } from "../message/brands.ts";
import type { MessagingError } from "../message/errors.ts";
import { concatBytes, packMessage } from "../message/packed.ts";
import { evenRuns, NO_SLOT, slotOf, slotTable } from "../message/route.ts";
import { type TopicSpec, topicSpec } from "../message/topic.ts";
import type { Refusal } from "../protocol/disclosure.ts";
import type { AsidePut, BrokerFrame, LeaseResume, MemberJoin, OffsetRange, Settlement } from "../protocol/frames.ts";
import { ActorRegistry } from "../runtime/actor-registry.ts";
import { EventBus } from "../runtime/event-bus.ts";
import { type SimulatedRuntime, simulatedRuntime } from "../runtime/simulated-runtime.ts";
import { MemoryDisk } from "../store/memory-disk.ts";
import { createMemoryStore } from "../store/memory-store.ts";
import type { GroupSubscription } from "../subscription/group-subscription.ts";
import { type Holder, NO_LEASE } from "../subscription/holder.ts";
import type { MemberPort } from "../subscription/member-port.ts";
import type { SharedSubscription } from "../subscription/shared-subscription.ts";
import type { Subscription } from "../subscription/subscription.ts";
import { Queue } from "./queue.ts";

/** A packed message with this key. */
export function message(key: string | null, bytes = 10, id: string | null = null): Uint8Array {
  const slot = key === null ? NO_SLOT : slotOf(key);
  return packMessage({ key, slot, id, headers: null, dueMs: null, encoding: "bytes", body: new Uint8Array(bytes) });
}
export const settlement = (ranges: readonly OffsetRange[], rest: Partial<Settlement> = {}): Settlement => ({
  ranges,
  redriven: [],
  tried: [],
  redrivenTried: [],
  ...rest,
});
export const failure = { name: "Error", message: "boom", code: null };

/** A member of a group that keeps what it was sent. */
export class FakePort implements MemberPort {
  readonly instance: string;
  principal: Owner = null;
  readonly name: string;
  readonly member = 1;
  readonly join: MemberJoin;
  open = true;
  congested = false;
  silent = false;
  readonly link = {};
  readonly frames: BrokerFrame[] = [];
  #grants = 0;
  #requests = 0;
  readonly drained: (() => void)[] = [];
  constructor(instance: string, join: Partial<MemberJoin> = {}) {
    this.instance = instance;
    this.name = join.name ?? instance;
    this.join = {
      type: "member.join",
      request: 1,
      member: 1,
      topic: "t",
      group: "g",
      name: this.name,
      settings: { exhausted: "park", attempts: 3, startAt: "earliest" },
      concurrency: 1,
      leaseTtlMs: 10_000,
      revokeTimeoutMs: 5_000,
      allocation: "sticky",
      invisibleMs: 5_000,
      retry: { initialMs: 100, factor: 2, maxMs: 1_000, jitter: 0 },
      ...join,
    };
  }
  onDrained(resume: () => void): void {
    this.drained.push(resume);
  }
  send(frame: BrokerFrame): void {
    this.frames.push(frame);
  }
  refuse(refusal: Refusal): void {
    this.frames.push(refusal);
  }
  readonly faults: string[] = [];
  fault(error: unknown, doing: string): void {
    this.faults.push(`${doing}: ${String(error)}`);
  }
  overloaded(error: MessagingError): void {
    this.faults.push(error.code);
  }
  nextGrant(): number {
    return ++this.#grants;
  }
  nextRequest(): number {
    return ++this.#requests;
  }
  all<T extends BrokerFrame["type"]>(type: T): Extract<BrokerFrame, { readonly type: T }>[] {
    return this.frames.filter((frame) => frame.type === type) as Extract<BrokerFrame, { readonly type: T }>[];
  }
  last<T extends BrokerFrame["type"]>(type: T): Extract<BrokerFrame, { readonly type: T }> {
    const found = this.all(type).at(-1);
    if (found === undefined)
      throw new Error(`no "${type}" came, but ${this.frames.map((frame) => frame.type).join(", ")}`);
    return found;
  }
  /** Offsets delivered, in order. */
  get delivered(): number[] {
    return this.all("deliver").flatMap(({ batches }) =>
      batches.flatMap(({ offset, count }) => Array.from({ length: count }, (_, index) => offset + index)),
    );
  }
  get redelivered(): number[] {
    return this.all("redeliver").flatMap(({ entries }) => entries.map((entry) => entry.offset as number));
  }
}

/** One queue on a store of its own, on a simulated clock. */
export class QueueBench {
  readonly runtime: SimulatedRuntime;
  readonly disk: MemoryDisk;
  readonly spec: TopicSpec;
  store;
  actors!: ActorRegistry;
  scope!: TopicScope;
  queue!: Queue;
  vacancies = 0;
  readonly told: string[] = [];
  #sequence = 0;
  #epoch: Epoch | null = null;
  readonly answers: BrokerFrame[] = [];
  #life = { over: false };
  readonly #metrics: Metrics | null;

  constructor(spec: Partial<TopicSpec> = {}, disk?: MemoryDisk, metrics: Metrics | null = null) {
    this.#metrics = metrics;
    this.runtime = simulatedRuntime({ seed: 1 });
    this.disk = disk ?? new MemoryDisk({ runtime: this.runtime });
    this.spec = topicSpec({ name: "t", queues: 1, ...spec });
    this.store = createMemoryStore({ runtime: this.runtime, disk: this.disk });
    this.#make();
  }
  static async open(spec: Partial<TopicSpec> = {}, disk?: MemoryDisk, metrics?: Metrics): Promise<QueueBench> {
    const bench = new QueueBench(spec, disk, metrics);
    await bench.queue.open();
    return bench;
  }
  #make(): void {
    const { store, spec } = this;
    const life = { over: false };
    this.#life.over = true;
    this.#life = life;
    // timers of a process that has died do not fire
    const runtime: SimulatedRuntime = Object.create(this.runtime, {
      setTimeout: { value: (fn: () => void, ms: number) => this.runtime.setTimeout(() => life.over || fn(), ms) },
      now: { value: () => this.runtime.now() },
    });
    const actors = new ActorRegistry({
      runtime,
      onFailure: (path, error) => this.told.push(`${path}: ${String(error)}`),
      dropped: () => {},
    });
    const logger = { log: () => {} };
    const events = new EventBus(runtime, () => {});
    events.events$.subscribe((event) => this.told.push(event.type));
    this.actors = actors;
    this.scope = {
      spec,
      routeVersion: 1,
      table: slotTable({ runs: evenRuns(spec.queues) }),
      messageBytesMax: 1024 * 1024,
      leaseTtlMsMax: 60_000,
      store,
      runtime,
      actors,
      events,
      logger,
      counters: this.#metrics === null ? null : new TopicCounters(new Counters(this.#metrics, logger), spec.name),
      producerNames: new ProducerNames(spec.name),
      tails: new TailBudget(),
      backlog: new StoreBacklog(),
    };
    this.queue = new Queue(this.scope, 0);
  }
  /** The process dies and another takes the data up. */
  async restart(): Promise<void> {
    this.actors.stopAll();
    this.store = createMemoryStore({ runtime: this.runtime, disk: this.disk });
    this.#epoch = null;
    this.#make();
    await this.queue.open();
  }
  async subscribe(
    startAt: "earliest" | "latest" | { timestampMs: number } = "earliest",
    name = "g",
  ): Promise<Subscription> {
    return (await this.#subscribe(startAt, name)) as Subscription;
  }
  async share(): Promise<SharedSubscription> {
    return (await this.#subscribe("earliest", "g")) as SharedSubscription;
  }
  #subscribe(startAt: "earliest" | "latest" | { timestampMs: number }, name: string) {
    return this.queue.subscribe({
      name,
      settings: { exhausted: "park", attempts: 3, startAt },
      onVacant: () => {
        this.vacancies++;
      },
      onHolder: () => {},
    });
  }
  readonly lane = (producer = "p", instance = "i", epoch: Epoch) => ({
    lane: 1,
    producer,
    instance,
    epoch,
    send: (frame: BrokerFrame) => void this.answers.push(frame),
    refuse: (refusal: Refusal) => void this.answers.push(refusal),
  });
  /** Sends messages of these keys, as one batch. */
  append(keys: readonly (string | null)[], bytes = 10, durability: Durability = "memory"): void {
    this.appendMessages(
      keys.map((key) => message(key, bytes)),
      durability,
    );
  }
  appendMessages(messages: readonly Uint8Array[], durability: Durability = "memory"): void {
    if (this.#epoch === null) {
      this.#epoch = this.queue.log.openLane("p", null, { instance: "i", ordinal: 1, principal: null }).epoch;
      this.#sequence = 0;
    }
    const frame = {
      type: "batch.append",
      lane: 1,
      epoch: this.#epoch,
      sequence: sequence(this.#sequence),
      count: messages.length,
      durability,
      messages: concatBytes(messages),
    } as const;
    this.queue.append(this.lane("p", "i", this.#epoch), frame);
    if (this.answers.at(-1)?.type === "batch.appended") this.#sequence += messages.length;
  }
  settle(): Promise<void> {
    return this.runtime.settle();
  }
}

/** A holder of a lease, as a consumer talks. */
export class Talk {
  readonly bench: QueueBench;
  readonly subscription: Subscription;
  port: FakePort;
  epoch = 0 as Epoch;
  #settle = 0;
  constructor(bench: QueueBench, subscription: Subscription, port: FakePort) {
    this.bench = bench;
    this.subscription = subscription;
    this.port = port;
  }
  /** Takes the lease, with credit for everything. */
  static async hold(
    bench: QueueBench,
    subscription: Subscription,
    instance = "c",
    join: Partial<MemberJoin> = {},
  ): Promise<Talk> {
    const talk = new Talk(bench, subscription, new FakePort(instance, join));
    await talk.acquire();
    talk.epoch = talk.port.last("lease.granted").epoch;
    await talk.credit();
    return talk;
  }
  async acquire(resume: LeaseResume | null = null): Promise<void> {
    const request = this.port.nextRequest();
    this.subscription.acquire(this.port, { type: "lease.acquire", request, member: 1, queue: 0, resume });
    await this.bench.settle();
  }
  async credit(messages = 1_000_000, bytes = 1e9): Promise<void> {
    this.subscription.credit(this.port, { type: "credit", member: 1, queue: 0, epoch: this.epoch, messages, bytes });
    await this.bench.settle();
  }
  async settle(ranges: readonly OffsetRange[], rest: Partial<Settlement> = {}): Promise<void> {
    this.subscription.settle(this.port, {
      type: "settle",
      member: 1,
      queue: 0,
      epoch: this.epoch,
      settle: this.#settle++,
      settlement: settlement(ranges, rest),
    });
    await this.bench.settle();
  }
  put(at: number, key: string | null, rest: Partial<AsidePut> = {}): Promise<void> {
    const request = this.port.nextRequest();
    const { epoch } = this;
    const frame = {
      type: "aside.put",
      request,
      member: 1,
      queue: 0,
      epoch,
      kind: "park",
      offset: offset(at),
      key,
      redriven: null,
      attempts: 3,
      error: failure,
    } as const;
    this.subscription.asidePut(this.port, { ...frame, ...rest });
    return this.bench.settle();
  }
  async raise(): Promise<void> {
    const request = this.port.nextRequest();
    this.subscription.raise(this.port, { type: "lease.raise", request, member: 1, queue: 0, epoch: this.epoch });
    await this.bench.settle();
  }
  async release(ranges: readonly OffsetRange[] = []): Promise<void> {
    const request = this.port.nextRequest();
    const settle = settlement(ranges);
    this.subscription.release(this.port, {
      type: "lease.release",
      request,
      member: 1,
      queue: 0,
      epoch: this.epoch,
      settle,
    });
    await this.bench.settle();
  }
}

/** Every class of every offset adds up (P9), and no offset is in two. */
export function accountProblem(subscription: { account(): ReturnType<Subscription["account"]> }): string | null {
  const account = subscription.account();
  const { settled, filtered, skipped, expired, backlog, deadLettered, parked, discarded } = account;
  const parts = [settled, filtered, skipped, expired, backlog, deadLettered.length, parked.length, discarded.length];
  const sum = parts.reduce((total, part) => total + part, 0);
  if (sum !== account.end - account.start)
    return `${parts.join(" + ")} = ${sum}, expected ${account.end - account.start}`;
  if (parts.some((part) => part < 0)) return `a class is negative: ${parts.join(", ")}`;
  const aside = [...deadLettered, ...parked, ...discarded];
  if (new Set(aside).size !== aside.length) return "an offset is in two classes";
  const inRanges = (at: number) => account.settledRanges.some(([from, to]) => at >= from && at < to);
  if (aside.some(inRanges)) return "an offset is settled and set aside";
  return null;
}
/** What the subscription would be if it were loaded from the store now, beside what it is. */
export async function storedBeside(bench: QueueBench, subscription: GroupSubscription) {
  const { Ledger } = await import("../subscription/ledger.ts");
  const stored = await Ledger.open(subscription.scope, 0);
  const plain = ({ account, strands }: { account: unknown; strands: unknown }) => JSON.stringify({ account, strands });
  const strands = (aside: typeof stored.aside) =>
    [...aside.strands()]
      .sort((a, b) => a.id - b.id)
      .map((one) => [
        one.id,
        one.kind,
        one.key,
        one.offsets,
        one.sinceMs,
        one.phase,
        one.attempts,
        one.losses,
        one.error,
      ]);
  const of = (one: Pick<GroupSubscription, "state" | "aside">, epoch: Epoch, holder: Holder | null) =>
    plain({
      account: [one.state.account(bench.queue.log.flushedEnd), epoch, holder, [...one.state.tried], one.state.halt],
      strands: strands(one.aside),
    });
  const { epoch, holder } = stored.lease;
  const kept = subscription.lease ?? NO_LEASE;
  return { memory: of(subscription, kept.epoch, kept.holder), store: of(stored, epoch, holder) };
}
