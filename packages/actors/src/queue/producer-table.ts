import { type Epoch, epoch, type Offset, type Sequence, sequence } from "../message/brands.ts";
import { MessagingError } from "../message/errors.ts";
import type { AppendedRun } from "../protocol/frames.ts";
import { decodeRecord } from "./records.ts";

/** Producers a queue remembers; one more is refused until one has been away for a week. */
export const PRODUCERS_MAX = 10_000;
const KEPT_MS = 7 * 24 * 3_600_000;
/** Runs of places remembered per producer: more than its batches in flight can make. */
const RUNS_MAX = 256;

/** Where sequence numbers of one producer stand in the queue. */
interface Run {
  sequence: number;
  offset: number;
  count: number;
  /** They were known by their ids: an earlier message stands there. */
  duplicate: boolean;
}
/** The client that a producer belongs to. */
export interface ProducerInstance {
  readonly instance: string;
  readonly ordinal: number;
}
export interface ProducerState {
  readonly name: string;
  epoch: Epoch;
  instance: string;
  /** Of the instance: among instances of one name, a higher one came later. 0: from before they had any. */
  ordinal: number;
  /** The sequence number it takes next. */
  next: number;
  /** Every sequence below is flushed. Not stored: what was stored is. */
  kept: number;
  seenMs: number;
  readonly runs: Run[];
}
type Stored = readonly [
  name: string,
  epoch: number,
  instance: string,
  next: number,
  seenMs: number,
  runs: readonly (readonly [number, number, number, 0 | 1])[],
  ordinal?: number,
];

/** Shared by all tables without a producer, and never added to. */
const NO_PRODUCERS = new Map<string, ProducerState>();

/** Who has sent to a queue, under which epoch, how far: what makes a repeated send land once (P2; rules 10, 11). */
export class ProducerTable {
  #byName = NO_PRODUCERS;

  get names(): readonly string[] {
    return [...this.#byName.keys()];
  }
  get(name: string): ProducerState | undefined {
    return this.#byName.get(name);
  }
  load(key: string, bytes: Uint8Array): void {
    const [name, at, instance, next, seenMs, runs, ordinal = 0] = decodeRecord<Stored>(key, bytes);
    this.#add({
      name,
      epoch: epoch(at),
      instance,
      ordinal,
      next,
      kept: next,
      seenMs,
      runs: runs.map(([sequence, offset, count, duplicate]) => ({
        sequence,
        offset,
        count,
        duplicate: duplicate === 1,
      })),
    });
  }
  /** A producer under a new epoch, which fences whoever had its name. @throws `LIMIT_EXCEEDED` */
  begin(name: string, at: Epoch, { instance, ordinal }: ProducerInstance, nowMs: number): ProducerState {
    const before = this.#byName.get(name);
    if (before === undefined && this.#byName.size >= PRODUCERS_MAX)
      throw new MessagingError(
        "LIMIT_EXCEEDED",
        `the queue knows ${PRODUCERS_MAX} producers, expected fewer; give producers stable names`,
        {
          data: { producersMax: PRODUCERS_MAX },
        },
      );
    const state: ProducerState = { name, epoch: at, instance, ordinal, next: 0, kept: 0, seenMs: nowMs, runs: [] };
    this.#add(state);
    return state;
  }
  #add(state: ProducerState): void {
    if (this.#byName === NO_PRODUCERS) this.#byName = new Map();
    this.#byName.set(state.name, state);
  }
  /** Names of producers not seen for a week; they are forgotten, and the caller removes their records. */
  forgetIdle(nowMs: number, isLinked: (name: string) => boolean): string[] {
    const gone: string[] = [];
    for (const state of this.#byName.values()) {
      if (nowMs - state.seenMs <= KEPT_MS) continue;
      if (isLinked(state.name))
        state.seenMs = nowMs; // the week begins when it goes
      else gone.push(state.name);
    }
    for (const name of gone) this.#byName.delete(name);
    return gone;
  }
}
export const storedProducer = (state: ProducerState): Stored => [
  state.name,
  state.epoch,
  state.instance,
  state.next,
  state.seenMs,
  state.runs.map((run) => [run.sequence, run.offset, run.count, run.duplicate ? 1 : 0] as const),
  state.ordinal,
];

/** Notes where the next `count` sequences of a producer stand. */
export function noteRun(state: ProducerState, offset: number, count: number, duplicate: boolean): void {
  const last = state.runs.at(-1);
  if (
    last !== undefined &&
    last.duplicate === duplicate &&
    last.sequence + last.count === state.next &&
    last.offset + last.count === offset
  )
    last.count += count;
  else {
    state.runs.push({ sequence: state.next, offset, count, duplicate });
    if (state.runs.length > RUNS_MAX) state.runs.shift();
  }
  state.next += count;
}
/** The places of `count` sequences from `from` on, all below `next`; undefined when that is longer ago than is remembered. */
export function placesOf(state: ProducerState, from: Sequence, count: number): AppendedRun[] | undefined {
  const runs: AppendedRun[] = [];
  let at = from as number;
  const end = from + count;
  for (const run of state.runs) {
    if (run.sequence + run.count <= at) continue;
    if (run.sequence > at) return undefined;
    const taken = Math.min(run.sequence + run.count, end) - at;
    runs.push({ count: taken, offset: (run.offset + at - run.sequence) as Offset, duplicate: true });
    at += taken;
    if (at === end) return runs;
  }
  return undefined;
}
export const expectedOf = (state: ProducerState): Sequence => sequence(state.next);
