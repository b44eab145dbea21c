export interface FaultyFrameOptions {
  readonly depth?: number;
  readonly counts?: () => boolean;
  readonly text?: string;
}
/**
 * Throws a `TypeError` at the n-th look into a frame, wherever in the code that is: each n is a fault at another
 * place.
 */
export class FaultyFrame {
  readonly #at: number;
  readonly #depth: number;
  readonly #counts: () => boolean;
  readonly #text: string;
  #looks = 0;

  /**
   * `depth`: how many levels of it; `counts`: whether a look is still part of handling it, and not of what is done
   * with the data later.
   */
  constructor(at: number, { depth = 99, counts = () => true, text = "injected" }: FaultyFrameOptions = {}) {
    this.#at = at;
    this.#depth = depth;
    this.#counts = counts;
    this.#text = text;
  }
  /** The n-th look has come. */
  get struck(): boolean {
    return this.#looks >= this.#at;
  }
  wrap<F extends object>(frame: F): F {
    return this.#wrapped(frame, this.#depth);
  }
  #wrapped<T extends object>(inner: T, depth: number): T {
    return new Proxy(inner, {
      get: (from, name) => {
        const value: unknown = Reflect.get(from, name);
        // what tells frames apart is read by the loop around their handling, `then` by promises
        if (name === "type" || name === "then" || typeof value === "function" || !this.#counts()) return value;
        if (++this.#looks === this.#at) throw new TypeError(this.#text);
        return typeof value === "object" && value !== null && !(value instanceof Uint8Array) && depth > 1
          ? this.#wrapped(value, depth - 1)
          : value;
      },
    });
  }
}
