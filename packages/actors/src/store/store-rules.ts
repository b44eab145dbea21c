// What every store holds to alike, for those who implement the Store contract: which names it takes, which writes make
// sense, what it keeps in reserve.
import { STORE_KEY_BYTES_MAX, type StoreWrite } from "./store.ts";

const PRINTABLE_ASCII = /^[\x20-\x7e]+$/;

/**
 * Whether this can be the key of a record or the name of a log:
 * 1 to {@link STORE_KEY_BYTES_MAX} printable ASCII characters.
 */
export const isStoreKey = (name: unknown): name is string =>
  typeof name === "string" && name.length <= STORE_KEY_BYTES_MAX && PRINTABLE_ASCII.test(name);

/**
 * What of its capacity a store refuses to appends and keeps for records (rule 32), in bytes: 5 %, at least 64 MiB (a
 * quarter of a store too small for that).
 */
export const storeReserveBytes = (capacityBytes: number): number =>
  Math.min(Math.max(capacityBytes * 0.05, 64 * 2 ** 20), capacityBytes / 4);

/**
 * What is wrong with a write whatever the store holds, in words for the `STORE_FAILED`
 * its commit then fails with; `undefined` if nothing is. Whether an append starts at
 * its log's end, and whether there is room, is for the store to check.
 */
export function storeWriteProblem(write: StoreWrite): string | undefined {
  const isRecord = write.kind === "put" || write.kind === "remove";
  const name = isRecord ? write.key : write.log;
  if (!isStoreKey(name))
    return `a ${isRecord ? "key" : "log's name"} must be 1 to ${STORE_KEY_BYTES_MAX} printable ASCII characters, found ${JSON.stringify(name)}`;
  if (write.kind === "append") {
    if (!isWhole(write.first) || !isWhole(write.count) || write.count === 0 || !isWhole(write.first + write.count))
      return `append to log "${write.log}": first must be a whole number and count at least 1, found ${write.first} and ${write.count}`;
    if (!(write.bytes instanceof Uint8Array)) return `append to log "${write.log}": bytes must be a Uint8Array`;
  }
  if (write.kind === "truncate" && !isWhole(write.before))
    return `truncate log "${write.log}": before must be a whole number, found ${write.before}`;
  if (write.kind === "put" && !(write.value instanceof Uint8Array))
    return `put "${write.key}": value must be a Uint8Array`;
  return undefined;
}
const isWhole = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
