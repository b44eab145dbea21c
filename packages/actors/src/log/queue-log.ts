import { type Epoch, epoch, type Offset, offset, type Sequence, sequence } from "../message/brands.ts";
import { MessagingError } from "../message/errors.ts";
import { PackedReader } from "../message/packed.ts";
import type { AppendedRun } from "../protocol/frames.ts";
import type { Commit, StoreWrite, StoreWriter } from "../store/store.ts";
import { type BatchPlace, examineBatch } from "./examine-batch.ts";
import { IDS_MAX, IdWindow } from "./id-window.ts";
import type { Owner } from "./owner.ts";
import {
  expectedOf,
  type ProducerInstance,
  type ProducerState,
  ProducerTable,
  storedProducer,
} from "./producer-table.ts";
import { decodeRecord, encodeRecord, storeKeys } from "./records.ts";
import { RemovedIds } from "./removed-ids.ts";
import { decodeBatch, encodeBatch, type LogBatch, messagesOf } from "./stored-batch.ts";
import { TailCache } from "./tail-cache.ts";
import type { TopicScope } from "./topic-scope.ts";

/** What became of a batch: its places, and when they are durable. */
export interface Appended {
  readonly runs: readonly AppendedRun[];
  readonly commit: Commit;
  readonly producer: ProducerState;
}
/** Who sends: the lane's producer, as the queue knows it. */
export interface LaneIdentity {
  readonly producer: string;
  readonly instance: string;
  readonly epoch: Epoch;
}
const RECOVERY_BYTES = 4 * 1024 * 1024;
const NOTHING_PENDING: Commit = { flushed: Promise.resolve(), synced: Promise.resolve() };

/**
 * One ordered log (rule 1): gives offsets, synchronously and in order of arrival; keeps what makes a repeated send land
 * once; moves the flushed watermark. Plain data: what it may do now is the queue machine's decision.
 */
export class QueueLog {
  readonly name: string;
  readonly #scope: TopicScope;
  readonly queue: number;
  readonly #onFailed: (error: unknown) => void;
  #writer: StoreWriter;
  #producers: ProducerTable;
  #ids: IdWindow;
  readonly #removedIds: RemovedIds;
  readonly #cache: TailCache;
  #producerEpoch = 0;
  #start = 0;
  #end = 0;
  #flushedEnd = 0;
  #bytes = 0;
  #lastCommit: Commit = NOTHING_PENDING;
  #lastFlushed: Commit = NOTHING_PENDING;
  /** Something was flushed, could not be synced, and has not been since. */
  #isUnsynced = false;
  #generation = 0;

  /** `onFailed`: a commit failed, so nothing in memory above the watermark counts until `recover` (rule 2). */
  constructor(scope: TopicScope, queue: number, onFailed: (error: unknown) => void) {
    this.#scope = scope;
    this.queue = queue;
    this.#onFailed = onFailed;
    this.name = storeKeys.log(scope.spec.name, queue);
    this.#cache = new TailCache(scope.tails);
    this.#writer = scope.store.writer();
    this.#producers = new ProducerTable(this.#scope.producerNames);
    const { name: topic, idWindowMs } = scope.spec;
    this.#ids = new IdWindow(idWindowMs);
    this.#removedIds = new RemovedIds({ topic, queue, windowMs: idWindowMs });
  }
  get start(): Offset {
    return offset(this.#start);
  }
  /** The offset that the next message gets. */
  get end(): Offset {
    return offset(this.#end);
  }
  /** Everything below is flushed, and may be delivered. */
  get flushedEnd(): Offset {
    return offset(this.#flushedEnd);
  }
  get bytes(): number {
    return this.#bytes;
  }
  get producers(): readonly string[] {
    return this.#producers.names;
  }

  /**
   * Takes up what the store holds: ends, sequences, epochs and ids. What was in memory only is forgotten. @throws
   * `STORE_DAMAGED`
   */
  async recover(): Promise<void> {
    const { queue } = this;
    const { store, spec, runtime } = this.#scope;
    await this.#lastCommit.flushed.catch(() => {}); // what was on its way has arrived or failed
    await this.#lastFlushed.synced.catch(() => {
      this.#isUnsynced = true;
    });
    this.#generation++;
    this.#lastCommit = NOTHING_PENDING;
    this.#writer = store.writer();
    this.#ids = new IdWindow(spec.idWindowMs);
    this.#cache.clear();
    const extent = await store.extent(this.name);
    const state = await store.get(storeKeys.queue(spec.name, queue));
    if (state !== undefined)
      this.#producerEpoch = decodeRecord<readonly [number]>(storeKeys.queue(spec.name, queue), state)[0];
    const key = storeKeys.producers(spec.name, queue);
    const producers = new ProducerTable(this.#scope.producerNames);
    producers.load(key, await store.list(key));
    producers.replace(this.#producers);
    this.#producers = producers;
    this.#start = extent.start;
    this.#end = extent.end;
    this.#flushedEnd = extent.end;
    this.#bytes = extent.bytes;
    if (this.#isUnsynced) {
      // what could not be synced is synced with what comes later: a repeat of it may ask for that
      await this.#writer.commit([this.#counterWrite()]).synced;
      this.#isUnsynced = false;
      this.#lastFlushed = NOTHING_PENDING;
    }
    const wallNow = runtime.wallNow();
    for (const { id, offset: at, atMs } of this.#removedIds.load(await store.list(this.#removedIds.prefix)))
      this.#rememberId(id, at, atMs, wallNow);
    if (!(await this.#isWithinIdWindow(extent.end - 1))) return;
    for (let at = Math.max(extent.start, extent.end - IDS_MAX); at < extent.end; ) {
      const batches = await store.read(this.name, at, { bytesMax: RECOVERY_BYTES });
      const last = batches.at(-1);
      if (last === undefined)
        throw new MessagingError(
          "STORE_DAMAGED",
          `log "${this.name}" ends at ${extent.end}, but holds nothing from ${at} on: restore the data from a copy`,
        );
      for (const stored of batches) this.#rememberIds(decodeBatch(this.name, stored), wallNow);
      at = last.first + last.count;
    }
  }
  /** Whether ids of the batch at this offset may still be asked for. */
  async #isWithinIdWindow(at: number): Promise<boolean> {
    const { store, spec, runtime } = this.#scope;
    const [batch] = at < 0 ? [] : await store.read(this.name, at, { bytesMax: 1 });
    return batch === undefined || runtime.wallNow() - decodeBatch(this.name, batch).appendedAtMs <= spec.idWindowMs;
  }
  #rememberIds(batch: LogBatch, nowMs: number): void {
    const reader = new PackedReader(batch.messages);
    for (let at = batch.first; reader.next(); at++)
      if (reader.hasId) this.#rememberId(reader.id!, at, batch.appendedAtMs, nowMs);
  }
  #rememberId(id: string, at: number, sinceMs: number, nowMs: number): void {
    const ageMs = Math.max(0, nowMs - sinceMs);
    if (ageMs <= this.#scope.spec.idWindowMs) this.#ids.note(id, at, this.#scope.runtime.now() - ageMs);
  }

  /**
   * Opens a lane (rule 11): with the epoch it shows, or under a new one, which fences every other instance of the name;
   * one that came later is not fenced but fences. The name is its principal's: no other one fences it. `ready` resolves
   * when the epoch may be used. @throws `NAME_IN_USE` `PRODUCER_FENCED` `PRODUCER_UNKNOWN` `LIMIT_EXCEEDED`
   */
  openLane(
    producer: string,
    shown: Epoch | null,
    by: ProducerInstance,
  ): { readonly epoch: Epoch; readonly expected: Sequence; readonly ready: Promise<void> } {
    this.#producers.requireOwn(producer, by.principal);
    const known = this.#producers.get(producer);
    if (shown !== null) {
      if (known === undefined) throw producerUnknown(producer, this.name);
      if (known.epoch !== shown || known.instance !== by.instance)
        throw producerFenced(producer, this.name, shown, known.epoch);
      if (this.#producers.adopt(known, by.principal)) this.#commit(this.#producerWrites(known));
      return { epoch: shown, expected: expectedOf(known), ready: Promise.resolve() };
    }
    if (known !== undefined && known.instance !== by.instance && known.ordinal > by.ordinal)
      throw producerOutdated(producer, this.name, by.ordinal, known);
    const nowMs = this.#scope.runtime.wallNow();
    const state = this.#producers.begin(producer, epoch(this.#producerEpoch + 1), by, nowMs);
    this.#producerEpoch++;
    const past = known === undefined ? [] : this.#runsGone(known);
    const commit = this.#commit([this.#counterWrite(), ...past, ...this.#producerWrites(state)]);
    return { epoch: state.epoch, expected: sequence(0), ready: commit.synced };
  }

  /** The sequence that this producer is expected to send next; 0 of one that is not known. */
  expected(producer: string): Sequence {
    const state = this.#producers.get(producer);
    return state === undefined ? sequence(0) : expectedOf(state);
  }
  /** Tells, once what is on its way has been flushed, below which sequence everything of a producer is. */
  whenKept(producer: string, under: Epoch, then: (kept: Sequence) => void): void {
    this.#lastCommit.flushed.then(
      () => {
        const state = this.#producers.get(producer);
        if (state?.epoch === under) then(sequence(state.kept));
      },
      () => {}, // read anew from the store, where its lane comes again
    );
  }
  /**
   * Numbers a batch and has it stored, together with the producer's state. Nothing is awaited: the offsets are given
   * when this returns.
   * @throws `PRODUCER_FENCED` `PRODUCER_UNKNOWN` `OUT_OF_SEQUENCE` (with `expected`) `WRONG_ROUTE` `MESSAGE_TOO_LARGE`
   * `PROTOCOL_VIOLATION`; nothing has changed then.
   */
  append(lane: LaneIdentity, from: Sequence, count: number, messages: Uint8Array): Appended {
    const { runtime, routeVersion } = this.#scope;
    const producer = this.#producers.get(lane.producer);
    if (producer === undefined) throw producerUnknown(lane.producer, this.name);
    if (producer.epoch !== lane.epoch || producer.instance !== lane.instance)
      throw producerFenced(lane.producer, this.name, lane.epoch, producer.epoch);
    if (from > producer.next)
      throw new MessagingError(
        "OUT_OF_SEQUENCE",
        `queue "${this.name}" expected sequence ${producer.next} of "${lane.producer}", found ${from}`,
        {
          data: { expected: producer.next, found: from },
        },
      );
    const nowMs = runtime.wallNow();
    const known = Math.min(producer.next - from, count);
    const repeated = known === 0 ? [] : producer.runs.places(from, known);
    if (repeated === undefined)
      throw new MessagingError(
        "PROTOCOL_VIOLATION",
        `sequence ${from} of "${lane.producer}" was acknowledged too long ago to be sent again`,
      );
    // ids are remembered by the clock that does not jump: the wall clock only dates those that are read from the store
    const notedAt = runtime.now();
    const at: BatchPlace = { scope: this.#scope, queue: this.queue, end: this.#end, ids: this.#ids, nowMs: notedAt };
    const fresh = examineBatch(at, messages, count, known);
    const runs: AppendedRun[] = [...repeated];
    if (known < count) {
      const first = this.#end;
      let appended = 0;
      for (const run of fresh.runs) {
        const at = run.duplicateOf ?? first + appended;
        if (run.duplicateOf === null) appended += run.count;
        producer.runs.note(producer.next, at, run.count, run.duplicateOf !== null);
        producer.next += run.count;
        runs.push({ count: run.count, offset: offset(at), duplicate: run.duplicateOf !== null });
      }
      for (const [id, index] of fresh.ids) this.#ids.note(id, first + index, notedAt);
      producer.seenMs = nowMs;
      const writes = this.#producerWrites(producer);
      if (appended > 0) {
        const bytes = encodeBatch(nowMs, routeVersion, fresh.parts);
        writes.push({ kind: "append", log: this.name, first, count: appended, bytes });
        this.#cache.push({ first, count: appended, appendedAtMs: nowMs, messages: messagesOf(bytes) }, bytes.length);
        this.#end = first + appended;
        this.#bytes += bytes.length;
      }
      const flushedEnd = this.#end;
      const kept = producer.next;
      this.#commit(writes, () => {
        this.#flushedEnd = Math.max(this.#flushedEnd, flushedEnd);
        producer.kept = Math.max(producer.kept, kept);
      });
    }
    return { runs, commit: this.#lastCommit, producer };
  }

  /**
   * Flushed batches from the one that holds `from` on: at once when they are still in memory, else from the store.
   * Empty at the end.
   */
  read(from: number, bytesMax: number): readonly LogBatch[] | Promise<readonly LogBatch[]> {
    if (from >= this.#flushedEnd) return [];
    const cached = this.#cache.read(from, this.#flushedEnd, bytesMax);
    if (cached !== undefined) return cached;
    return this.#scope.store
      .read(this.name, from, { bytesMax })
      .then((batches) => batches.map((batch) => decodeBatch(this.name, batch)));
  }

  /** Removes batches that lie wholly below `before`. */
  truncate(before: number, freedBytes: number): Commit {
    const { runtime } = this.#scope;
    const wallMs = runtime.wallNow();
    const aheadMs = wallMs - runtime.now();
    const ids = this.#ids.remove(this.#start, before, runtime.now());
    const kept = ids.map(({ id, offset: at, atMs }) => ({ id, offset: at, atMs: atMs + aheadMs }));
    this.#start = before;
    this.#cache.dropBelow(before);
    this.#bytes = Math.max(0, this.#bytes - freedBytes);
    return this.#commit([{ kind: "truncate", log: this.name, before }, ...this.#removedIds.keep(kept, wallMs)]);
  }
  /** Forgets producers that have been away for a week. */
  forgetIdleProducers(isLinked: (name: string) => boolean): void {
    const { queue } = this;
    const { spec, runtime } = this.#scope;
    const { gone, seen } = this.#producers.forgetIdle(runtime.wallNow(), isLinked);
    const removals = gone.flatMap((state): StoreWrite[] => [
      { kind: "remove", key: storeKeys.producer(spec.name, queue, state.name) },
      ...this.#runsGone(state),
    ]);
    const writes = [...removals, ...seen.flatMap((state) => this.#producerWrites(state))];
    if (writes.length > 0) this.#commit(writes);
  }
  /** Whose the name of a producer is here; undefined where it is not known. */
  ownerOf(producer: string): Owner | undefined {
    return this.#producers.get(producer)?.principal;
  }
  /**
   * The name is the first one's that comes from now on. What its lane has under way goes on until then. Null where
   * nothing changes.
   */
  releaseProducer(producer: string): Commit | null {
    const state = this.#producers.get(producer);
    if (state === undefined || state.principal === null) return null;
    this.#producers.release(state);
    return this.#commit(this.#producerWrites(state));
  }

  /** `flushed` runs before anyone else hears of it, and not when the log has been read anew meanwhile. */
  #commit(writes: readonly StoreWrite[], flushed: () => void = () => {}): Commit {
    const commit = this.#writer.commit(writes);
    const generation = this.#generation;
    commit.flushed.then(
      () => {
        this.#lastFlushed = commit;
        if (generation === this.#generation) flushed();
      },
      () => {}, // never synced either
    );
    commit.synced.then(undefined, (error: unknown) => {
      if (generation === this.#generation) this.#onFailed(error);
    });
    this.#lastCommit = commit;
    return commit;
  }
  /** What has changed of a producer; of its runs, those that are not stored for good yet. */
  #producerWrites(state: ProducerState): StoreWrite[] {
    const { queue } = this;
    const { spec } = this.#scope;
    const key = storeKeys.producer(spec.name, queue, state.name);
    const writes: StoreWrite[] = [{ kind: "put", key, value: encodeRecord(storedProducer(state)) }];
    for (const { place, part } of state.runs.takeFull())
      writes.push({ kind: "put", key: storeKeys.runs(key, place), value: encodeRecord(part) });
    return writes;
  }
  /** Under another epoch, sequence numbers begin anew. */
  #runsGone({ name, runs }: ProducerState): StoreWrite[] {
    const { queue } = this;
    const { spec } = this.#scope;
    const key = storeKeys.producer(spec.name, queue, name);
    return Array.from({ length: runs.placesTaken }, (_, place) => ({
      kind: "remove",
      key: storeKeys.runs(key, place),
    }));
  }
  #counterWrite(): StoreWrite {
    const { queue } = this;
    const { spec } = this.#scope;
    return { kind: "put", key: storeKeys.queue(spec.name, queue), value: encodeRecord([this.#producerEpoch]) };
  }
}

const producerUnknown = (producer: string, queue: string) =>
  new MessagingError(
    "PRODUCER_UNKNOWN",
    `queue "${queue}" knows no producer "${producer}": its lane needs a new epoch`,
    { data: { producer } },
  );
const producerFenced = (producer: string, queue: string, presented: Epoch, current: Epoch) =>
  new MessagingError(
    "PRODUCER_FENCED",
    `producer "${producer}" on queue "${queue}" shows epoch ${presented}, but epoch ${current} has taken its name over`,
    {
      data: { producer, presented, current },
    },
  );
const producerOutdated = (
  producer: string,
  queue: string,
  presented: number,
  { ordinal, epoch: current }: ProducerState,
) =>
  new MessagingError(
    "PRODUCER_FENCED",
    `producer "${producer}" on queue "${queue}" belongs to client ${presented}, but client ${ordinal}, which came later, has taken its name over`,
    { data: { producer, current } },
  );
