import { QueueLog } from "../log/queue-log.ts";
import { flat } from "../log/records.ts";
import type { TopicScope } from "../log/topic-scope.ts";
import { asMessagingError, MessagingError } from "../message/errors.ts";
import type { BatchAppend, GroupSettings } from "../protocol/frames.ts";
import type { LightRef } from "../runtime/actor-registry.ts";
import { whenStored } from "../store/known-errors.ts";
import type { GroupSubscription } from "../subscription/group-subscription.ts";
import { SharedSubscription } from "../subscription/shared-subscription.ts";
import { Subscription } from "../subscription/subscription.ts";
import type { GroupPart, SubscriptionScope } from "../subscription/subscription-scope.ts";
import { LaneIntake, type LanePort } from "./lane-intake.ts";
import { isOpen, queueMachine } from "./queue.machine.ts";
import { QueueRoom } from "./queue-room.ts";

const SCAN_BYTES = 4 * 1024 * 1024;
const IDLE_LOOK_MS = 3_600_000;

/**
 * One ordered queue of a topic, an actor: its log, and one subscription for each group. It puts what producers send in
 * one order, and for each group serializes delivery to the one consumer actor that holds its lease. When a commit has
 * failed it reads all of it anew from the store.
 *
 *     lanes ──▶ LaneIntake ──▶ QueueLog ──▶ store
 *                                 │ flushed
 *                                 ├──▶ Subscription of group "a" ──▶ the consumer that holds its lease
 *                                 └──▶ Subscription of group "b" ──▶ the consumer that holds its lease
 */
export class Queue {
  readonly index: number;
  readonly path: string;
  readonly log: QueueLog;
  readonly subscriptions = new Map<string, GroupSubscription>();
  readonly #scope: TopicScope;
  readonly #machine: LightRef<typeof queueMachine>;
  // made when they are needed: most queues may be idle
  #madeRoom: QueueRoom | null = null;
  #madeIntake: LaneIntake | null = null;
  #recoveredAt = Number.NEGATIVE_INFINITY;
  #notifying = false;
  #idleLookAt = Number.NEGATIVE_INFINITY;

  constructor(scope: TopicScope, index: number) {
    this.#scope = scope;
    this.index = index;
    this.path = flat("queue", scope.spec.name, index);
    this.log = new QueueLog(scope, index, (error) => this.#commitFailed(error));
    this.#machine = scope.actors.startLight({ kind: "queue", path: this.path }, queueMachine, undefined);
    this.#machine.on("recovery.due", ({ inMs }) => this.#recoverIn(inMs));
  }
  get #room(): QueueRoom {
    this.#madeRoom ??= new QueueRoom(this.path, this.#scope, this.log, this.#machine, this.subscriptions);
    return this.#madeRoom;
  }
  get #intake(): LaneIntake {
    this.#madeIntake ??= new LaneIntake(this.path, this.#scope, this.log, this.#machine, this.#room, {
      flushed: () => this.#notifyFlushed(),
      failed: (error) => this.#commitFailed(error),
    });
    return this.#madeIntake;
  }
  get state(): string {
    return String(this.#machine.getSnapshot().value);
  }
  /** Its log may be changed. */
  get isOpen(): boolean {
    return isOpen(this.#machine.getSnapshot());
  }

  /* ---------- from the store, and again when a commit has failed ---------- */

  /** Loads the log. @throws `STORE_DAMAGED`, after which the queue refuses everything */
  async open(): Promise<void> {
    try {
      await this.log.recover();
      this.#machine.send({ type: "queue.recovered" });
    } catch (error) {
      this.#machine.send({ type: "recovery.failed", isFinal: true });
      throw error;
    }
  }
  /** A commit failed, or a fault of ours stopped half way: nothing in memory counts. */
  #commitFailed(error: unknown): void {
    if (!this.isOpen) return;
    const { logger, runtime } = this.#scope;
    logger.log("error", `${this.path}: a commit failed; reloading from the store`, {
      error: String(error),
      stack: error instanceof Error ? error.stack : undefined,
    });
    this.#machine.send({ type: "commit.failed", sinceRecoveryMs: runtime.now() - this.#recoveredAt });
  }
  #recoverIn(ms: number): void {
    if (ms <= 0) void this.#recover();
    else this.#scope.runtime.setTimeout(() => void this.#recover(), ms);
  }
  async #recover(): Promise<void> {
    if (this.state !== "recovering") return; // closed meanwhile
    const { logger, runtime } = this.#scope;
    try {
      await this.log.recover();
      this.#recoveredAt = runtime.now();
      this.#machine.send({ type: "queue.recovered" });
      this.#madeIntake?.recovered();
      for (const subscription of this.subscriptions.values()) subscription.flushed();
    } catch (error) {
      const known = asMessagingError(error, "STORE_FAILED");
      const isFinal = known.code === "STORE_DAMAGED" || known.code === "FORMAT_UNSUPPORTED";
      logger.log("error", `${this.path}: cannot recover${isFinal ? "" : " yet"}`, { error: known.message });
      this.#machine.send({ type: "recovery.failed", isFinal });
    }
  }

  /* ---------- producers ---------- */

  /** Opens a lane: see `QueueLog.openLane`. */
  openLane(...of: Parameters<QueueLog["openLane"]>): ReturnType<QueueLog["openLane"]> {
    return this.#intake.open(...of);
  }
  /** See `LaneIntake.sendKept`. */
  sendKept(lane: LanePort): void {
    this.#intake.sendKept(lane);
  }
  /** Takes a batch, or refuses it; answers on the lane's link. */
  append(lane: LanePort, frame: BatchAppend): void {
    this.#intake.append(lane, frame);
  }
  /** Once an hour. */
  forgetIdleProducers(isLinked: (name: string) => boolean): void {
    const now = this.#scope.runtime.now();
    if (!this.isOpen || now < this.#idleLookAt) return;
    this.#idleLookAt = now + IDLE_LOOK_MS;
    this.log.forgetIdleProducers(isLinked);
  }
  /**
   * The producer's name is free here: see `QueueLog.releaseProducer`. @throws `UNAVAILABLE`, or what the commit fails
   * with
   */
  async releaseProducer(producer: string): Promise<boolean> {
    if (!this.isOpen) throw new MessagingError("UNAVAILABLE", `${this.path} is ${this.state}`);
    const commit = this.log.releaseProducer(producer);
    if (commit !== null) await whenStored(commit.flushed);
    return commit !== null;
  }

  /* ---------- groups ---------- */

  /** The group's subscription here, begun where its settings say when it is new. */
  async subscribe(group: GroupPart): Promise<GroupSubscription> {
    const known = this.subscriptions.get(group.name);
    if (known !== undefined) return known;
    const { spec, counters } = this.#scope;
    const scope: SubscriptionScope = {
      topic: this.#scope,
      place: { topic: spec.name, queue: this.index, group: group.name },
      log: this.log,
      group,
      counters: counters?.group(group.name) ?? null,
    };
    const begin = await this.#beginAt(group.settings.startAt);
    const opened = await (spec.ordered ? Subscription : SharedSubscription).open(scope, begin);
    this.subscriptions.set(group.name, opened);
    return opened;
  }
  /** Forgets a group that was begun here: it is begun anew, from what the store has of it. */
  async unsubscribe(group: GroupPart): Promise<void> {
    const known = this.subscriptions.get(group.name);
    this.subscriptions.delete(group.name);
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
  /** Subscriptions look once for all that was flushed in one go. */
  #notifyFlushed(): void {
    if (this.#notifying) return;
    this.#notifying = true;
    this.#scope.runtime.defer(() => {
      this.#notifying = false;
      for (const subscription of this.subscriptions.values()) subscription.flushed();
    });
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
    return Math.max(0, Math.round(this.#scope.runtime.wallNow() - batch.appendedAtMs));
  }
  /** Batches that groups were seen to stand in: one that stands still is not read again for its time alone. */
  readonly #oldestOf = new WeakMap<
    GroupSubscription,
    { readonly from: number; readonly to: number; readonly appendedAtMs: number }
  >();

  /* ---------- retention, the end ---------- */

  /** See `QueueRoom.mayRetain`. */
  get mayRetain(): boolean {
    if (this.#madeRoom === null && this.log.start >= this.log.flushedEnd) return false; // there is nothing in it
    return this.#room.mayRetain;
  }
  /** See `QueueRoom.retain`. */
  async retain(): Promise<void> {
    await this.#room.retain();
  }
  async close(): Promise<void> {
    this.#machine.send({ type: "queue.close" });
    await Promise.all([...this.subscriptions.values()].map((subscription) => subscription.close()));
  }
}
