/** Ids a queue remembers at most; past it the oldest are forgotten before their time. */
export const IDS_MAX = 65_536;
/** And about their characters: ids of 128 still fit in full number. */
export const IDS_LENGTH_MAX = 8 * 1024 * 1024;

export interface NotedId {
  readonly id: string;
  readonly offset: number;
  readonly atMs: number;
}
type Places = Map<string, Omit<NotedId, "id">>;
/** Shared by all windows without an id, and never added to. */
const NONE: Places = new Map();

/** Message ids of the last `windowMs`, so that a message sent again under the same id lands once. */
export class IdWindow {
  readonly #windowMs: number;
  /** Of messages in the log, in order of arrival, which is that of their offsets and the order they leave in. */
  #standing = NONE;
  /** Of messages that have been removed from it, all older: what is removed next is found without walking these. */
  #removed = NONE;
  #length = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }
  /** Where the message with this id stands, or stood, if it is remembered. */
  find(id: string, nowMs: number): number | undefined {
    const place = this.#standing.get(id) ?? this.#removed.get(id);
    return place !== undefined && nowMs - place.atMs <= this.#windowMs ? place.offset : undefined;
  }
  /** Messages in `[from, to)` are removed from the log: those of them that are remembered still, in order. */
  remove(from: number, to: number, nowMs: number): NotedId[] {
    const found: NotedId[] = [];
    for (const [id, place] of this.#standing) {
      if (place.offset >= to) break;
      if (this.#removed === NONE) this.#removed = new Map();
      this.#standing.delete(id);
      this.#removed.set(id, place);
      if (place.offset >= from && nowMs - place.atMs <= this.#windowMs) found.push({ id, ...place });
    }
    return found;
  }
  /** @param offset above all that were noted before */
  note(id: string, offset: number, atMs: number): void {
    if (this.#standing === NONE) this.#standing = new Map();
    // moves it to the young end
    if (!this.#removed.delete(id) && !this.#standing.delete(id)) this.#length += id.length;
    this.#standing.set(id, { offset, atMs });
    for (const places of [this.#removed, this.#standing])
      for (const [oldest, place] of places) {
        const fits = this.#removed.size + this.#standing.size <= IDS_MAX && this.#length <= IDS_LENGTH_MAX;
        if (fits && atMs - place.atMs <= this.#windowMs) return;
        places.delete(oldest);
        this.#length -= oldest.length;
      }
  }
}
