import type { StoredRecord, StoreWrite } from "../store/store.ts";
import { IDS_MAX, type NotedId } from "./id-window.ts";
import { decodeRecord, encodeRecord, storeKeys } from "./records.ts";

/** Ids in one record: few enough that none is large. */
const CHUNK_IDS = 1_024;
type StoredIds = readonly (readonly [id: string, offset: number, wallMs: number])[];

/**
 * Ids of messages that retention has removed from their log, in records of their own, so that a restarted broker knows
 * them for as long as any other. At most as many as a queue remembers at all.
 */
export class RemovedIds {
  readonly #topic: string;
  readonly #queue: number;
  readonly #windowMs: number;
  /** Oldest first. */
  #records: { readonly key: string; readonly count: number; readonly newestMs: number }[] = [];

  constructor(of: { readonly topic: string; readonly queue: number; readonly windowMs: number }) {
    this.#topic = of.topic;
    this.#queue = of.queue;
    this.#windowMs = of.windowMs;
  }
  get prefix(): string {
    return storeKeys.removedIds(this.#topic, this.#queue);
  }
  /** Takes up what the store holds, and returns it in the order of its places. */
  load(records: readonly StoredRecord[]): NotedId[] {
    this.#records = [];
    return records.flatMap(({ key, value }) => {
      const ids = decodeRecord<StoredIds>(key, value).map(([id, offset, atMs]) => ({ id, offset, atMs }));
      this.#note(key, ids);
      return ids;
    });
  }
  /**
   * What belongs into the commit that removes these messages: their ids, and away with records that nobody can ask for
   * any more.
   */
  keep(ids: readonly NotedId[], wallMs: number): StoreWrite[] {
    const writes: StoreWrite[] = [];
    for (let at = 0; at < ids.length; at += CHUNK_IDS) {
      const chunk = ids.slice(at, at + CHUNK_IDS);
      const key = storeKeys.removedIdsFrom(this.#topic, this.#queue, chunk[0]!.offset);
      const value = encodeRecord(chunk.map(({ id, offset, atMs }) => [id, offset, atMs]) satisfies StoredIds);
      writes.push({ kind: "put", key, value });
      this.#note(key, chunk);
    }
    let total = this.#records.reduce((sum, { count }) => sum + count, 0);
    const stays = this.#records.findIndex(({ count, newestMs }) => {
      if (total <= IDS_MAX && wallMs - newestMs <= this.#windowMs) return true;
      total -= count;
      return false;
    });
    for (const { key } of this.#records.splice(0, stays < 0 ? this.#records.length : stays))
      writes.push({ kind: "remove", key });
    return writes;
  }
  #note(key: string, ids: readonly NotedId[]): void {
    this.#records.push({ key, count: ids.length, newestMs: Math.max(...ids.map(({ atMs }) => atMs)) });
  }
}
