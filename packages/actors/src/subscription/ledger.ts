import { flat, storeKeys } from "../log/records.ts";
import { NO_EPOCH } from "../message/brands.ts";
import { isMessagingError, limitExceeded, MessagingError } from "../message/errors.ts";
import type { QueueAccount } from "../protocol/questions.ts";
import { SerialQueue } from "../runtime/serial-queue.ts";
import { storeFailure, whenStored } from "../store/known-errors.ts";
import type { Commit, StoreWrite, StoreWriter } from "../store/store.ts";
import { CursorWaits } from "./cursor-waits.ts";
import type { MemberPort } from "./member-port.ts";
import { SetAside } from "./set-aside.ts";
import type { SubscriptionContextOf } from "./subscription-context.ts";
import { SubscriptionState } from "./subscription-state.ts";

const RELOAD_AFTER_MS = 500;
/** Commits on their way to the store at once; what changes meanwhile goes with the next one, all of it. */
const COMMITS_MAX = 64;
/** Changes that wait for their turn, or for the store, from which on nothing more is delivered: what is settled of that would wait, too. */
const BEHIND_MIN = 1_000;
/** And at most. */
export const CHANGES_MAX = 10_000;

/** A change as people order it: what belongs into its commit, what is answered, and what to do once it is on its way. */
export interface Change<T> {
  readonly writes: readonly StoreWrite[];
  readonly result: T;
  readonly after?: () => void;
}
export interface LedgerOwner {
  /** A commit failed: lets go, now, of all that rests on what is in memory. */
  failed(): void;
  /** State and set-aside are those of the store again. */
  reloaded(): void;
  /** Delivers nothing until the function returned is called. */
  pause(): () => void;
  /** A change ordered from outside was committed. */
  changed(): void;
}

/**
 * What one group has done with one queue, in memory and in the store, and the one order in which that changes (rule 3). Each change is one commit; after a failed one
 * everything is read anew from the store, before any change that waits.
 */
export class Ledger {
  readonly context: SubscriptionContextOf;
  readonly path: string;
  state: SubscriptionState;
  aside: SetAside;
  readonly turn: SerialQueue;
  #owner: LedgerOwner | null = null;
  #writer: StoreWriter;
  #generation = 0;
  #last: Commit | null = null;
  #underWay = 0;
  /** What changed nothing and waits for the store nevertheless. */
  #repeats = 0;
  #gathered: Gathered | null = null;
  #committedCursor: number;
  /** What is in commits, of that which is counted. */
  #counted = NOTHING_COUNTED;
  #closing = false;
  #reloading = false;
  #reloadedAt = Number.NEGATIVE_INFINITY;
  #waits: CursorWaits | null = null;

  /** Loads it from the store, or begins it where the group's settings say. @throws `STORE_DAMAGED` */
  static async open(context: SubscriptionContextOf, begin: number): Promise<Ledger> {
    const { state, aside, isNew } = await load(context, begin);
    const ledger = new Ledger(context, state, aside);
    const lost = state.expire(context.log.start) !== null; // retention went on while nobody looked
    if (isNew || lost) await whenStored(ledger.commit().commit.flushed); // a group's start is persisted before anything relies on it
    return ledger;
  }
  private constructor(context: SubscriptionContextOf, state: SubscriptionState, aside: SetAside) {
    this.context = context;
    this.path = flat("queue", context.spec.name, context.queue, context.group);
    this.state = state;
    this.aside = aside;
    this.#committedCursor = state.cursor;
    if (context.counters !== null) this.#counted = countsOf(state, aside);
    this.#writer = context.store.writer();
    this.turn = new SerialQueue((error) => this.fail(error));
  }
  /** Who lives on it; told when it fails. */
  own(owner: LedgerOwner): void {
    this.#owner = owner;
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
    const { log, queue, store } = this.context;
    return { ...this.state.account(log.flushedEnd), queue, logEpoch: store.ownerEpoch };
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
   * Hands what has changed to the store, or, while it has enough to do, keeps it for one commit with all that changes until then.
   * `mayWait`: nobody waits for it, as long as nobody waits for the cursor.
   */
  commit(writes: readonly StoreWrite[] = [], mayWait = false): { readonly commit: Commit; readonly revision: number } {
    const revision = ++this.state.revision;
    if (this.#underWay < COMMITS_MAX) return { commit: this.#hand(writes, mayWait), revision };
    this.#gathered ??= new Gathered();
    return { commit: this.#gathered.add(writes), revision };
  }
  /** Nothing is to be stored for what changes nothing, but it rests on all that has changed so far: the commit that this is on its way in. */
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
    const { spec, queue, group } = this.context;
    const key = storeKeys.subscription(spec.name, queue, group);
    const all: StoreWrite[] = [...writes, { kind: "put", key, value: state.encode() }];
    if (state.discardedChanged) {
      state.discardedChanged = false;
      all.push({ kind: "put", key: storeKeys.discarded(spec.name, queue, group), value: state.encodeDiscarded() });
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
    const { counters } = this.context;
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
   * Runs what a member's frame asks for, in its turn. What it throws is a fault of ours: memory is read anew from the store, and the member's link ends, since its frame
   * gets no answer any more. Where too much waits already the link ends, too (`LIMIT_EXCEEDED`): what it would have told is told again on the next one.
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
          if (!isMessagingError(error) || error.code === "STORE_FAILED") this.fail(error); // it may have stopped half way
          refuse(error);
        }
      }),
    );
  }
  /** Retention is about to remove everything below `before`; resolves when what this group loses by it has been counted and committed. */
  expire(before: number): Promise<void> {
    return new Promise((resolve, reject) =>
      this.turn.run(() => {
        const from = this.state.expire(before);
        if (from === null) return resolve();
        const { spec, queue, group, events } = this.context;
        this.commit().commit.flushed.then(() => {
          events.emit({
            type: "message.expired",
            topic: spec.name,
            queue,
            group,
            from: from as never,
            to: before as never,
          });
          resolve();
        }, reject);
      }, reject),
    );
  }
  /** Calls back once every offset below `end` has left the backlog for good (committed); at once when it has. Returns what takes that back. */
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
    this.context.logger.log("error", `${this.path}: a change failed; reloading from the store`, {
      error: String(error),
      stack: error instanceof Error ? error.stack : undefined,
    });
    try {
      this.#owner?.failed();
    } catch (again) {
      this.context.logger.log("error", `${this.path}: a fault of our own while letting go`, { error: String(again) });
    }
    this.turn.runNext(() => this.#reload());
  }
  async #reload(): Promise<void> {
    const { runtime, logger, store } = this.context;
    // a store that fails again is given time: offer, grant, failed commit and reload would go round as fast as the links carry them
    const wait = this.#reloadedAt + RELOAD_AFTER_MS - runtime.now();
    if (wait > 0) await new Promise<void>((resolve) => void runtime.setTimeout(resolve, wait));
    while (!this.#closing) {
      try {
        await this.#last?.flushed.catch(() => {}); // what was on its way has arrived or failed
        this.#last = null;
        const { state, aside } = await load(this.context, this.state.start);
        this.state = state;
        this.aside = aside;
        if (this.context.counters !== null) this.#counted = countsOf(state, aside);
        this.#writer = store.writer();
        this.#reloading = false;
        this.#reloadedAt = runtime.now();
        this.#owner?.reloaded();
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

async function load(context: SubscriptionContextOf, begin: number) {
  const { spec, queue, group, store, log } = context;
  const key = storeKeys.subscription(spec.name, queue, group);
  const stored = await store.get(key);
  const aside = new SetAside({ topic: spec.name, queue, group }, store);
  if (stored === undefined) {
    const state = new SubscriptionState();
    state.epoch = NO_EPOCH;
    state.start = log.start;
    state.cursor = Math.max(begin, log.start);
    state.skipped = state.cursor - state.start;
    return { state, aside, isNew: true };
  }
  const state = SubscriptionState.decode(key, stored, await store.get(storeKeys.discarded(spec.name, queue, group)));
  state.check(key, log.flushedEnd);
  await aside.recover(state);
  return { state, aside, isNew: false };
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

/** Changes that go to the store as one commit, once it has come along. */
class Gathered {
  readonly writes: StoreWrite[] = [];
  changes = 0;
  readonly commit: Commit;
  #become!: (commit: Commit) => void;
  #fail!: (error: unknown) => void;

  constructor() {
    const commit = new Promise<Commit>((resolve, reject) => {
      // a commit is no promise, but has two
      this.#become = (become) => resolve(become);
      this.#fail = reject;
    });
    const flushed = commit.then((become) => become.flushed);
    const synced = commit.then((become) => become.synced);
    for (const promise of [flushed, synced]) promise.catch(() => {}); // a rejection that nobody reads ends nothing
    this.commit = { flushed, synced };
  }
  add(writes: readonly StoreWrite[]): Commit {
    this.changes++;
    this.writes.push(...writes);
    return this.commit;
  }
  become(commit: Commit): void {
    this.#become(commit);
  }
  fail(error: unknown): void {
    this.#fail(error);
  }
}
