import { MessagingError } from "../message/errors.ts";
import { newerThanKnown } from "./records.ts";

/**
 * An appended batch as it is stored and kept in memory: when it was taken, under which version of the route, and its
 * packed messages. Little-endian: 1 byte layout (1), 8 bytes float64 ms since 1970, 4 bytes route version, then the
 * messages.
 */
export interface LogBatch {
  readonly first: number;
  readonly count: number;
  readonly appendedAtMs: number;
  readonly messages: Uint8Array;
}
const LAYOUT = 1;
const HEADER = 13;
/** Bytes of a batch as it is stored. */
export const storedBytes = (batch: LogBatch): number => HEADER + batch.messages.length;

/** One for all batches: a view of its own for each costs more than to copy these few bytes. */
const header = new Uint8Array(HEADER);
const headerView = new DataView(header.buffer);
header[0] = LAYOUT;

export function encodeBatch(appendedAtMs: number, routeVersion: number, messages: readonly Uint8Array[]): Uint8Array {
  let length = HEADER;
  for (const part of messages) length += part.length;
  const bytes = new Uint8Array(length);
  headerView.setFloat64(1, appendedAtMs, true);
  headerView.setUint32(9, routeVersion, true);
  bytes.set(header);
  let at = HEADER;
  for (const part of messages) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
/** The messages of what `encodeBatch` made. */
export const messagesOf = (stored: Uint8Array): Uint8Array => stored.subarray(HEADER);
/** @throws `STORE_DAMAGED`; `FORMAT_UNSUPPORTED` for the layout of a newer version */
export function decodeBatch(
  log: string,
  stored: { readonly first: number; readonly count: number; readonly bytes: Uint8Array },
): LogBatch {
  const { first, count, bytes } = stored;
  if (bytes.length > 0 && bytes[0]! > LAYOUT)
    throw newerThanKnown(`batch ${first} of log "${log}"`, `layout ${bytes[0]}`, { log, first });
  if (bytes.length < HEADER || bytes[0] !== LAYOUT)
    throw new MessagingError(
      "STORE_DAMAGED",
      `batch ${first} of log "${log}" has layout ${bytes[0]}, expected ${LAYOUT}: restore the data from a copy`,
      {
        data: { log, first },
      },
    );
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { first, count, appendedAtMs: view.getFloat64(1, true), messages: messagesOf(bytes) };
}
