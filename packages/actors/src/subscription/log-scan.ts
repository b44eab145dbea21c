import type { QueueLog } from "../log/queue-log.ts";
import type { LogBatch } from "../log/stored-batch.ts";
import { PackedReader } from "../message/packed.ts";
import type { AsideCopy } from "./set-aside.ts";

/** Read at a time: what somebody looks for is kept, the rest is let go before more is read. */
const SCAN_BYTES = 256 * 1024;

/** Hears of each message, in order; `reader` stands at it, and its bytes are the batch's. */
export type SeeMessage = (offset: number, reader: PackedReader, batch: LogBatch) => void;

/**
 * Looks at the messages `from … to − 1` of a log, as far as they are there, and keeps none of them. `rest`: awaited
 * between two reads, so that a long scan lets others have the event loop; what it rejects with ends the scan.
 */
export async function scanLog(
  log: QueueLog,
  from: number,
  to: number,
  see: SeeMessage,
  rest?: () => Promise<void>,
): Promise<void> {
  for (let at = from; at < to; ) {
    if (at > from) await rest?.();
    const batches = await log.read(at, to - at === 1 ? 1 : SCAN_BYTES);
    if (batches.length === 0) return;
    for (const batch of batches) {
      const reader = new PackedReader(batch.messages);
      for (let offset = batch.first; offset < to && reader.next(); offset++)
        if (offset >= from) see(offset, reader, batch);
      at = batch.first + batch.count;
      if (at >= to) return;
    }
  }
}

/** Copies what is wanted of `from … to − 1`, in order: for those who set it aside or deliver it. */
export async function copiesOf(
  log: QueueLog,
  from: number,
  to: number,
  wanted: (offset: number, key: string | null) => boolean,
): Promise<AsideCopy[]> {
  const copies: AsideCopy[] = [];
  await scanLog(log, from, to, (offset, reader, { appendedAtMs }) => {
    if (wanted(offset, reader.key)) copies.push({ offset, appendedAtMs, message: reader.message });
  });
  return copies;
}
