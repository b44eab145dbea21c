import type {
  GrantedEvent,
  HistoryDurability,
  QueueRef,
  SentEvent,
  SoughtEvent,
  StateEvent,
} from "../history-event.ts";
import type { ChangeLine, ConsumptionLine } from "./lines.ts";

/** One message at one place of one queue: what all lines together say of it. */
export interface Stored {
  readonly log: QueueLog;
  readonly offset: number;
  id: string | null;
  key: string | null;
  /** Incarnations of the log it was seen under, ascending; none when no line knew. */
  readonly logEpochs: number[];
  readonly sent: SentEvent[];
  /** One per group that has lines about it. */
  readonly consumptions: Consumption[];
  /** What it is known to have reached. */
  durability: HistoryDurability | undefined;
}

/** One message in one group. */
export interface Consumption {
  readonly stored: Stored;
  readonly subscription: Subscription;
  readonly lines: ConsumptionLine[];
}

/** One group on one queue: its leases, its changes, and its last reading from the store. */
export interface Subscription {
  readonly log: QueueLog;
  readonly group: string;
  readonly grants: GrantedEvent[];
  readonly changes: ChangeLine[];
  readonly sought: SoughtEvent[];
  readonly consumptions: Consumption[];
  /** Everyone with lines about it. */
  readonly processes: Set<string>;
  state: StateEvent | undefined;
}

/** What a line about a message says of its place. */
export interface PlaceLine {
  readonly offset: number;
  readonly logEpoch?: number | null | undefined;
  readonly id: string | null;
  readonly key: string | null;
}

/**
 * One queue's log as the lines show it, through the incarnations (`logEpoch`) of its broker.
 * A crash may cut off a tail that was not durable yet, and the offsets are then used again: so a place is an offset
 * *and* the lineage it lies in.
 */
export class QueueLog {
  readonly topic: string;
  readonly queue: QueueRef;
  readonly subscriptions = new Map<string, Subscription>();
  /** Messages with a key, in queue order; filled by `finish`. */
  readonly byKey = new Map<string, Stored[]>();
  readonly #byOffset = new Map<number, Stored[]>();
  readonly #logEpochs = new Set<number>();
  readonly #cuts = new Map<string, Cut>();
  #losesFlushed = false;

  constructor(topic: string, queue: QueueRef) {
    this.topic = topic;
    this.queue = queue;
  }

  /** The message a line is about. Lines that do not know its id mean the one last seen at the place. */
  stored(line: PlaceLine): Stored {
    let here = this.#byOffset.get(line.offset);
    if (here === undefined) {
      here = [];
      this.#byOffset.set(line.offset, here);
    }
    let stored = here.findLast((each) => mayBe(each, line));
    if (stored === undefined) {
      stored = {
        log: this,
        offset: line.offset,
        id: line.id,
        key: line.key,
        logEpochs: [],
        sent: [],
        consumptions: [],
        durability: undefined,
      };
      here.push(stored);
    }
    stored.id ??= line.id;
    stored.key ??= line.key;
    if (typeof line.logEpoch === "number") {
      this.#logEpochs.add(line.logEpoch);
      insertAscending(stored.logEpochs, line.logEpoch);
    }
    return stored;
  }

  /** A reading of the whole log: under `logEpoch` it ends at `end`. */
  endsAt(logEpoch: number, end: number): void {
    this.#logEpochs.add(logEpoch);
    this.#cut({ after: logEpoch - 1, by: logEpoch, from: end });
  }

  /** To be called once, when every line has been read. */
  finish(losesFlushed: boolean): void {
    this.#losesFlushed = losesFlushed;
    const [only] = this.#logEpochs.size <= 1 ? [...this.#logEpochs, 0] : [];
    for (const here of this.#byOffset.values()) {
      for (const stored of here) {
        if (stored.logEpochs.length === 0 && only !== undefined) stored.logEpochs.push(only);
      }
      if (here.length > 1) this.#recordReuse(here);
      for (const stored of here) {
        if (stored.key === null) continue;
        const sameKey = this.byKey.get(stored.key);
        if (sameKey === undefined) this.byKey.set(stored.key, [stored]);
        else sameKey.push(stored);
      }
    }
    for (const messages of this.byKey.values()) messages.sort((a, b) => a.offset - b.offset || byFirstSeen(a, b));
  }

  *places(): Iterable<readonly Stored[]> {
    yield* this.#byOffset.values();
  }

  at(offset: number): readonly Stored[] {
    return this.#byOffset.get(offset) ?? [];
  }

  hasRestarted(): boolean {
    return this.#logEpochs.size > 1;
  }
  /** Whether nothing is known to have been more durable than its broker's memory. */
  isMemoryOnly(): boolean {
    let isMemory = false;
    for (const here of this.#byOffset.values()) {
      for (const { durability } of here) {
        if (durability === "memory") isMemory = true;
        else if (durability !== undefined) return false;
      }
    }
    return isMemory;
  }
  newestLogEpoch(): number {
    return Math.max(0, ...this.#logEpochs);
  }

  /**
   * Whether the message still stood at its place under `logEpoch`. `no` only when its offset was used again or the log
   * was seen to end before it,
   * `yes` when it was seen that late or was too durable to be lost, `maybe` otherwise.
   */
  survives(stored: Stored, logEpoch: number): "yes" | "no" | "maybe" {
    const lastSeen = stored.logEpochs.at(-1);
    if (lastSeen !== undefined && lastSeen >= logEpoch) return "yes";
    for (const { after, by, from } of this.#cuts.values()) {
      if (lastSeen !== undefined && after >= lastSeen && by <= logEpoch && from <= stored.offset) return "no";
    }
    return this.isDurable(stored) ? "yes" : "maybe";
  }

  /** Whether under `logEpoch` this message was seen at another place, or another message at this one. */
  stoodElsewhere(stored: Stored, logEpoch: number): boolean {
    const isThen = (other: Stored): boolean => other !== stored && other.logEpochs.includes(logEpoch);
    if (this.at(stored.offset).some(isThen)) return true;
    const sameKey = stored.key === null ? [] : (this.byKey.get(stored.key) ?? []);
    return stored.id !== null && sameKey.some((other) => other.id === stored.id && isThen(other));
  }

  /** Whether the two certainly stood in one log together. */
  coexist(a: Stored, b: Stored): boolean {
    const [firstA, lastA, firstB, lastB] = [a.logEpochs[0], a.logEpochs.at(-1), b.logEpochs[0], b.logEpochs.at(-1)];
    if (firstA === undefined || lastA === undefined || firstB === undefined || lastB === undefined) {
      return this.isDurable(a) && this.isDurable(b);
    }
    if (firstA <= lastB && firstB <= lastA) return !this.tookTurns(a, b);
    return lastA < firstB ? this.survives(a, firstB) === "yes" : this.survives(b, firstA) === "yes";
  }

  /**
   * Whether each may have gone when the other came: the power has failed more than once, and a place went to one
   * message, to another, and to the first again.
   * Never seen under the same incarnation, and neither gone in spite of a receipt that covers the power.
   */
  tookTurns(a: Stored, b: Stored): boolean {
    if (!this.#losesFlushed || a.logEpochs.some((epoch) => b.logEpochs.includes(epoch))) return false;
    return !wasKept(a, b) && !wasKept(b, a);
  }

  isDurable(stored: Stored): boolean {
    return stored.durability === "synced" || (stored.durability === "flushed" && !this.#losesFlushed);
  }

  #recordReuse(here: Stored[]): void {
    here.sort(byFirstSeen);
    // one may have gone and come back, with another there meanwhile: each time it was another's turn, something was
    // lost in between
    const turns = here.flatMap((stored) => stored.logEpochs.map((logEpoch) => ({ stored, logEpoch })));
    turns.sort((a, b) => a.logEpoch - b.logEpoch);
    for (const [index, { stored, logEpoch: by }] of turns.entries()) {
      const before = turns[index - 1];
      if (before !== undefined && before.stored !== stored)
        this.#cut({ after: before.logEpoch, by, from: stored.offset });
    }
  }

  /** Of cuts in the same span of time the lowest tells all. */
  #cut(cut: Cut): void {
    const span = `${cut.after}-${cut.by}`;
    const known = this.#cuts.get(span);
    if (known === undefined || cut.from < known.from) this.#cuts.set(span, cut);
  }
}

/** Whether the line can be about this message: by its id, or where one of them has none, by its key. */
function mayBe(stored: Stored, { id, key }: PlaceLine): boolean {
  if (stored.id !== null && id !== null) return stored.id === id;
  return stored.key === null || key === null || stored.key === key;
}

/**
 * The log lost everything from offset `from` on, some time after the incarnation `after` and by the incarnation `by`.
 */
interface Cut {
  readonly after: number;
  readonly by: number;
  readonly from: number;
}

/** The one had a receipt that covers the power before the other was seen. */
function wasKept(one: Stored, other: Stored): boolean {
  return one.sent.some(
    ({ durability, logEpoch }) => durability === "synced" && other.logEpochs.some((epoch) => epoch > (logEpoch ?? 0)),
  );
}

export function byFirstSeen(a: Stored, b: Stored): number {
  return (a.logEpochs[0] ?? 0) - (b.logEpochs[0] ?? 0);
}

function insertAscending(numbers: number[], value: number): void {
  const last = numbers.at(-1);
  if (last === undefined || value > last) numbers.push(value);
  else if (!numbers.includes(value)) {
    numbers.push(value);
    numbers.sort((a, b) => a - b);
  }
}
