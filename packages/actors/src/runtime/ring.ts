/**
 * First in, first out, in an array that wraps around: constant time at both ends, and nothing is kept alive that has
 * left. Grows by doubling.
 */
export class Ring<T> {
  #slots: (T | undefined)[] = new Array(16);
  #mask = 15;
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }
  push(item: T): void {
    if (this.#length > this.#mask) this.#grow();
    this.#slots[(this.#head + this.#length) & this.#mask] = item;
    this.#length++;
  }
  peek(): T | undefined {
    return this.#length === 0 ? undefined : this.#slots[this.#head];
  }
  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & this.#mask;
    this.#length--;
    return item;
  }
  /** The item `index` places behind the first. */
  at(index: number): T | undefined {
    return index < 0 || index >= this.#length ? undefined : this.#slots[(this.#head + index) & this.#mask];
  }
  /** Keeps, in order, only what `keep` says. */
  retain(keep: (item: T) => boolean): void {
    let kept = 0;
    const length = this.#length;
    for (let index = 0; index < length; index++) {
      const item = this.#slots[(this.#head + index) & this.#mask] as T;
      if (keep(item)) this.#slots[(this.#head + kept++) & this.#mask] = item;
    }
    for (let index = kept; index < length; index++) this.#slots[(this.#head + index) & this.#mask] = undefined;
    this.#length = kept;
  }
  clear(): void {
    this.#slots = new Array(16);
    this.#mask = 15;
    this.#head = 0;
    this.#length = 0;
  }
  *[Symbol.iterator](): IterableIterator<T> {
    for (let index = 0; index < this.#length; index++) yield this.#slots[(this.#head + index) & this.#mask] as T;
  }

  #grow(): void {
    const slots = new Array<T | undefined>(this.#slots.length * 2);
    for (let index = 0; index < this.#length; index++) slots[index] = this.#slots[(this.#head + index) & this.#mask];
    this.#slots = slots;
    this.#mask = slots.length - 1;
    this.#head = 0;
  }
}
