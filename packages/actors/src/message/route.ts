/**
 * Where a key goes: `key → slot → queue`. A key belongs to a slot for ever; which queue a slot belongs to is the
 * topic's route, which has a version.
 *
 * The hash is published and fixed: MurmurHash3 x86 32-bit (Austin Appleby, 2008, public domain) with seed 0 over the
 * key's UTF-8 bytes, `slot = hash & 4095`. Test vectors are in `route.test.ts`.
 */
export const SLOTS = 4_096;
/** The slot field of a message without a key. */
export const NO_SLOT = 0xffff;

const utf8 = new TextEncoder();

/** Of the first `length` bytes. */
export function murmur3(bytes: Uint8Array, seed = 0, length = bytes.length): number {
  let hash = seed | 0;
  const blocks = length & ~3;
  for (let at = 0; at < blocks; at += 4) {
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    hash ^= mix(word);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let at = length - 1; at >= blocks; at--) tail = (tail << 8) | bytes[at]!;
  if (length > blocks) hash ^= mix(tail);
  hash ^= length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
const mix = (word: number): number => {
  const scaled = Math.imul(word, 0xcc9e2d51);
  return Math.imul((scaled << 15) | (scaled >>> 17), 0x1b873593);
};

/** Short ASCII keys are hashed from here, without an array each. */
const scratch = new Uint8Array(64);

/** The slot of a key, from 0 to 4,095. */
export function slotOf(key: string): number {
  let isPlain = key.length <= scratch.length;
  for (let at = 0; isPlain && at < key.length; at++) {
    const code = key.charCodeAt(at);
    scratch[at] = code;
    isPlain = code < 0x80;
  }
  const hash = isPlain ? murmur3(scratch, 0, key.length) : murmur3(utf8.encode(key));
  return hash & (SLOTS - 1);
}

/**
 * A topic's queues and the slots each of them owns, at one
 * version. Versions only grow; nobody goes back to an older one.
 */
export interface Route {
  readonly topic: string;
  readonly version: number;
  readonly ordered: boolean;
  /** Home broker id of each queue, by queue index. */
  readonly homes: readonly string[];
  /** Runs of slots in order: `[first slot, queue]`; a run ends where the next begins. */
  readonly runs: readonly (readonly [slot: number, queue: number])[];
}
/** Equal shares of the slots, in runs. */
export const evenRuns = (queues: number): Route["runs"] =>
  Array.from({ length: queues }, (_, queue) => [Math.ceil((queue * SLOTS) / queues), queue] as const);

/** The route as a table: the queue of each slot. */
export function slotTable(route: Pick<Route, "runs">): Uint16Array {
  const table = new Uint16Array(SLOTS);
  route.runs.forEach(([first, queue], index) => {
    table.fill(queue, first, route.runs[index + 1]?.[0] ?? SLOTS);
  });
  return table;
}
