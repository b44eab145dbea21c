import type { PendingSend } from "./pending-send.ts";

const FAILURES_MAX = 1_000;

/** Sends that failed and that nobody has looked at, at most 1,000, until the next flush tells of them. */
export class UnreadFailures {
  #sends: PendingSend[] = [];

  note(send: PendingSend): void {
    if (this.#sends.length >= FAILURES_MAX) this.#forgetRead();
    if (this.#sends.length < FAILURES_MAX) this.#sends.push(send);
  }
  /** Those among the calls up to this one; they are forgotten here. */
  takeUpTo(call: number): readonly PendingSend[] {
    this.#forgetRead();
    const unread = this.#sends.filter((send) => send.call <= call);
    this.#sends = this.#sends.filter((send) => send.call > call);
    return unread;
  }
  #forgetRead(): void {
    this.#sends = this.#sends.filter((send) => !send.promise.read);
  }
}
