import type { Runtime } from "@seriatim/actors/client";
import { Observable, type Subscriber } from "rxjs";

/**
 * An Observable with one subscriber at a time that keeps what comes while there is none.
 * Never emits from inside `subscribe`.
 */
export class Mailbox<T> {
  readonly taken$: Observable<T>;
  readonly #runtime: Runtime;
  readonly #caughtUp: () => void;
  #kept: T[] = [];
  #reader: Subscriber<T> | null = null;
  #closed = false;
  #paused = false;

  /** `caughtUp` runs when a subscriber has come, or goes on, and has taken what was kept. */
  constructor(runtime: Runtime, caughtUp: () => void = () => {}) {
    this.#runtime = runtime;
    this.#caughtUp = caughtUp;
    this.taken$ = new Observable<T>((reader) => {
      if (this.#reader !== null) {
        reader.error(new Error("this stream takes one subscriber at a time"));
        return;
      }
      this.#reader = reader;
      reader.add(() => {
        this.#reader = null;
      });
      runtime.defer(() => this.#catchUp(reader));
    });
  }
  /** The subscriber takes nothing for now: what comes is kept. */
  pause(): void {
    this.#paused = true;
  }
  /** It goes on, with what was kept, never from inside this call. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    const reader = this.#reader;
    if (reader !== null) this.#runtime.defer(() => this.#catchUp(reader));
  }
  /** Tells whether it went straight to a subscriber. */
  put(item: T): boolean {
    if (this.#reader === null || this.#paused || this.#kept.length > 0) {
      this.#kept.push(item);
      return false;
    }
    this.#reader.next(item);
    return true;
  }
  /** Nothing more comes: completes the subscriber, or the next one, once it has what was kept. */
  close(): void {
    this.#closed = true;
    if (this.#kept.length === 0) this.#reader?.complete();
  }
  clear(): void {
    this.#kept = [];
  }
  #catchUp(reader: Subscriber<T>): void {
    const kept = this.#kept;
    let next = 0;
    while (next < kept.length && this.#reader === reader && this.#kept === kept && !this.#paused)
      reader.next(kept[next++] as T);
    if (this.#kept === kept) this.#kept = kept.slice(next);
    if (this.#reader !== reader || this.#paused) return;
    if (this.#kept.length > 0) this.#runtime.defer(() => this.#catchUp(reader));
    else if (this.#closed) reader.complete();
    else this.#caughtUp();
  }
}
