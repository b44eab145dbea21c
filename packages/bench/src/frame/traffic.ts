import { open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";

/** What a message takes of the machine besides CPU; only what can be told (on Linux). */
export interface Traffic {
  /** Bytes that the producer wrote to sockets and read from them. */
  readonly producerBytes?: number;
  readonly consumerBytes?: number;
  /** Bytes that the machine wrote to its disks while the broker was at work, in whole sectors. */
  readonly diskBytes?: number;
  /** Transactions of the broker's store, each synced before the next: of the journal, and of lmdb itself. */
  readonly transactions?: number;
}
type Totals = Readonly<Record<keyof Traffic, number>>;
export interface Processes {
  readonly folder: string;
  readonly producer: number | undefined;
  readonly consumers: readonly (number | undefined)[];
  /** Absent where it is not ours. */
  readonly broker: number | undefined;
}
/** Totals so far; NaN is what nobody can tell. */
export async function trafficOf({ folder, producer, consumers, broker }: Processes): Promise<Totals> {
  const handling = await Promise.all(consumers.map(inputOutputOf));
  return {
    producerBytes: crossed(await inputOutputOf(producer)),
    consumerBytes: handling.map(crossed).reduce((sum, bytes) => sum + bytes, 0),
    diskBytes: broker === undefined ? Number.NaN : await writtenToDisks(),
    transactions: (await transactionsIn(join(folder, "data.mdb"))) + (await journaledIn(folder)),
  };
}
/** What each message took between two readings; leaves out what nobody can tell. */
export function trafficPerMessage(from: Totals, to: Totals, messages: number): Traffic {
  const entries = (Object.keys(from) as (keyof Traffic)[]).map((name) => [name, (to[name] - from[name]) / messages]);
  return Object.fromEntries(entries.filter(([, value]) => !Number.isNaN(value)));
}
interface InputOutput {
  /** Through any file descriptor. */
  readonly read: number;
  readonly sent: number;
}
/**
 * Sockets are read and written by the same calls as files,
 * so this is what crossed them in a process that works on no files.
 */
const crossed = (io: InputOutput | undefined): number => (io === undefined ? Number.NaN : io.read + io.sent);

async function inputOutputOf(pid: number | undefined): Promise<InputOutput | undefined> {
  const text = await readFile(`/proc/${pid}/io`, "utf8").catch(() => "");
  const bytes = (name: string): number => Number(new RegExp(`^${name}: (\\d+)`, "m").exec(text)?.[1]);
  const io = { read: bytes("rchar"), sent: bytes("wchar") };
  return Object.values(io).some(Number.isNaN) ? undefined : io;
}
/**
 * A disk of the machine in /proc/diskstats, with the sectors of 512 bytes that were written to it;
 * partitions and what lies in memory left out.
 */
const DISK = /^ *\d+ +\d+ (?:[shv]d[a-z]+|xvd[a-z]+|nvme\d+n\d+|mmcblk\d+)(?: +\d+){6} +(\d+) /gm;
/** The system's own count per process takes all pages of a part of the page cache for written when one of them is. */
async function writtenToDisks(): Promise<number> {
  const text = await readFile("/proc/diskstats", "utf8").catch(() => "");
  const sectors = [...text.matchAll(DISK)].map(([, written]) => Number(written));
  return sectors.length === 0 ? Number.NaN : sectors.reduce((sum, each) => sum + each, 0) * 512;
}
/**
 * Where lmdb-js 3 keeps the page size, and the number of a meta page's transaction;
 * there are two such pages, and the larger number is the newest.
 */
const PAGE_SIZE_AT = 48;
const TRANSACTION_AT = 152;
const META_BYTES = 160;

/** @returns transactions that an LMDB data file has seen, or NaN where there is none */
async function transactionsIn(path: string): Promise<number> {
  try {
    const file = await open(path);
    try {
      const metaAt = async (at: number): Promise<Buffer> =>
        (await file.read(Buffer.alloc(META_BYTES), 0, META_BYTES, at)).buffer;
      const first = await metaAt(0);
      const second = await metaAt(first.readUInt32LE(PAGE_SIZE_AT));
      return Math.max(...[first, second].map((meta) => Number(meta.readBigUInt64LE(TRANSACTION_AT))));
    } finally {
      await file.close();
    }
  } catch {
    return Number.NaN;
  }
}

/**
 * How the store's journal begins each transaction (see its `journal-format.ts`):
 * at a sector of its own, a checksum over what follows, which is its length, its number and more.
 */
const SECTOR_BYTES = 512;
const NUMBER_AT = 8;
const HEADER_BYTES = 24;
/** @returns transactions that the journal in a data folder has seen */
async function journaledIn(folder: string): Promise<number> {
  try {
    const { id } = JSON.parse(await readFile(join(folder, "store.json"), "utf8")) as { id: string };
    let newest = 0;
    for (const name of await readdir(folder)) {
      const [, epoch, serial] = /^journal-(\d+)-(\d+)\.[01]$/.exec(name) ?? [];
      if (epoch === undefined) continue;
      const identity = crc32(`${id} ${epoch} ${serial}`);
      const file = await readFile(join(folder, name));
      for (let at = SECTOR_BYTES; at < file.length; at += SECTOR_BYTES)
        if (file.readUInt32LE(at) === crc32(file.subarray(at + 4, at + HEADER_BYTES), identity))
          newest = Math.max(newest, file.readDoubleLE(at + NUMBER_AT));
    }
    return newest;
  } catch {
    return Number.NaN;
  }
}
