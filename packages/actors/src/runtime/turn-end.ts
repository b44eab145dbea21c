import { queueMacrotask } from "./macrotask.ts";

/** What is left for the end of a turn, in order; what is added while it is worked off belongs to the same end. */
export class TurnEnd {
  readonly #queue: (fn: () => void) => void;
  #waiting: (() => void)[] = [];
  #scheduled = false;

  /** `queue` runs a function once the present turn has ended. */
  constructor(queue: (fn: () => void) => void = queueMacrotask) {
    this.#queue = queue;
  }

  /** Nothing is left. */
  get isOver(): boolean {
    return !this.#scheduled;
  }
  add(fn: () => void): void {
    this.#waiting.push(fn);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#queue(this.#run);
  }
  readonly #run = (): void => {
    let done = 0;
    try {
      while (done < this.#waiting.length) this.#waiting[done++]?.();
    } finally {
      // one that throws ends nothing but itself: the rest has a turn end of its own
      this.#waiting = this.#waiting.slice(done);
      this.#scheduled = this.#waiting.length > 0;
      if (this.#scheduled) this.#queue(this.#run);
    }
  };
}
