/** Ids a queue remembers at most; past it the oldest are forgotten before their time. */
export const IDS_MAX = 65_536;

/** Message ids of the last `windowMs`, so that a message sent again under the same id lands once. */
export class IdWindow {
  readonly #windowMs: number;
  /** In order of arrival, which is the order they leave in. */
  readonly #places = new Map<string, { readonly offset: number; readonly atMs: number }>();

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }
  /** Where the message with this id stands, if it is remembered. */
  find(id: string, nowMs: number): number | undefined {
    const place = this.#places.get(id);
    return place !== undefined && nowMs - place.atMs <= this.#windowMs ? place.offset : undefined;
  }
  note(id: string, offset: number, atMs: number): void {
    this.#places.delete(id); // moves it to the young end
    this.#places.set(id, { offset, atMs });
    for (const [oldest, place] of this.#places) {
      if (this.#places.size <= IDS_MAX && atMs - place.atMs <= this.#windowMs) break;
      this.#places.delete(oldest);
    }
  }
}
