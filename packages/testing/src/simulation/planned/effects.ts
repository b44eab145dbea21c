import type { Message } from "@seriatim/actors/client";
import { ordinalOf } from "../watch/history-book.ts";

export interface Handling {
  readonly process: string;
  readonly topic: string;
  readonly group: string;
  readonly key: string;
  readonly id: string;
  readonly offset: number;
  readonly fence: number;
}
/** What a key's handlers have done to the world outside, in one group. */
interface Row {
  fence: number;
  /** By producer: the place of its message that was done last. */
  readonly done: Map<string, number>;
  offset: number;
  readonly running: Set<Handling>;
  /**
   * Somebody discarded or skipped something of it, or its policy lets successors run on: then places may be left out.
   */
  mayHaveGaps: boolean;
}

/**
 * The world outside, as handlers write to it: a row per key, guarded by the fence ("… where fence <= $2"). It outlives
 * every crash and checks while the run goes on that
 * each producer's messages of a key take effect in the order of their places, none left out, and that under one epoch a
 * key has one handler at a time.
 */
export class Effects {
  readonly #rows = new Map<string, Row>();
  readonly #violate: (promise: "P5" | "P6" | "P7", text: string) => void;
  readonly #lossy: ReadonlySet<string>;
  /** Groups that need not have seen what was there before them. */
  readonly #late = new Set<string>();
  /** Effects that a later holder's fence kept out. */
  fencedOut = 0;
  /** Effects that had been there already. */
  repeated = 0;
  applied = 0;

  /** `lossy`: producers whose acknowledged messages a crash may take (`durability: "memory"`). */
  constructor(violate: (promise: "P5" | "P6" | "P7", text: string) => void, lossy: ReadonlySet<string>) {
    this.#violate = violate;
    this.#lossy = lossy;
  }

  begin(process: string, group: string, message: Message<unknown>, fence: number): Handling {
    const { topic, key, id, offset } = message;
    const handling: Handling = { process, topic, group, key: key ?? "", id: id ?? "", offset, fence };
    const { running } = this.#row(handling);
    for (const other of running)
      if (other.fence === fence)
        this.#violate("P5", `${text(handling)} begins while ${text(other)} is running under the same epoch`);
    running.add(handling);
    return handling;
  }
  end(handling: Handling): void {
    this.#row(handling).running.delete(handling);
  }
  /** The handler's effect; false when a later holder has been there. */
  apply(handling: Handling): boolean {
    const row = this.#row(handling);
    if (handling.fence < row.fence) {
      this.fencedOut++;
      return false;
    }
    row.fence = handling.fence;
    const at = handling.id.lastIndexOf("/");
    const [producer, ordinal] = [handling.id.slice(0, at), ordinalOf(handling.id)];
    if (ordinal === null) return true; // emitted: in the order of its causes, which is not one of this key
    const last = row.done.get(producer) ?? (this.#late.has(`${handling.topic} ${handling.group}`) ? ordinal - 1 : -1);
    if (ordinal <= last) {
      this.repeated++;
      return true;
    }
    this.applied++;
    if (ordinal > last + 1 && !row.mayHaveGaps && !this.#lossy.has(producer.slice(0, producer.indexOf("/"))))
      this.#violate(
        "P6",
        `${text(handling)} takes effect, the last of this producer and key before it was number ${last}`,
      );
    row.done.set(producer, ordinal);
    row.offset = Math.max(row.offset, handling.offset);
    return true;
  }
  /** The process is gone, and its handlers with it. */
  processDied(process: string): void {
    for (const row of this.#rows.values())
      for (const handling of row.running) if (handling.process === process) row.running.delete(handling);
  }
  beginsLate(topic: string, group: string): void {
    this.#late.add(`${topic} ${group}`);
  }
  mayHaveGaps(topic: string, group: string, key: string): void {
    this.#row({ topic, group, key }).mayHaveGaps = true;
  }
  #row({ topic, group, key }: Pick<Handling, "topic" | "group" | "key">): Row {
    const name = `${topic} ${group} ${key}`;
    let row = this.#rows.get(name);
    if (row === undefined) {
      row = { fence: 0, done: new Map(), offset: -1, running: new Set(), mayHaveGaps: false };
      this.#rows.set(name, row);
    }
    return row;
  }
}

const text = ({ process, topic, group, id, offset, fence }: Handling): string =>
  `${process}'s handling of "${id}" (${topic}, offset ${offset}, group ${group}, epoch ${fence})`;
