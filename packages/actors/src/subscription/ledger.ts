import { flat, storeKeys } from "../log/records.ts";
import { offset } from "../message/brands.ts";
import { isMessagingError, limitExceeded, MessagingError } from "../message/errors.ts";
import type { QueueAccount } from "../protocol/questions.ts";
import { SerialQueue } from "../runtime/serial-queue.ts";
import { storeFailure, whenStored } from "../store/known-errors.ts";
import type { Commit, StoreWrite, StoreWriter } from "../store/store.ts";
import { CursorWaits } from "./cursor-waits.ts";
import { GatheredCommit } from "./gathered-commit.ts";
import type { LeaseRecord } from "./holder.ts";
import { type LoadedSubscription, loadSubscription } from "./load-subscription.ts";
import type { MemberPort } from "./member-port.ts";
import type { SetAside } from "./set-aside.ts";
import type { SubscriptionScope } from "./subscription-scope.ts";
import type { SubscriptionState } from "./subscription-state.ts";

const RELOAD_AFTER_MS = 500;
/** Commits on their way to the store at once; what changes meanwhile goes with the next one, all of it. */
const COMMITS_MAX = 64;
/**
 * Changes that wait for their turn, or for the store, from which on nothing more is delivered: what is settled of that
 * would wait, too.
 */
const BEHIND_MIN = 1_000;
/** And at most. */
export const CHANGES_MAX = 10_000;

/**
 * A change as people order it: what belongs into its commit, what is answered, and what to do once it is on its way.
 */
export interface Change<T> {
  readonly writes: readonly StoreWrite[];
  readonly result: T;
  readonly after?: () => void;
}
/** Whoever delivers what the ledger keeps account of. */
export interface LedgerOwner {
  /** Who may consume, under which epoch: stored with each commit. */
  readonly record: LeaseRecord;
  /** A commit failed: lets go, now, of all that rests on what is in memory. */
  failed(): void;
  /** State and set-aside are those of the store again; so is the lease, from here on. */
  reloaded(record: LeaseRecord): void;
  /** Delivers nothing until the function returned is called. */
  pause(): () => void;
  /** A change ordered from outside was committed. */
  changed(): void;
}

/**
 * What one group has done with one queue, in memory and in the store, and the one order in which that changes (rule 3).
 * Each change is one commit; after a failed one everything is read anew from the store, before any change that waits.
 *
 *     frames, orders, retention ──▶ turn: one after another ──▶ memory ──▶ commit 7 ─▶ commit 6 ─▶ store
 *                                                                 ▲                                 │
 *                                                                 └── a commit failed: read anew ◀──┘
 */
export class Ledger {
  readonly scope: SubscriptionScope;
  readonly path: string;
  state: SubscriptionState;
  aside: SetAside;
  readonly turn: SerialQueue;
  #owner: LedgerOwner | null = null;
  /** Where the lease stands: with the owner, and in what was read until there is one. */
  #lease: Pick<LedgerOwner, "record">;
  #writer: StoreWriter;
  #generation = 0;
  #last: Commit | null = null;
  #underWay = 0;
  /** What changed nothing and waits for the store nevertheless. */
  #repeats = 0;
  #gathered: GatheredCommit | null = null;
  #committedCursor: number;
  /** What is in commits, of that which is counted. */
  #counted = NOTHING_COUNTED;
  #closing = false;
  #reloading = false;
  #reloadedAt = Number.NEGATIVE_INFINITY;
  #waits: CursorWaits | null = null;

  /** Loads it from the store, or begins it where the group's settings say. @throws `STORE_DAMAGED` */
  static async open(scope: SubscriptionScope, begin: number): Promise<Ledger> {
    const loaded = await loadSubscription(scope, begin);
    const ledger = new Ledger(scope, loaded);
    const lost = ledger.state.expire(scope.log.start) !== null; // retention went on while nobody looked
    // a group's start is persisted before anything relies on it
    if (loaded.isNew || lost) await whenStored(ledger.commit().commit.flushed);
    return ledger;
  }
  private constructor(scope: SubscriptionScope, { state, aside, record }: LoadedSubscription) {
    const { topic, queue, group } = scope.place;
    this.scope = scope;
    this.path = flat("queue", topic, queue, group);
    this.state = state;
    this.aside = aside;
    this.#lease = { record };
    this.#committedCursor = state.cursor;
    if (scope.counters !== null) this.#counted = countsOf(state, aside);
    this.#writer = scope.topic.store.writer();
    this.turn = new SerialQueue((error) => this.fail(error));
  }
  /** Who lives on it: keeps the lease from now on, and is told when a commit fails. */
  own(owner: LedgerOwner): void {
    this.#owner = owner;
    this.#lease = owner;
  }
  /** Who may consume, under which epoch. */
  get lease(): LeaseRecord {
    return this.#lease.record;
  }
  /** Grows with every failure: a change that awaited something looks whether what it saw still counts. */
  get generation(): number {
    return this.#generation;
  }
  /** Everything below it is done for this group, and the store knows. */
  get committedCursor(): number {
    return this.#committedCursor;
  }
  account(): QueueAccount {
    const { topic, place, log } = this.scope;
    return { ...this.state.account(log.flushedEnd), queue: place.queue, logEpoch: topic.store.ownerEpoch };
  }

  /** Changes that wait: for their turn, or for a store that does not come along. */
  get #waiting(): number {
    return this.turn.length + (this.#gathered?.changes ?? 0) + this.#repeats;
  }
  /** So many changes wait that no more should come of what could still be delivered. */
  get isBehind(): boolean {
    return this.#waiting >= BEHIND_MIN;
  }
  /**
   * Hands what has changed to the store, or, while it has enough to do, keeps it for one commit with all that changes
   * until then. `mayWait`: nobody waits for it, as long as nobody waits for the cursor.
   */
  commit(writes: readonly StoreWrite[] = [], mayWait = false): { readonly commit: Commit; readonly revision: number } {
    const revision = ++this.state.revision;
    if (this.#underWay < COMMITS_MAX) return { commit: this.#hand(writes, mayWait), revision };
    this.#gathered ??= new GatheredCommit();
    return { commit: this.#gathered.add(writes), revision };
  }
  /**
   * Nothing is to be stored for what changes nothing, but it rests on all that has changed so far: the commit that this
   * is on its way in.
   */
  unchanged(): Commit {
    const commit = this.#gathered?.commit ?? this.#last ?? NOTHING_UNDER_WAY;
    const over = (): void => {
      this.#repeats--;
    };
    this.#repeats++; // it waits like any other
    commit.flushed.then(over, over);
    return commit;
  }
  #hand(writes: readonly StoreWrite[], mayWait: boolean): Commit {
    const { state } = this;
    const { topic, queue, group } = this.scope.place;
    const key = storeKeys.subscription(topic, queue, group);
    const all: StoreWrite[] = [...writes, { kind: "put", key, value: state.encode(this.lease) }];
    if (state.discardedChanged) {
      state.discardedChanged = false;
      all.push({ kind: "put", key: storeKeys.discarded(topic, queue, group), value: state.encodeDiscarded() });
    }
    const generation = this.#generation;
    const { cursor } = state;
    const count = this.#counting();
    const commit = this.#writer.commit(all, { mayWait: mayWait && (this.#waits?.size ?? 0) === 0 });
    this.#last = commit;
    this.#underWay++;
    const failed = (error: unknown): void => {
      if (generation === this.#generation) this.fail(error);
    };
    commit.flushed.then(() => {
      try {
        count?.();
        if (generation !== this.#generation) return;
        this.#underWay--;
        this.#reach(cursor);
        if (this.#gathered !== null) this.#handGathered();
      } catch (error) {
        failed(error);
      }
    }, failed);
    commit.synced.then(undefined, failed);
    return commit;
  }
  /** The store has come along: what has gathered goes as one. */
  #handGathered(): void {
    const gathered = this.#gathered;
    if (gathered === null) return;
    const commit = this.#hand(gathered.writes, false);
    this.#gathered = null; // not before: where it cannot be handed over, it fails with all the rest
    gathered.become(commit);
    commit.flushed.then(
      () => this.#owner?.changed(), // it may have stood still
      () => {}, // whoever waits for it hears of it
    );
  }
  /** Counts what this commit settles and sets aside, once it is through; null when nobody counts. */
  #counting(): (() => void) | null {
    const { counters } = this.scope;
    if (counters === null) return null;
    const before = this.#counted;
    const now = countsOf(this.state, this.aside);
    this.#counted = now;
    return () => {
      counters.settled(now.settled - before.settled);
      counters.parked(now.parked - before.parked);
      counters.deadLettered(now.deadLettered - before.deadLettered);
    };
  }
  /**
   * Runs what a member's frame asks for, in its turn. What it throws is a fault of ours: memory is read anew from the
   * store, and the member's link ends, since its frame gets no answer any more. Where too much waits already the link
   * ends, too (`LIMIT_EXCEEDED`): what it would have told is told again on the next one.
   */
  take(port: MemberPort, frame: { readonly type: string }, change: () => void | Promise<void>): void {
    if (this.#waiting >= CHANGES_MAX) port.overloaded(tooMany(this.path));
    else this.turn.run(change, (error) => port.fault(error, frame.type));
  }
  /**
   * Runs a change in its turn, committed together with the state; resolves with its revision once it is flushed.
   * Rejects with what `change` throws; nothing has changed then.
   */
  change<T>(change: () => Promise<Change<T>>): Promise<T & { readonly revision: number }> {
    if (this.#waiting >= CHANGES_MAX) return Promise.reject(tooMany(this.path));
    return new Promise((resolve, reject) =>
      this.turn.run(async () => {
        const generation = this.#generation;
        const goOn = this.#owner?.pause() ?? (() => {}); // nothing runs ahead on what is not committed yet
        const refuse = (error: unknown) => {
          goOn();
          reject(error);
        };
        try {
          if (this.#closing) throw unavailable(this.path);
          const { writes, result, after } = await change();
          if (generation !== this.#generation) throw unavailable(this.path);
          this.state.advance();
          const { commit, revision } = this.commit(writes);
          after?.();
          commit.flushed
            .then(
              () => {
                goOn();
                this.#owner?.changed();
                resolve({ ...result, revision });
              },
              (error: unknown) => refuse(changeFailure(error)),
            )
            .catch((error: unknown) => {
              this.fail(error);
              reject(error);
            });
        } catch (error) {
          // it may have stopped half way
          if (!isMessagingError(error) || error.code === "STORE_FAILED") this.fail(error);
          refuse(error);
        }
      }),
    );
  }
  /**
   * Retention is about to remove everything below `before`; resolves when what this group loses by it has been counted
   * and committed.
   */
  expire(before: number): Promise<void> {
    return new Promise((resolve, reject) =>
      this.turn.run(() => {
        const from = this.state.expire(before);
        if (from === null) return resolve();
        const { topic, place } = this.scope;
        this.commit().commit.flushed.then(() => {
          topic.events.emit({ type: "message.expired", ...place, from: offset(from), to: offset(before) });
          resolve();
        }, reject);
      }, reject),
    );
  }
  /**
   * Calls back once every offset below `end` has left the backlog for good (committed); at once when it has. Returns
   * what takes that back.
   */
  whenReached(end: number, reached: () => void): () => void {
    if (this.#committedCursor >= end) {
      reached();
      return () => {};
    }
    this.#waits ??= new CursorWaits();
    return this.#waits.add(end, reached);
  }
  #reach(cursor: number): void {
    this.#committedCursor = Math.max(this.#committedCursor, cursor);
    this.#waits?.reach(this.#committedCursor);
  }

  /** Nothing in memory above the last good commit counts: all is read anew from the store, as after a restart. */
  fail(error: unknown): void {
    if (this.#closing || this.#reloading) return;
    this.#reloading = true;
    this.#generation++;
    this.#underWay = 0;
    // a fault of ours is for the log, not for who waits for something else
    this.#gathered?.fail(isMessagingError(error) ? error : unavailable(this.path));
    this.#gathered = null;
    const { logger } = this.scope.topic;
    logger.log("error", `${this.path}: a change failed; reloading from the store`, {
      error: String(error),
      stack: error instanceof Error ? error.stack : undefined,
    });
    try {
      this.#owner?.failed();
    } catch (again) {
      logger.log("error", `${this.path}: a fault of our own while letting go`, { error: String(again) });
    }
    this.turn.runNext(() => this.#reload());
  }
  async #reload(): Promise<void> {
    const { runtime, logger, store } = this.scope.topic;
    // a store that fails again is given time: offer, grant, failed commit and reload would go round as fast as the
    // links carry them
    const wait = this.#reloadedAt + RELOAD_AFTER_MS - runtime.now();
    if (wait > 0) await new Promise<void>((resolve) => void runtime.setTimeout(resolve, wait));
    while (!this.#closing) {
      try {
        await this.#last?.flushed.catch(() => {}); // what was on its way has arrived or failed
        this.#last = null;
        const { state, aside, record } = await loadSubscription(this.scope, this.state.start);
        this.state = state;
        this.aside = aside;
        if (this.scope.counters !== null) this.#counted = countsOf(state, aside);
        this.#writer = store.writer();
        this.#reloading = false;
        this.#reloadedAt = runtime.now();
        this.#owner?.reloaded(record);
        this.#reach(state.cursor);
        return;
      } catch (error) {
        logger.log("error", `${this.path}: cannot be reloaded yet`, { error: String(error) });
        await new Promise<void>((resolve) => void runtime.setTimeout(resolve, RELOAD_AFTER_MS));
      }
    }
  }
  /** Takes nothing more; what was committed becomes durable. `last` runs when all that was asked before is done. */
  async close(last: () => void): Promise<void> {
    this.#closing = true;
    await new Promise<void>((resolve) =>
      this.turn.run(
        () => {
          last();
          resolve();
        },
        () => resolve(),
      ),
    );
    this.#handGathered();
    await this.#last?.flushed.catch(() => {});
  }
}

const NOTHING_UNDER_WAY: Commit = { flushed: Promise.resolve(), synced: Promise.resolve() };
const NOTHING_COUNTED = { settled: 0, parked: 0, deadLettered: 0 };
/** Numbers that only grow. */
const countsOf = (state: SubscriptionState, { taken }: SetAside): typeof NOTHING_COUNTED => ({
  settled: state.counts(state.cursor).settled,
  parked: taken.parked,
  deadLettered: taken["dead-letter"],
});
class ChangeUnmadeError extends MessagingError<"UNAVAILABLE"> {}
export const unavailable = (path: string): MessagingError =>
  new ChangeUnmadeError("UNAVAILABLE", `${path} is closing, or could not store a change; try again`);
/** What the commit of a change has failed with: the store, unless it never came to it. */
export const changeFailure = (error: unknown): MessagingError =>
  error instanceof ChangeUnmadeError ? error : storeFailure(error);
const tooMany = (path: string): MessagingError =>
  limitExceeded(
    "changesMax",
    CHANGES_MAX,
    `${CHANGES_MAX} changes of ${path} wait for their turn or for the store`,
    "try again later",
  );
