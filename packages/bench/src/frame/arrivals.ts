import type { Message } from "./message.ts";
import { type Load, sentOf } from "./system.ts";

const WRONG_MAX = 10;

export interface Expected {
  readonly messages: number;
  readonly keys: number;
  /**
   * After a kill, messages that were in hand come again: from an earlier one of the key, and in order from there.
   * @default false
   */
  readonly repeats?: boolean;
}
/** What a load sends, warm-up and all: order and loss are judged from the first message on. */
export const expectedOf = (load: Load): Expected => ({ ...load, messages: sentOf(load) });

/** Judges what reached the handler: for each key every number once, in order. */
export class Arrivals {
  readonly #next: number[] = [];
  /** Of each key, one more than the largest number so far. */
  readonly #high: number[] = [];
  readonly #wrong: string[] = [];
  readonly #messages: number;
  readonly #keys: number;
  readonly #repeats: boolean;
  #taken = 0;
  #again = 0;

  constructor({ messages, keys, repeats = false }: Expected) {
    this.#messages = messages;
    this.#keys = keys;
    this.#repeats = repeats;
  }
  take({ key, n }: Pick<Message, "key" | "n">): void {
    const expected = this.#next[key] ?? 0;
    const high = this.#high[key] ?? 0;
    const again = n < high && this.#repeats;
    if (again) this.#again += 1;
    else this.#taken += 1;
    if (n > expected || (n < expected && !again))
      this.#note(`key ${key}: expected ${expected}, found ${n}${n < expected ? " again" : ""}`);
    this.#next[key] = again ? n + 1 : Math.max(expected, n + 1);
    this.#high[key] = Math.max(high, n + 1);
  }
  get taken(): number {
    return this.#taken;
  }
  /** Repetitions that were allowed. */
  get again(): number {
    return this.#again;
  }
  /** As many have been taken as were sent, whichever they are. */
  get complete(): boolean {
    return this.#taken >= this.#messages;
  }
  /** What was out of order, lost or repeated; empty when nothing was. */
  verdict(): readonly string[] {
    if (this.#taken !== this.#messages) this.#note(`expected ${this.#messages} messages, found ${this.#taken}`);
    for (let key = 0; key < Math.min(this.#keys, this.#messages); key++) {
      const sent = Math.ceil((this.#messages - key) / this.#keys);
      const taken = this.#high[key] ?? 0;
      if (taken !== sent) this.#note(`key ${key}: expected ${sent} messages, found up to ${taken}`);
    }
    return this.#wrong;
  }
  #note(text: string): void {
    if (this.#wrong.length < WRONG_MAX) this.#wrong.push(text);
  }
}
