import type { OffsetRange, RedrivenId } from "../protocol/frames.ts";
import { Ring } from "../runtime/ring.ts";
import type { Entry, KeyLine } from "./entry.ts";
import { OffsetRanges } from "./offset-ranges.ts";

/** What was delivered to one worker and has not left its hands: at most the credit it gave, in messages and bytes. */
export class DeliveryBuffer {
  /** One line for everything, a line per key, or a line per message. */
  readonly #order: "queue" | "key" | "none";
  readonly #lines = new Map<string, KeyLine>();
  readonly #all = new Set<KeyLine>();
  readonly #queued = new Ring<KeyLine>();
  readonly #backingOff = new Set<KeyLine>();
  #whole: KeyLine | null = null;
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
  /** Lines whose head waits for its next attempt. */
  get backingOff(): number {
    return this.#backingOff.size;
  }

  add(entry: Entry): void {
    const line = this.#lineFor(entry.key);
    entry.line = line;
    this.#messages++;
    this.#bytes += entry.length;
    if (line.tail !== null) line.tail.next = entry;
    line.tail = entry;
    if (line.head !== null) return;
    line.head = entry;
    this.#enqueue(line);
  }
  /** The next line whose head may run; it is held from now on. */
  take(): KeyLine | null {
    for (let line = this.#queued.shift(); line !== undefined; line = this.#queued.shift()) {
      if (line.phase !== "queued" || line.head === null) continue; // dropped meanwhile
      line.phase = "held";
      return line;
    }
    return null;
  }
  /** Puts a held line back to where its head may run. */
  release(line: KeyLine): void {
    if (line.phase === "held" && line.head !== null) this.#enqueue(line);
  }
  /** The head has left our hands; the one behind it may run. */
  leave(entry: Entry): void {
    const line = entry.line;
    if (line === null || line.head !== entry) return;
    this.#forget(entry);
    line.head = entry.next;
    entry.next = null;
    if (line.head !== null) {
      this.#enqueue(line);
      return;
    }
    line.tail = null;
    this.#close(line);
  }
  /** The head runs again at `dueAt`. */
  backOff(line: KeyLine, dueAt: number): void {
    line.phase = "backingOff";
    line.dueAt = dueAt;
    this.#backingOff.add(line);
  }
  /** Lets the heads run whose time has come. Returns when the next one is due. */
  due(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const line of this.#backingOff)
      if (line.dueAt <= now) this.#enqueue(line);
      else if (line.dueAt < next) next = line.dueAt;
    return next;
  }
  /** Takes out what stands behind `head` with the same key. */
  dropBehind(head: Entry): Entry[] {
    const dropped: Entry[] = [];
    const line = head.line;
    if (line === null) return dropped;
    let last = head;
    for (let entry = head.next; entry !== null; entry = entry.next)
      if (entry.key === head.key) {
        dropped.push(entry);
        this.#forget(entry);
        last.next = entry.next;
      } else last = entry;
    line.tail = last;
    return dropped;
  }
  clear(): void {
    this.#lines.clear();
    this.#backingOff.clear();
    this.#queued.clear();
    for (const line of this.#all) {
      line.head = null;
      line.tail = null;
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
    for (const line of this.#all)
      for (let entry = line.head; entry !== null; entry = entry.next)
        if (entry.redriven === null) ranges.add(entry.offset);
        else redriven.push(entry.redriven);
    return { ranges: ranges.joined(), redriven };
  }

  #lineFor(key: string | null): KeyLine {
    if (this.#order === "queue") {
      this.#whole ??= this.#open(null);
      return this.#whole;
    }
    if (this.#order === "none" || key === null) return this.#open(null);
    const known = this.#lines.get(key);
    if (known !== undefined) return known;
    const line = this.#open(key);
    this.#lines.set(key, line);
    return line;
  }
  #open(key: string | null): KeyLine {
    const line: KeyLine = { key, head: null, tail: null, phase: "held", dueAt: 0 };
    this.#all.add(line);
    return line;
  }
  /** Empty and idle: only then may a line go, else a later message of its key could overtake. */
  #close(line: KeyLine): void {
    line.phase = "held";
    if (line === this.#whole) return;
    this.#all.delete(line);
    if (line.key !== null) this.#lines.delete(line.key);
  }
  #enqueue(line: KeyLine): void {
    this.#backingOff.delete(line);
    line.phase = "queued";
    this.#queued.push(line);
  }
  #forget(entry: Entry): void {
    entry.line = null;
    this.#messages--;
    this.#bytes -= entry.length;
  }
}
