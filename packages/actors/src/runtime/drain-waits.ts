interface Waiter {
  readonly bytes: number;
  readonly drained: () => void;
}
const NOBODY: readonly Waiter[] = [];

/** Those who wait until a link has little left to hand over: what a `Transport` keeps for `Link.whenDrained`. */
export class DrainWaits {
  #waiting = NOBODY;

  get any(): boolean {
    return this.#waiting.length > 0;
  }
  add(bytes: number, drained: () => void): void {
    this.#waiting = [...this.#waiting, { bytes, drained }];
  }
  /**
   * Calls back those for whom no more than enough waits now; 0 at the end of a link. Not to be called from inside a
   * call of the link.
   */
  look(bufferedBytes: number): void {
    const due = this.#waiting.filter(({ bytes }) => bufferedBytes <= bytes);
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter(({ bytes }) => bufferedBytes > bytes);
    for (const { drained } of due) drained();
  }
}
