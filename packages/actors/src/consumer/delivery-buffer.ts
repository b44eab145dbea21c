import type { OffsetRange, RedrivenId } from "../protocol/frames.ts";
import { Ring } from "../runtime/ring.ts";
import type { Entry } from "./entry.ts";
import { OffsetRanges } from "./offset-ranges.ts";

/**
 * Messages that are handled strictly one after another: those of one key or, at concurrency 1, of the whole queue. Its head stays in front until it has left
 * our hands, so nothing overtakes it, whether it runs, waits for its next attempt, or is being set aside.
 */
export interface Lane {
  readonly key: string | null;
  head: Entry | null;
  tail: Entry | null;
  /** `queued`: its head may run and waits for a place. `held`: its head runs, is being set aside, or waits for something else. `backingOff`: until `dueAt`. */
  phase: "queued" | "held" | "backingOff";
  dueAt: number;
}

/** What was delivered to one worker and has not left its hands: at most the credit it gave, in messages and bytes. */
export class DeliveryBuffer {
  /** One lane for everything, a lane per key, or a lane per message. */
  readonly #order: "queue" | "key" | "none";
  readonly #lanes = new Map<string, Lane>();
  readonly #all = new Set<Lane>();
  readonly #queued = new Ring<Lane>();
  readonly #backingOff = new Set<Lane>();
  #whole: Lane | null = null;
  #messages = 0;
  #bytes = 0;

  constructor(order: "queue" | "key" | "none") {
    this.#order = order;
  }
  get messages(): number {
    return this.#messages;
  }
  get bytes(): number {
    return this.#bytes;
  }
  /** Whether some head may run. */
  get ready(): boolean {
    return this.#queued.length > 0;
  }
  /** Lanes whose head waits for its next attempt. */
  get backingOff(): number {
    return this.#backingOff.size;
  }

  add(entry: Entry): void {
    const lane = this.#laneFor(entry.key);
    entry.lane = lane;
    this.#messages++;
    this.#bytes += entry.length;
    if (lane.tail !== null) lane.tail.next = entry;
    lane.tail = entry;
    if (lane.head !== null) return;
    lane.head = entry;
    this.#enqueue(lane);
  }
  /** The next lane whose head may run; it is held from now on. */
  take(): Lane | null {
    for (let lane = this.#queued.shift(); lane !== undefined; lane = this.#queued.shift()) {
      if (lane.phase !== "queued" || lane.head === null) continue; // dropped meanwhile
      lane.phase = "held";
      return lane;
    }
    return null;
  }
  /** Puts a held lane back to where its head may run. */
  release(lane: Lane): void {
    if (lane.phase === "held" && lane.head !== null) this.#enqueue(lane);
  }
  /** The head has left our hands; the one behind it may run. */
  leave(entry: Entry): void {
    const lane = entry.lane;
    if (lane === null || lane.head !== entry) return;
    this.#forget(entry);
    lane.head = entry.next;
    entry.next = null;
    if (lane.head !== null) {
      this.#enqueue(lane);
      return;
    }
    lane.tail = null;
    this.#close(lane);
  }
  /** The head runs again at `dueAt`. */
  backOff(lane: Lane, dueAt: number): void {
    lane.phase = "backingOff";
    lane.dueAt = dueAt;
    this.#backingOff.add(lane);
  }
  /** Lets the heads run whose time has come. Returns when the next one is due. */
  due(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const lane of this.#backingOff)
      if (lane.dueAt <= now) this.#enqueue(lane);
      else if (lane.dueAt < next) next = lane.dueAt;
    return next;
  }
  /** Takes out what stands behind `head` with the same key. */
  dropBehind(head: Entry): Entry[] {
    const dropped: Entry[] = [];
    const lane = head.lane;
    if (lane === null) return dropped;
    let last = head;
    for (let entry = head.next; entry !== null; entry = entry.next)
      if (entry.key === head.key) {
        dropped.push(entry);
        this.#forget(entry);
        last.next = entry.next;
      } else last = entry;
    lane.tail = last;
    return dropped;
  }
  clear(): void {
    this.#lanes.clear();
    this.#backingOff.clear();
    this.#queued.clear();
    for (const lane of this.#all) {
      lane.head = null;
      lane.tail = null;
    }
    this.#all.clear();
    this.#whole = null;
    this.#messages = 0;
    this.#bytes = 0;
  }
  /** All of it, as a resume tells it. */
  held(): { readonly ranges: readonly OffsetRange[]; readonly redriven: readonly RedrivenId[] } {
    const ranges = new OffsetRanges();
    const redriven: RedrivenId[] = [];
    for (const lane of this.#all)
      for (let entry = lane.head; entry !== null; entry = entry.next)
        if (entry.redriven === null) ranges.add(entry.offset);
        else redriven.push(entry.redriven);
    return { ranges: ranges.joined(), redriven };
  }

  #laneFor(key: string | null): Lane {
    if (this.#order === "queue") {
      this.#whole ??= this.#open(null);
      return this.#whole;
    }
    if (this.#order === "none" || key === null) return this.#open(null);
    const known = this.#lanes.get(key);
    if (known !== undefined) return known;
    const lane = this.#open(key);
    this.#lanes.set(key, lane);
    return lane;
  }
  #open(key: string | null): Lane {
    const lane: Lane = { key, head: null, tail: null, phase: "held", dueAt: 0 };
    this.#all.add(lane);
    return lane;
  }
  /** Empty and idle: only then may a lane go, else a later message of its key could overtake. */
  #close(lane: Lane): void {
    lane.phase = "held";
    if (lane === this.#whole) return;
    this.#all.delete(lane);
    if (lane.key !== null) this.#lanes.delete(lane.key);
  }
  #enqueue(lane: Lane): void {
    this.#backingOff.delete(lane);
    lane.phase = "queued";
    this.#queued.push(lane);
  }
  #forget(entry: Entry): void {
    entry.lane = null;
    this.#messages--;
    this.#bytes -= entry.length;
  }
}
