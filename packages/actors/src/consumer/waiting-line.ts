/** Who has a message at hand and may start it, were it not for what all workers of the consumer share: the turn's time, or a taker. */
export interface Waiting {
  /** Starts what may start; stands in line again if it is held up once more. */
  pump(): void;
}

/** The workers that are held up, longest first: when starting may go on, only these are looked at, however many queues the consumer has. */
export class WaitingLine {
  readonly #waiting = new Set<Waiting>();

  /** Stands in line, unless it does. */
  wait(who: Waiting): void {
    this.#waiting.add(who);
  }
  leave(who: Waiting): void {
    this.#waiting.delete(who);
  }
  /** Lets one after another start, each once, for as long as `mayGoOn`. Who has more afterwards stands behind all others. */
  serve(mayGoOn: () => boolean): void {
    let left = this.#waiting.size;
    for (const who of this.#waiting) {
      if (left-- === 0 || !mayGoOn()) return;
      this.#waiting.delete(who);
      who.pump();
    }
  }
}
