import type { Message } from "./message.ts";

const WRONG_MAX = 10;

/** Judges what reached the handler: for each key every number once, in order. */
export class Arrivals {
  readonly #next: number[] = [];
  readonly #wrong: string[] = [];
  readonly #messages: number;
  readonly #keys: number;
  #taken = 0;

  constructor(expected: { readonly messages: number; readonly keys: number }) {
    this.#messages = expected.messages;
    this.#keys = expected.keys;
  }
  take({ key, n }: Message): void {
    this.#taken += 1;
    const expected = this.#next[key] ?? 0;
    if (n !== expected) this.#note(`key ${key}: expected ${expected}, found ${n}${n < expected ? " again" : ""}`);
    this.#next[key] = Math.max(expected, n + 1);
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
      const taken = this.#next[key] ?? 0;
      if (taken !== sent) this.#note(`key ${key}: expected ${sent} messages, found up to ${taken}`);
    }
    return this.#wrong;
  }
  #note(text: string): void {
    if (this.#wrong.length < WRONG_MAX) this.#wrong.push(text);
  }
}
