import type { Logger } from "../contracts/logger.ts";
import type { TopicCounters } from "../log/counters.ts";
import type { ProducerNames } from "../log/producer-names.ts";
import { type Appended, type LaneIdentity, QueueLog } from "../log/queue-log.ts";
import { flat } from "../log/records.ts";
import { retain } from "../log/retention.ts";
import { StoreBacklog, UNFLUSHED_BYTES_MAX } from "../log/store-backlog.ts";
import type { TailBudget } from "../log/tail-cache.ts";
import { atLeastAsDurable, type Sequence, sequence } from "../message/brands.ts";
import { asMessagingError, isMessagingError, limitExceeded, MessagingError, textOf } from "../message/errors.ts";
import type { TopicSpec } from "../message/topic.ts";
import type { PlainFrame, Refusal } from "../protocol/disclosure.ts";
import type { BatchAppend, GroupSettings } from "../protocol/frames.ts";
import type { ActorRegistry, LightRef } from "../runtime/actor-registry.ts";
import type { EventBus } from "../runtime/event-bus.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { whenStored } from "../store/known-errors.ts";
import type { Store } from "../store/store.ts";
import { storeReserveBytes } from "../store/store-rules.ts";
import type { GroupSubscription } from "../subscription/group-subscription.ts";
import { SharedSubscription } from "../subscription/shared-subscription.ts";
import { Subscription } from "../subscription/subscription.ts";
import type { LeaseListener } from "../subscription/subscription-context.ts";
import { queueMachine } from "./queue.machine.ts";

export interface QueueOptions {
  readonly spec: TopicSpec;
  readonly queue: number;
  readonly routeVersion: number;
  readonly table: Uint16Array;
  readonly messageBytesMax: number;
  readonly leaseTtlMsMax: number;
  readonly store: Store;
  readonly runtime: Runtime;
  readonly actors: ActorRegistry;
  readonly events: EventBus;
  readonly logger: Logger;
  readonly counters: TopicCounters | null;
  readonly tails?: TailBudget;
  readonly producerNames?: ProducerNames;
  /** What waits for the store of all queues. @default nothing but this queue's */
  readonly backlog?: StoreBacklog;
}
/** What a group wants to hear of its part of a queue. */
export interface GroupPart extends LeaseListener {
  readonly name: string;
  readonly settings: GroupSettings;
}
/** A lane on its link: where its answers go. */
export interface LanePort extends LaneIdentity {
  readonly lane: number;
  send(frame: PlainFrame): void;
  refuse(refusal: Refusal): void;
}
const RETRY_AFTER_MS = 200;
/** What a batch takes beside its messages: its own record, its producer's state. */
const COMMIT_OVERHEAD_BYTES = 1_024;
const RECOVER_AFTER_MS = 500;
/** Lanes whose first epoch waits for the store, at most. */
const OPENING_MAX = 1_000;
const unstored = (error: unknown) =>
  new MessagingError("UNAVAILABLE", `a batch could not be stored: ${textOf(error)}`, { cause: error });
const SCAN_BYTES = 4 * 1024 * 1024;
const IDLE_LOOK_MS = 3_600_000;

/** One ordered log with its groups: takes batches, tells subscriptions what is flushed, lets retention work, and recovers when a commit has failed. */
export class Queue {
  readonly path: string;
  readonly log: QueueLog;
  readonly subscriptions = new Map<string, GroupSubscription>();
  readonly #options: QueueOptions;
  readonly #machine: LightRef<typeof queueMachine>;
  readonly #backlog: StoreBacklog;
  /** Lanes whose epoch is on its way to the store. */
  #opening = 0;
  /** Lanes with `memory` receipts for what a failed commit has taken back. */
  #unkept: Set<LanePort> | null = null;
  #recoveredAt = Number.NEGATIVE_INFINITY;
  #retaining = false;
  #notifying = false;
  #idleLookAt = Number.NEGATIVE_INFINITY;

  constructor(options: QueueOptions) {
    this.#options = options;
    this.path = flat("queue", options.spec.name, options.queue);
    this.#backlog = new StoreBacklog(UNFLUSHED_BYTES_MAX.queue, options.backlog);
    this.log = new QueueLog(options, (error) => this.#commitFailed(error));
    this.#machine = options.actors.startLight({ kind: "queue", path: this.path }, queueMachine, undefined);
    this.#machine.on("recovery.due", () => void this.#recoverAgain());
  }
  get index(): number {
    return this.#options.queue;
  }
  get state(): string {
    return String(this.#machine.getSnapshot().value);
  }
  /** Loads the log. @throws `STORE_DAMAGED`, after which the queue refuses everything */
  async open(): Promise<void> {
    try {
      await this.log.recover();
      this.#machine.send({ type: "queue.recovered" });
    } catch (error) {
      this.#machine.send({ type: "queue.damaged" });
      throw error;
    }
  }
  async #recoverAgain(): Promise<void> {
    const { logger, runtime } = this.#options;
    const pause = (ms: number) => new Promise<void>((resolve) => void runtime.setTimeout(resolve, ms));
    // a store that fails again and again is not asked without a pause: `memory` lanes send again at once
    const soonMs = this.#recoveredAt + RECOVER_AFTER_MS - runtime.now();
    if (soonMs > 0) await pause(soonMs);
    while (this.state === "recovering") {
      try {
        await this.log.recover();
        this.#recoveredAt = runtime.now();
        this.#machine.send({ type: "queue.recovered" });
        this.#tellUnkept();
        for (const subscription of this.subscriptions.values()) subscription.flushed();
      } catch (error) {
        const known = asMessagingError(error, "STORE_FAILED");
        const isFinal = known.code === "STORE_DAMAGED" || known.code === "FORMAT_UNSUPPORTED";
        logger.log("error", `${this.path}: cannot recover${isFinal ? "" : " yet"}`, {
          error: known.message,
        });
        if (isFinal) this.#machine.send({ type: "queue.damaged" });
        else await pause(RECOVER_AFTER_MS);
      }
    }
  }

  /** The group's subscription here, begun where its settings say when it is new. */
  async subscribe(part: GroupPart): Promise<GroupSubscription> {
    const known = this.subscriptions.get(part.name);
    if (known !== undefined) return known;
    const { spec, queue, store, runtime, actors, events, logger, counters, leaseTtlMsMax } = this.#options;
    const context = {
      spec,
      queue,
      group: part.name,
      settings: part.settings,
      log: this.log,
      store,
      runtime,
      actors,
      events,
      logger,
      counters: counters?.group(part.name) ?? null,
      leaseTtlMsMax,
      part,
    };
    const begin = await this.#beginAt(part.settings.startAt);
    const opened = spec.ordered
      ? await Subscription.open(context, begin)
      : await SharedSubscription.open(context, begin);
    this.subscriptions.set(part.name, opened);
    return opened;
  }
  /** Forgets a group that was begun here: it is begun anew, from what the store has of it. */
  async unsubscribe(part: GroupPart): Promise<void> {
    const known = this.subscriptions.get(part.name);
    this.subscriptions.delete(part.name);
    await known?.close();
  }
  async #beginAt(startAt: GroupSettings["startAt"]): Promise<number> {
    if (startAt === "earliest") return this.log.start;
    if (startAt === "latest") return this.log.flushedEnd;
    for (let at: number = this.log.start; at < this.log.flushedEnd; ) {
      const batches = await this.log.read(at, SCAN_BYTES);
      for (const batch of batches) {
        if (batch.appendedAtMs >= startAt.timestampMs) return batch.first;
        at = batch.first + batch.count;
      }
      if (batches.length === 0) break;
    }
    return this.log.flushedEnd;
  }

  /**
   * Tells a lane that is back what of its `memory` receipts is kept: the news may have gone down with its old link, and a lane whose buffer is full
   * of what it holds for that sends nothing that would bring it again.
   */
  tellKept(lane: LanePort): void {
    this.log.whenKept(lane.producer, lane.epoch, (kept) =>
      lane.send({ type: "lane.kept", lane: lane.lane, epoch: lane.epoch, kept }),
    );
  }
  /** A lane whose `memory` receipts came to nothing sends again from where the queue stands: it may have no room to send what would tell it. */
  #tellUnkept(): void {
    const lanes = this.#unkept ?? [];
    this.#unkept = null;
    for (const lane of lanes)
      lane.send({
        type: "lane.rewind",
        lane: lane.lane,
        epoch: lane.epoch,
        expected: this.log.expected(lane.producer),
      });
  }
  /** Opens a lane: see `QueueLog.openLane`. */
  openLane(...of: Parameters<QueueLog["openLane"]>): ReturnType<QueueLog["openLane"]> {
    if (this.#opening >= OPENING_MAX)
      throw new MessagingError(
        "UNAVAILABLE",
        `${OPENING_MAX} lanes of ${this.path} are being opened, the limit; try again`,
      );
    try {
      const opened = this.log.openLane(...of);
      this.#opening++;
      const done = () => void this.#opening--;
      opened.ready.then(done, done);
      return opened;
    } catch (error) {
      if (!isMessagingError(error)) this.#commitFailed(error); // a fault of ours: it may have stopped half way
      throw error;
    }
  }
  /** Takes a batch, or refuses it; answers on the lane's link. */
  append(lane: LanePort, frame: BatchAppend): void {
    const { store, counters } = this.#options;
    if (frame.epoch !== lane.epoch) {
      const text = `a batch of epoch ${frame.epoch} came on a lane of ${this.path} that was opened under ${lane.epoch}`;
      this.#refuse(
        lane,
        frame,
        new MessagingError("PRODUCER_FENCED", text, { data: { presented: frame.epoch, current: lane.epoch } }),
      );
      return;
    }
    if (!atLeastAsDurable(store.durabilityMax, frame.durability) && frame.durability !== "memory") {
      this.#refuse(
        lane,
        frame,
        new MessagingError(
          "DURABILITY_UNAVAILABLE",
          `durability "${frame.durability}" was asked for, the store here reaches "${store.durabilityMax}"`,
          {
            data: { durabilityMax: store.durabilityMax },
          },
        ),
      );
      return;
    }
    if (this.state === "full") this.#lookForRoom(frame.messages.length);
    else if (this.state === "active") this.#lookWhetherFull(frame.messages.length);
    if (this.state !== "active") {
      if (this.state !== "full") {
        this.#refuse(
          lane,
          frame,
          new MessagingError("UNAVAILABLE", `${this.path} is ${this.state}`, { data: { state: this.state } }),
          null,
          RETRY_AFTER_MS,
        );
        return;
      }
      const error =
        this.log.bytes >= this.#bytesMax
          ? new MessagingError(
              "QUEUE_FULL",
              `${this.path} holds ${this.log.bytes} bytes that are not settled by all groups; its limit is ${this.#bytesMax}`,
              {
                data: { bytes: this.log.bytes, bytesMax: this.#bytesMax },
              },
            )
          : new MessagingError(
              "STORE_FULL",
              `the store uses ${store.usage().usedBytes} of ${store.usage().capacityBytes} bytes: let consumers drain, or give it more`,
              {
                data: { ...store.usage() },
              },
            );
      this.#refuse(lane, frame, error, null, RETRY_AFTER_MS);
      return;
    }
    const bound = this.#backlog.boundPassedBy(frame.messages.length);
    if (bound !== null) {
      const found = `${this.#backlog.bytes} bytes of batches of ${this.path} wait for the store; ${bound} bytes of one queue, or of all of a broker, may`;
      const error = limitExceeded("unflushedBytesMax", bound, found, "it is sent again; look at the store");
      this.#refuse(lane, frame, error, null, RETRY_AFTER_MS);
      return;
    }
    const { end } = this.log;
    let appended: Appended;
    try {
      appended = this.log.append(lane, frame.sequence, frame.count, frame.messages);
    } catch (error) {
      if (!isMessagingError(error)) {
        this.#commitFailed(error); // a fault of ours: it may have stopped half way
        throw error;
      }
      const expected = error.data["expected"];
      this.#refuse(
        lane,
        frame,
        error,
        error.code === "OUT_OF_SEQUENCE" && typeof expected === "number" ? sequence(expected) : null,
      );
      return;
    }
    this.#answer(lane, frame, appended);
    if (counters !== null) {
      const fresh = this.log.end - end;
      counters.duplicates(frame.count - fresh);
      appended.commit.flushed.then(
        () => counters.appended(fresh),
        () => {}, // it comes again
      );
    }
  }
  #refuse(
    lane: LanePort,
    { epoch, sequence }: Pick<BatchAppend, "epoch" | "sequence">,
    error: MessagingError,
    expected: Sequence | null = null,
    retryAfterMs: number | null = null,
  ): void {
    this.#options.counters?.batchRefused(error.code);
    lane.refuse({ type: "batch.refused", lane: lane.lane, epoch, sequence, error, expected, retryAfterMs });
  }
  #answer(lane: LanePort, frame: BatchAppend, { runs, commit, producer }: Appended): void {
    const { epoch, sequence: first, count, durability } = frame;
    const bytes = frame.messages.length + COMMIT_OVERHEAD_BYTES;
    this.#backlog.add(bytes);
    const appended = () =>
      lane.send({
        type: "batch.appended",
        lane: lane.lane,
        epoch,
        sequence: first,
        count,
        runs,
        kept: sequence(producer.kept),
      });
    if (durability === "memory") appended();
    commit.flushed.then(
      () => {
        this.#backlog.add(-bytes);
        if (durability === "flushed") appended();
        else if (durability === "memory")
          lane.send({ type: "lane.kept", lane: lane.lane, epoch, kept: sequence(producer.kept) });
        this.#notifyFlushed();
      },
      (error: unknown) => {
        this.#backlog.add(-bytes);
        if (durability !== "memory")
          this.#refuse(lane, { epoch, sequence: first }, unstored(error), null, RETRY_AFTER_MS);
        else {
          this.#unkept ??= new Set();
          this.#unkept.add(lane);
        }
      },
    );
    if (durability === "synced")
      commit.synced.then(appended, (error: unknown) => {
        void commit.flushed.then(
          () => this.#refuse(lane, { epoch, sequence: first }, unstored(error), null, RETRY_AFTER_MS),
          () => {}, // refused above
        );
      });
  }
  #commitFailed(error: unknown): void {
    if (this.state !== "active" && this.state !== "full") return;
    this.#options.logger.log("error", `${this.path}: a commit failed; reloading from the store`, {
      error: String(error),
      stack: error instanceof Error ? error.stack : undefined,
    });
    this.#machine.send({ type: "commit.failed" });
  }
  /** Subscriptions look once for all that was flushed in one go. */
  #notifyFlushed(): void {
    if (this.#notifying) return;
    this.#notifying = true;
    this.#options.runtime.defer(() => {
      this.#notifying = false;
      for (const subscription of this.subscriptions.values()) subscription.flushed();
    });
  }

  get #bytesMax(): number {
    return this.#options.spec.retention.bytesMax ?? Number.POSITIVE_INFINITY;
  }
  /** Whether a batch of this size can be taken: a commit that the store has no room for would cost a reload. */
  #hasRoom(bytes: number): boolean {
    const { usedBytes, capacityBytes, hasRoom } = this.#options.store.usage();
    const room = capacityBytes - storeReserveBytes(capacityBytes) - usedBytes;
    return this.log.bytes < this.#bytesMax && hasRoom && bytes + COMMIT_OVERHEAD_BYTES <= room;
  }
  #lookWhetherFull(bytes: number): void {
    if (this.#hasRoom(bytes)) return;
    void this.retain();
    if (this.#hasRoom(bytes)) return;
    this.#refusedBytes = bytes;
    this.#machine.send({ type: "queue.filled" });
  }
  /** The batch that did not fit: what there must be room for before the queue is no longer full. */
  #refusedBytes = 0;
  #lookForRoom(bytes: number): void {
    void this.retain();
    if (this.#hasRoom(bytes)) this.#machine.send({ type: "queue.drained" });
  }
  /** Whether retention may find anything: not while the oldest batch is the one that it saw last, too young, and nothing else presses. */
  get mayRetain(): boolean {
    const { spec, runtime, store } = this.#options;
    const { start, flushedEnd, bytes } = this.log;
    if (this.state === "full") return true;
    if (start >= flushedEnd) return false;
    if (start !== this.#oldest.at || runtime.wallNow() > this.#oldest.dueMs) return true;
    return spec.retention.settledByAll === true || bytes >= this.#bytesMax || !store.usage().hasRoom;
  }
  /** The oldest batch, and when it will be too old. */
  #oldest = { at: -1, dueMs: 0 };
  /** Removes what retention lets go. Never rejects: what goes wrong is logged, and comes round again. */
  async retain(): Promise<void> {
    if (this.#retaining || (this.state !== "active" && this.state !== "full")) return;
    this.#retaining = true;
    try {
      const { spec, runtime, store } = this.#options;
      const dueMs = await retain(this.log, spec.retention, [...this.subscriptions.values()], {
        wallMs: runtime.wallNow(),
        storeHasRoom: store.usage().hasRoom && !(this.state === "full" && this.log.bytes < this.#bytesMax),
      });
      this.#oldest = { at: this.log.start, dueMs };
      if (this.state === "full" && this.#hasRoom(this.#refusedBytes)) this.#machine.send({ type: "queue.drained" });
    } catch (error) {
      this.#options.logger.log("error", `${this.path}: retention failed`, { error: String(error) });
    } finally {
      this.#retaining = false;
    }
  }
  /** Once an hour. */
  forgetIdleProducers(isLinked: (name: string) => boolean): void {
    if (this.state !== "active" && this.state !== "full") return;
    const now = this.#options.runtime.now();
    if (now < this.#idleLookAt) return;
    this.#idleLookAt = now + IDLE_LOOK_MS;
    this.log.forgetIdleProducers(isLinked);
  }
  /** The producer's name is free here: see `QueueLog.releaseProducer`. @throws `UNAVAILABLE`, or what the commit fails with */
  async releaseProducer(producer: string): Promise<boolean> {
    if (this.state !== "active" && this.state !== "full")
      throw new MessagingError("UNAVAILABLE", `${this.path} is ${this.state}`);
    const commit = this.log.releaseProducer(producer);
    if (commit !== null) await whenStored(commit.flushed);
    return commit !== null;
  }
  /** Age of the oldest message the group has not settled, ms. */
  async lagMs(subscription: GroupSubscription): Promise<number> {
    const { cursor } = subscription.state;
    if (cursor >= this.log.flushedEnd) return 0;
    let batch = this.#oldestOf.get(subscription);
    if (batch === undefined || cursor < batch.from || cursor >= batch.to) {
      const [oldest] = await this.log.read(cursor, 1);
      if (oldest === undefined) return 0;
      const { first, count, appendedAtMs } = oldest;
      batch = { from: first, to: first + count, appendedAtMs };
      this.#oldestOf.set(subscription, batch);
    }
    return Math.max(0, Math.round(this.#options.runtime.wallNow() - batch.appendedAtMs));
  }
  /** Batches that groups were seen to stand in: one that stands still is not read again for its time alone. */
  readonly #oldestOf = new WeakMap<
    GroupSubscription,
    { readonly from: number; readonly to: number; readonly appendedAtMs: number }
  >();
  async close(): Promise<void> {
    this.#machine.send({ type: "queue.close" });
    await Promise.all([...this.subscriptions.values()].map((subscription) => subscription.close()));
  }
}
