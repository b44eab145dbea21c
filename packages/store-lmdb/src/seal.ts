// One record that vouches for all logs and records together. Each of them has a checksum,
// but a damaged page can also hide some of them, or show an older version of the file in which all of them are sound.
import { crc32, textKey } from "./encoding.ts";
import type { Environment } from "./environment.ts";
import { damaged } from "./errors.ts";

const SEAL_KEY = textKey("seal");
/** Checksum, digest, the owner's epoch, which lies in no checksum of its own, and the mark. */
const SEAL_BYTES = 40;

/** Which journal lmdb's data goes on in: named by the owner's epoch, and how many that owner made. */
export interface JournalName {
  readonly epoch: number;
  readonly serial: number;
}
/** Where the journal goes on. */
export interface JournalMark {
  /** Number of the last transaction of which everything is in lmdb. */
  readonly applied: number;
  /** What holds the transactions behind that one; `undefined`: there are none. */
  readonly journal: JournalName | undefined;
}
export const NO_JOURNAL_YET: JournalMark = { applied: 0, journal: undefined };

/**
 * What an entry adds to the digest of all, from the checksum it begins with;
 * mixed, since changes of plain checksums can cancel each other.
 */
export function shareOf(value: Uint8Array): number {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  let mixed = bytes.readUInt32LE(0); // the finalizer of MurmurHash3
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
export const addShare = (digest: number, share: number): number => (digest + share) >>> 0;
export const takeShare = (digest: number, share: number): number => (digest - share) >>> 0;
/** What is not there adds nothing. */
export const NO_SHARE = 0;

/** How many shares of a table's entries are remembered. */
const SHARES_MAX = 20_000;
/**
 * Shares of a table's entries as they were last written, by name:
 * what a transaction replaces need not be read for its share.
 */
export class RecentShares {
  /** Once this half is full it becomes the older one. */
  #newer = new Map<string, number>();
  #older = new Map<string, number>();

  get(name: string): number | undefined {
    return this.#newer.get(name) ?? this.#older.get(name);
  }
  set(name: string, share: number): void {
    if (this.#newer.size >= SHARES_MAX / 2) {
      this.#older = this.#newer;
      this.#newer = new Map();
    }
    this.#newer.set(name, share);
  }
}

/**
 * Within a transaction: from now on this is the digest of everything, under this owner, and where the journal goes on.
 */
export function putSeal(env: Environment, epoch: number, digest: number, { applied, journal }: JournalMark): void {
  const value = Buffer.allocUnsafe(SEAL_BYTES);
  value.writeUInt32LE(digest, 4);
  value.writeDoubleLE(epoch, 8);
  value.writeDoubleLE(applied, 16);
  value.writeDoubleLE(journal?.epoch ?? 0, 24);
  value.writeDoubleLE(journal?.serial ?? 0, 32);
  value.writeUInt32LE(crc32(value.subarray(4), crc32(SEAL_KEY)), 0);
  void env.owner.put(SEAL_KEY, value, epoch);
}
/** @param digest of what can be read @param epoch the stored one of the owner @throws STORE_DAMAGED */
export function checkSeal(env: Environment, epoch: number | undefined, digest: number): JournalMark {
  const found = env.owner.getBinary(SEAL_KEY);
  if (found === undefined) throw damaged("the seal on it is missing");
  const value = Buffer.from(found.buffer, found.byteOffset, found.byteLength);
  if (value.length !== SEAL_BYTES || value.readUInt32LE(0) !== crc32(value.subarray(4), crc32(SEAL_KEY)))
    throw damaged("the seal on it cannot be decoded");
  if (value.readDoubleLE(8) !== epoch)
    throw damaged("its owner's epoch is not the sealed one", { expected: value.readDoubleLE(8), found: epoch ?? null });
  if (value.readUInt32LE(4) !== digest) throw damaged("some records or logs are missing, or older than they should be");
  const serial = value.readDoubleLE(32);
  return {
    applied: value.readDoubleLE(16),
    journal: serial === 0 ? undefined : { epoch: value.readDoubleLE(24), serial },
  };
}
