/** Ids a queue remembers at most; past it the oldest are forgotten before their time. */
export const IDS_MAX = 65_536;

export interface NotedId {
  readonly id: string;
  readonly offset: number;
  readonly atMs: number;
}

/** Message ids of the last `windowMs`, so that a message sent again under the same id lands once. */
export class IdWindow {
  readonly #windowMs: number;
  /** In order of arrival, which is the order they leave in. */
  #places: Map<string, { readonly offset: number; readonly atMs: number }> | null = null;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }
  /** Where the message with this id stands, if it is remembered. */
  find(id: string, nowMs: number): number | undefined {
    const place = this.#places?.get(id);
    return place !== undefined && nowMs - place.atMs <= this.#windowMs ? place.offset : undefined;
  }
  /** Those of messages in `[from, to)` that are remembered still. */
  between(from: number, to: number, nowMs: number): NotedId[] {
    const found: NotedId[] = [];
    for (const [id, { offset, atMs }] of this.#places ?? [])
      if (offset >= from && offset < to && nowMs - atMs <= this.#windowMs) found.push({ id, offset, atMs });
    return found.sort((a, b) => a.offset - b.offset);
  }
  note(id: string, offset: number, atMs: number): void {
    this.#places ??= new Map();
    const places = this.#places;
    places.delete(id); // moves it to the young end
    places.set(id, { offset, atMs });
    for (const [oldest, place] of places) {
      if (places.size <= IDS_MAX && atMs - place.atMs <= this.#windowMs) break;
      places.delete(oldest);
    }
  }
}
