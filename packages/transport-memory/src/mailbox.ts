import { Observable, type Subscriber } from "rxjs";

/**
 * A FIFO with one reader at a time: what is put in stays until it is taken; nothing is handed over from inside `put`.
 */
export class Mailbox<T> {
  readonly taken$: Observable<T>;
  #items: (T | undefined)[] = [];
  #head = 0;
  #reader: Subscriber<T> | null = null;
  #closed = false;
  #paused = false;

  /** `wake` is called when there may be something to hand over: answer it by calling `handOver`, later. */
  constructor(wake: () => void) {
    this.taken$ = new Observable<T>((reader) => {
      if (this.#reader !== null) {
        reader.error(new Error("this stream takes one subscriber at a time"));
        return;
      }
      this.#reader = reader;
      reader.add(() => {
        this.#reader = null;
      });
      wake();
    });
  }
  /** Somebody takes what is put in. */
  get isTaken(): boolean {
    return this.#reader !== null && !this.#paused;
  }
  get size(): number {
    return this.#items.length - this.#head;
  }
  put(item: T): void {
    this.#items.push(item);
  }
  /** The reader takes nothing for now. */
  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    this.#paused = false;
  }
  /**
   * Hands over what is in now (not what comes meanwhile), as long as it is taken;
   * `each` runs before the reader gets the item.
   */
  handOver(each: (item: T) => void): void {
    for (let left = this.size; left > 0 && this.isTaken && this.size > 0; left--) {
      const item = this.#items[this.#head] as T;
      this.#items[this.#head++] = undefined;
      if (this.#head === this.#items.length) this.#forget();
      each(item);
      this.#reader?.next(item);
    }
    if (this.#closed && this.size === 0) this.#reader?.complete();
  }
  /** Nothing more comes: completes the reader once it has taken what is left. */
  close(): void {
    this.#closed = true;
    if (this.size === 0) this.#reader?.complete();
  }
  clear(): void {
    this.#forget();
  }
  #forget(): void {
    this.#items = [];
    this.#head = 0;
  }
}
