// Batches below their log's start are out of sight at once, and removed from the file a limited number at a time.
import type { Changes } from "./changes.ts";
import { batchKey, batchOfKey, type LogState } from "./encoding.ts";
import type { StoreData } from "./store-data.ts";

export interface Trims {
  /** Keys of truncated batches to remove from the file. */
  readonly keys: readonly Buffer[];
  /** From where on each log that was trimmed still has some left; its `start` if none. */
  readonly trimmedTo: ReadonlyMap<string, number>;
}
export const NO_TRIMS: Trims = { keys: [], trimmedTo: new Map() };

/** Batches that one transaction removes; twice as many as it adds if that is more, so that removing keeps up. */
const TRIMMED_PER_TRANSACTION = 256;

/** What the transaction that makes these changes removes as well. */
export function nextTrims(data: StoreData, changes: Changes): Trims {
  const keys: Buffer[] = [];
  const trimmedTo = new Map<string, number>();
  const most = Math.max(TRIMMED_PER_TRANSACTION, changes.batches.length * 2);
  const trim = (log: string, from: number): void => {
    const room = most - keys.length;
    const { start } = changes.logs.get(log) ?? (data.logs.get(log) as LogState);
    const found = [...data.env.batches.getKeys({ start: batchKey(log, from), end: batchKey(log, start), limit: room })];
    const last = found.at(-1);
    keys.push(...found);
    // What this very transaction adds and truncates lies behind what it could see.
    const seenTo = Math.min(start, data.logs.get(log)?.end ?? start);
    trimmedTo.set(log, last !== undefined && found.length === room ? batchOfKey(last).first + 1 : seenTo);
  };
  for (const [log, from] of data.untrimmed) {
    if (keys.length === most) break;
    trim(log, from);
  }
  for (const [log, { start }] of changes.logs) {
    const before = data.logs.get(log);
    if (before === undefined) {
      // A new log's truncated batches, where the same transaction wrote them all the same.
      if (start > 0) trimmedTo.set(log, 0);
    } else if (start > before.start && !data.untrimmed.has(log)) {
      if (keys.length < most) trim(log, before.start);
      else trimmedTo.set(log, before.start);
    }
  }
  return { keys, trimmedTo };
}
