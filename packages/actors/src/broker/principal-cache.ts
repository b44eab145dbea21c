/** How many of the oldest are looked at for one that may be dropped. */
const LOOKS = 16;

export interface PrincipalCacheOptions {
  /** Entries of one principal, at most. */
  readonly eachMax: number;
  /** Of all together. */
  readonly allMax: number;
  /** What is in use is never dropped: of such there may be more. */
  readonly isInUse: (key: string) => boolean;
  readonly dropped?: (key: string) => void;
}
/**
 * What a broker remembers of many principals, a bounded share for each: whoever brings much drops its own oldest, and
 * nothing of anybody else's.
 */
export class PrincipalCache<V> {
  readonly #options: PrincipalCacheOptions;
  /** By principal, the one that came last at the end; of each by key, the newest at the end. */
  readonly #all = new Map<string, Map<string, V>>();
  #size = 0;

  constructor(options: PrincipalCacheOptions) {
    this.#options = options;
  }
  get size(): number {
    return this.#size;
  }
  get(of: string, key: string): V | undefined {
    return this.#all.get(of)?.get(key);
  }
  /** As the newest. */
  set(of: string, key: string, value: V): void {
    const own = this.#all.get(of) ?? new Map<string, V>();
    this.#all.delete(of);
    this.#all.set(of, own);
    if (!own.delete(key)) this.#size++;
    own.set(key, value);
    if (own.size > this.#options.eachMax) this.#drop(of, own);
    if (this.#size > this.#options.allMax) this.#dropAny();
  }
  delete(of: string, key: string): void {
    const own = this.#all.get(of);
    if (own?.delete(key) !== true) return;
    this.#size--;
    if (own.size === 0) this.#all.delete(of);
  }
  /** Of principals without end, each with little, those go first that have not come for longest. */
  #dropAny(): void {
    let looks = LOOKS;
    for (const [of, own] of this.#all) if (this.#drop(of, own) || --looks === 0) return;
  }
  /** Drops the oldest that nobody uses; those in use that it comes upon are as good as new. */
  #drop(of: string, own: Map<string, V>): boolean {
    let looks = LOOKS;
    for (const [key, value] of own) {
      if (!this.#options.isInUse(key)) {
        this.delete(of, key);
        this.#options.dropped?.(key);
        return true;
      }
      if (--looks < 0) return false;
      own.delete(key);
      own.set(key, value);
    }
    return false;
  }
}
