import type { Retention } from "../message/topic.ts";
import type { QueueLog } from "./queue-log.ts";
import { storedBytes } from "./stored-batch.ts";

const READ_BYTES = 1024 * 1024;

/** A group as retention sees it: what it has not settled stays, unless the topic says otherwise. */
export interface RetentionGroup {
  /** Everything below it is done, and the store knows. */
  readonly committedCursor: number;
  /** Counts what the group loses below `before`; resolves when that is committed. */
  expire(before: number): Promise<void>;
}

/**
 * Removes whole batches from the front of a log: those older than `ageMs`, those over `bytesMax`, or (`settledByAll`,
 * and in a store without room) all that every group has settled. Rule 31: never at or above a group's cursor, unless
 * `dropUnsettled`: then the groups count what they lose, in a commit before the removal.
 * @returns when the oldest batch that stays will be too old, by the wall clock; 0 when that was not looked at
 */
export async function retain(
  log: QueueLog,
  retention: Retention,
  groups: readonly RetentionGroup[],
  now: { readonly wallMs: number; readonly storeHasRoom: boolean },
): Promise<number> {
  const settled = groups.length === 0 ? log.flushedEnd : Math.min(...groups.map((group) => group.committedCursor));
  const bound = retention.dropUnsettled === true ? log.flushedEnd : settled;
  const ageMs = retention.ageMs ?? Number.POSITIVE_INFINITY;
  const bytesMax = retention.bytesMax ?? Number.POSITIVE_INFINITY;
  const settledGoes = retention.settledByAll === true || !now.storeHasRoom;
  const bySettled = settledGoes && groups.length > 0 ? settled : 0;
  let before: number = log.start;
  let freed = 0;
  let dueMs = 0;
  scan: while (before < bound) {
    const batches = await log.read(before, before === log.start ? 1 : READ_BYTES);
    if (batches.length === 0) break;
    for (const batch of batches) {
      const end = batch.first + batch.count;
      const goes = end <= bySettled || now.wallMs - batch.appendedAtMs > ageMs || log.bytes - freed >= bytesMax;
      if (end > bound || !goes) {
        dueMs = goes ? 0 : batch.appendedAtMs + ageMs;
        break scan;
      }
      before = end;
      freed += storedBytes(batch);
    }
  }
  if (before <= log.start) return dueMs;
  await Promise.all(groups.map((group) => group.expire(before)));
  await log.truncate(before, freed).flushed;
  return dueMs;
}
