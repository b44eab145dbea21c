import type { StoredRecord } from "./store.ts";

/** Records in memory by key, listed in key order: for those who implement the Store contract. */
export class SortedRecords {
  readonly #values = new Map<string, Uint8Array>();
  #keys: string[] = [];

  get(key: string): Uint8Array | undefined {
    return this.#values.get(key);
  }
  /** The value it replaces. */
  put(key: string, value: Uint8Array): Uint8Array | undefined {
    const old = this.#values.get(key);
    if (old === undefined) this.#keys.splice(this.#firstAtOrAfter(key), 0, key);
    this.#values.set(key, value);
    return old;
  }
  /** The value it removes. */
  remove(key: string): Uint8Array | undefined {
    const old = this.#values.get(key);
    if (old === undefined) return undefined;
    this.#values.delete(key);
    this.#keys.splice(this.#firstAtOrAfter(key), 1);
    return old;
  }
  /** See `Store.list`. */
  list(prefix: string, after: string | undefined, limit: number): StoredRecord[] {
    const found: StoredRecord[] = [];
    let at = this.#firstAtOrAfter(after !== undefined && after > prefix ? after : prefix);
    if (this.#keys[at] === after) at += 1;
    for (let key = this.#keys[at]; key?.startsWith(prefix) && found.length < limit; key = this.#keys[++at])
      found.push({ key, value: this.#values.get(key) as Uint8Array });
    return found;
  }
  #firstAtOrAfter(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] as string) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
