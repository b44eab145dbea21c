import { PackedReader } from "../message/packed.ts";
import type { QueueLog } from "./queue-log.ts";
import type { AsideCopy } from "./set-aside.ts";

const SCAN_BYTES = 1024 * 1024;

/** Reads `from … to − 1` of a log and copies what is wanted, in order. */
export async function copiesOf(
  log: QueueLog,
  from: number,
  to: number,
  wanted: (offset: number, key: string | null) => boolean,
): Promise<AsideCopy[]> {
  const copies: AsideCopy[] = [];
  for (let at = from; at < to; ) {
    const batches = await log.read(at, SCAN_BYTES);
    if (batches.length === 0) break;
    for (const batch of batches) {
      const reader = new PackedReader(batch.messages);
      for (let offset = batch.first; reader.next(); offset++) {
        if (offset < from || offset >= to || !wanted(offset, reader.key)) continue;
        copies.push({ offset, appendedAtMs: batch.appendedAtMs, message: reader.message });
      }
      at = batch.first + batch.count;
      if (at >= to) break;
    }
  }
  return copies;
}
