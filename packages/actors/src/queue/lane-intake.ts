import type { Appended, LaneIdentity, QueueLog } from "../log/queue-log.ts";
import { StoreBacklog, UNFLUSHED_BYTES_MAX } from "../log/store-backlog.ts";
import type { TopicScope } from "../log/topic-scope.ts";
import { atLeastAsDurable, type Sequence, sequence } from "../message/brands.ts";
import { isMessagingError, limitExceeded, MessagingError, textOf } from "../message/errors.ts";
import type { PlainFrame, Refusal } from "../protocol/disclosure.ts";
import type { BatchAppend } from "../protocol/frames.ts";
import type { LightRef } from "../runtime/actor-registry.ts";
import { isFull, isOpen, type queueMachine } from "./queue.machine.ts";
import { COMMIT_OVERHEAD_BYTES, type QueueRoom } from "./queue-room.ts";

/** A lane on its link: where its answers go. */
export interface LanePort extends LaneIdentity {
  readonly lane: number;
  send(frame: PlainFrame): void;
  /** Its answers keep the order of the batches: this one may wait for those before it. */
  refuse(refusal: BatchRefusal): void;
}
export type BatchRefusal = Extract<Refusal, { readonly type: "batch.refused" }>;
/** Why a batch is not taken. `expected`: the sequence to go on from; `retryAfterMs`: when to send it again. */
interface NotTaken {
  readonly error: MessagingError;
  readonly expected?: Sequence | null;
  readonly retryAfterMs?: number | null;
}
const RETRY_AFTER_MS = 200;
/** Lanes whose first epoch waits for the store, at most. */
const OPENING_MAX = 1_000;

/**
 * What producers' lanes ask of a queue: to be opened, and to append. Each batch is numbered at once or refused, and
 * answered on the lane's link when it is as durable as it asked to be.
 *
 *     batch.append ──▶ taken? ──▶ numbered ──▶ commit ──▶ flushed ──▶ synced
 *                        │            │                      │           │
 *                     refused    `memory` receipt        `flushed`    `synced`
 */
export class LaneIntake {
  readonly #path: string;
  readonly #scope: TopicScope;
  readonly #log: QueueLog;
  readonly #machine: LightRef<typeof queueMachine>;
  readonly #room: QueueRoom;
  readonly #on: { readonly flushed: () => void; readonly failed: (error: unknown) => void };
  readonly #backlog: StoreBacklog;
  /** Lanes whose epoch is on its way to the store. */
  #opening = 0;
  /** Lanes with `memory` receipts for what a failed commit has taken back. */
  #unkept: Set<LanePort> | null = null;

  /** `flushed`: there is more to deliver. `failed`: a fault of ours, which may have stopped half way. */
  constructor(
    path: string,
    scope: TopicScope,
    log: QueueLog,
    machine: LightRef<typeof queueMachine>,
    room: QueueRoom,
    on: { readonly flushed: () => void; readonly failed: (error: unknown) => void },
  ) {
    this.#path = path;
    this.#scope = scope;
    this.#log = log;
    this.#machine = machine;
    this.#room = room;
    this.#on = on;
    this.#backlog = new StoreBacklog(UNFLUSHED_BYTES_MAX.queue, scope.backlog);
  }

  /** Opens a lane: see `QueueLog.openLane`. */
  open(...of: Parameters<QueueLog["openLane"]>): ReturnType<QueueLog["openLane"]> {
    if (this.#opening >= OPENING_MAX)
      throw new MessagingError(
        "UNAVAILABLE",
        `${OPENING_MAX} lanes of ${this.#path} are being opened, the limit; try again`,
      );
    try {
      const opened = this.#log.openLane(...of);
      this.#opening++;
      const done = () => void this.#opening--;
      opened.ready.then(done, done);
      return opened;
    } catch (error) {
      if (!isMessagingError(error)) this.#on.failed(error);
      throw error;
    }
  }
  /**
   * Tells a lane that is back what of its `memory` receipts is kept: the news may have gone down with its old link, and
   * a lane whose buffer is full of what it holds for that sends nothing that would bring it again.
   */
  sendKept(lane: LanePort): void {
    this.#log.whenKept(lane.producer, lane.epoch, (kept) =>
      lane.send({ type: "lane.kept", lane: lane.lane, epoch: lane.epoch, kept }),
    );
  }
  /**
   * The log was read anew. A lane whose `memory` receipts came to nothing sends again from where the queue stands: it
   * may have no room to send what would tell it.
   */
  recovered(): void {
    const lanes = this.#unkept ?? [];
    this.#unkept = null;
    for (const lane of lanes) {
      const expected = this.#log.expected(lane.producer);
      lane.send({ type: "lane.rewind", lane: lane.lane, epoch: lane.epoch, expected });
    }
  }

  /** Takes a batch, or refuses it; answers on the lane's link. */
  append(lane: LanePort, frame: BatchAppend): void {
    const notTaken = this.#whyNotTaken(lane, frame);
    if (notTaken !== null) {
      this.#refuse(lane, frame, notTaken);
      return;
    }
    const { end } = this.#log;
    let appended: Appended;
    try {
      appended = this.#log.append(lane, frame.sequence, frame.count, frame.messages);
    } catch (error) {
      if (!isMessagingError(error)) {
        this.#on.failed(error);
        throw error;
      }
      const expected = error.code === "OUT_OF_SEQUENCE" ? error.data["expected"] : undefined;
      this.#refuse(lane, frame, typeof expected === "number" ? { error, expected: sequence(expected) } : { error });
      return;
    }
    this.#answer(lane, frame, appended);
    const { counters } = this.#scope;
    if (counters === null) return;
    const fresh = this.#log.end - end;
    counters.duplicates(frame.count - fresh);
    appended.commit.flushed.then(
      () => counters.appended(fresh),
      () => {}, // it comes again
    );
  }
  #whyNotTaken(lane: LanePort, frame: BatchAppend): NotTaken | null {
    const { store } = this.#scope;
    const bytes = frame.messages.length;
    if (frame.epoch !== lane.epoch) {
      const text = `a batch of epoch ${frame.epoch} came on a lane of ${this.#path} that was opened under ${lane.epoch}`;
      const data = { presented: frame.epoch, current: lane.epoch };
      return { error: new MessagingError("PRODUCER_FENCED", text, { data }) };
    }
    if (!atLeastAsDurable(store.durabilityMax, frame.durability) && frame.durability !== "memory") {
      const { durabilityMax } = store;
      const text = `durability "${frame.durability}" was asked for, the store here reaches "${durabilityMax}"`;
      return { error: new MessagingError("DURABILITY_UNAVAILABLE", text, { data: { durabilityMax } }) };
    }
    if (isOpen(this.#machine.getSnapshot())) this.#room.lookFor(bytes);
    const state = this.#machine.getSnapshot();
    if (isFull(state)) return { error: this.#room.fullError(), retryAfterMs: RETRY_AFTER_MS };
    if (!isOpen(state)) {
      const text = `${this.#path} is ${state.value}`;
      const data = { state: state.value };
      return { error: new MessagingError("UNAVAILABLE", text, { data }), retryAfterMs: RETRY_AFTER_MS };
    }
    const bound = this.#backlog.boundPassedBy(bytes);
    if (bound === null) return null;
    const found = `${this.#backlog.bytes} bytes of batches of ${this.#path} wait for the store; ${bound} bytes of one queue, or of all of a broker, may`;
    const error = limitExceeded("unflushedBytesMax", bound, found, "it is sent again; look at the store");
    return { error, retryAfterMs: RETRY_AFTER_MS };
  }
  #refuse(lane: LanePort, { epoch, sequence }: Pick<BatchAppend, "epoch" | "sequence">, why: NotTaken): void {
    const { error, expected = null, retryAfterMs = null } = why;
    this.#scope.counters?.batchRefused(error.code);
    lane.refuse({ type: "batch.refused", lane: lane.lane, epoch, sequence, error, expected, retryAfterMs });
  }
  #answer(lane: LanePort, frame: BatchAppend, { runs, commit, producer }: Appended): void {
    const { epoch, sequence: first, count, durability } = frame;
    const bytes = frame.messages.length + COMMIT_OVERHEAD_BYTES;
    this.#backlog.add(bytes);
    const { lane: number } = lane;
    const appended = () => {
      const kept = sequence(producer.kept);
      lane.send({ type: "batch.appended", lane: number, epoch, sequence: first, count, runs, kept });
    };
    const unstored = (error: unknown) => {
      const text = `a batch could not be stored: ${textOf(error)}`;
      const refused = {
        error: new MessagingError("UNAVAILABLE", text, { cause: error }),
        retryAfterMs: RETRY_AFTER_MS,
      };
      this.#refuse(lane, { epoch, sequence: first }, refused);
    };
    if (durability === "memory") appended();
    commit.flushed.then(
      () => {
        this.#backlog.add(-bytes);
        if (durability === "flushed") appended();
        else if (durability === "memory")
          lane.send({ type: "lane.kept", lane: number, epoch, kept: sequence(producer.kept) });
        this.#on.flushed();
      },
      (error: unknown) => {
        this.#backlog.add(-bytes);
        if (durability !== "memory") return unstored(error);
        this.#unkept ??= new Set();
        this.#unkept.add(lane);
      },
    );
    if (durability === "synced")
      commit.synced.then(appended, (error: unknown) => {
        void commit.flushed.then(
          () => unstored(error),
          () => {}, // refused above
        );
      });
  }
}
