import type { QueueLog } from "../log/queue-log.ts";
import { type RetentionGroup, retain } from "../log/retention.ts";
import type { TopicScope } from "../log/topic-scope.ts";
import { MessagingError } from "../message/errors.ts";
import type { LightRef } from "../runtime/actor-registry.ts";
import { storeReserveBytes } from "../store/store-rules.ts";
import { isFull, isOpen, type queueMachine } from "./queue.machine.ts";

/** What a batch takes beside its messages: its own record, its producer's state. */
export const COMMIT_OVERHEAD_BYTES = 1_024;

/**
 * Whether batches fit into a queue, and what retention takes out of it. Says so to the queue's machine, which decides
 * whether it is full.
 */
export class QueueRoom {
  readonly #path: string;
  readonly #scope: TopicScope;
  readonly #log: QueueLog;
  readonly #machine: LightRef<typeof queueMachine>;
  readonly #groups: ReadonlyMap<string, RetentionGroup>;
  #retaining = false;
  /** The batch that did not fit: what there must be room for before the queue is no longer full. */
  #refusedBytes = 0;
  /** The oldest batch, and when it will be too old. */
  #oldest = { at: -1, dueMs: 0 };

  constructor(
    path: string,
    scope: TopicScope,
    log: QueueLog,
    machine: LightRef<typeof queueMachine>,
    groups: ReadonlyMap<string, RetentionGroup>,
  ) {
    this.#path = path;
    this.#scope = scope;
    this.#log = log;
    this.#machine = machine;
    this.#groups = groups;
  }
  get #isFull(): boolean {
    return isFull(this.#machine.getSnapshot());
  }
  get #bytesMax(): number {
    return this.#scope.spec.retention.bytesMax ?? Number.POSITIVE_INFINITY;
  }
  /** Whether a batch of this size can be taken: a commit that the store has no room for would cost a reload. */
  #hasRoom(bytes: number): boolean {
    const { usedBytes, capacityBytes, hasRoom } = this.#scope.store.usage();
    const room = capacityBytes - storeReserveBytes(capacityBytes) - usedBytes;
    return this.#log.bytes < this.#bytesMax && hasRoom && bytes + COMMIT_OVERHEAD_BYTES <= room;
  }
  /** A batch of this size has come: whether the queue is full, or full no longer. */
  lookFor(bytes: number): void {
    const wasFull = this.#isFull;
    if (!wasFull && this.#hasRoom(bytes)) return;
    void this.retain();
    const fits = this.#hasRoom(bytes);
    if (wasFull && fits) this.#machine.send({ type: "queue.drained" });
    if (wasFull || fits) return;
    this.#refusedBytes = bytes;
    this.#machine.send({ type: "queue.filled" });
  }
  /** Why a full queue is. */
  fullError(): MessagingError {
    const { bytes } = this.#log;
    const bytesMax = this.#bytesMax;
    if (bytes >= bytesMax)
      return new MessagingError(
        "QUEUE_FULL",
        `${this.#path} holds ${bytes} bytes that are not settled by all groups; its limit is ${bytesMax}`,
        { data: { bytes, bytesMax } },
      );
    const usage = this.#scope.store.usage();
    return new MessagingError(
      "STORE_FULL",
      `the store uses ${usage.usedBytes} of ${usage.capacityBytes} bytes: let consumers drain, or give it more`,
      { data: { ...usage } },
    );
  }

  /**
   * Whether retention may find anything: not while the oldest batch is the one that it saw last, too young, and nothing
   * else presses.
   */
  get mayRetain(): boolean {
    const { spec, runtime, store } = this.#scope;
    const { start, flushedEnd, bytes } = this.#log;
    if (this.#isFull) return true;
    if (start >= flushedEnd) return false;
    if (start !== this.#oldest.at || runtime.wallNow() > this.#oldest.dueMs) return true;
    return spec.retention.settledByAll === true || bytes >= this.#bytesMax || !store.usage().hasRoom;
  }
  /** Removes what retention lets go. Never rejects: what goes wrong is logged, and comes round again. */
  async retain(): Promise<void> {
    if (this.#retaining || !isOpen(this.#machine.getSnapshot())) return;
    this.#retaining = true;
    const { spec, runtime, store, logger } = this.#scope;
    try {
      const dueMs = await retain(this.#log, spec.retention, [...this.#groups.values()], {
        wallMs: runtime.wallNow(),
        storeHasRoom: store.usage().hasRoom && !(this.#isFull && this.#log.bytes < this.#bytesMax),
      });
      this.#oldest = { at: this.#log.start, dueMs };
      if (this.#isFull && this.#hasRoom(this.#refusedBytes)) this.#machine.send({ type: "queue.drained" });
    } catch (error) {
      logger.log("error", `${this.#path}: retention failed`, { error: String(error) });
    } finally {
      this.#retaining = false;
    }
  }
}
