// What can be said about lmdb's data file before lmdb maps it:
// a map of a file that is too short kills the process on first touch.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { damaged } from "./errors.ts";

/**
 * `missing`: there is nothing yet. `whole`: both meta pages are sound, the newer one names a root of
 * its own transaction, and every page they count is there. `short`: pages at the end are not there,
 * which happens when they were free and also when the file was cut; only reading everything tells.
 */
export type DataFile = { readonly state: "missing" | "whole" } | { readonly state: "short"; readonly bytes: number };

const MAGIC = 0xbeefc0de;
/**
 * Layout of lmdb-js 3: a page's header, then the meta:
 * magic, version, address, map size, two tables of 48 bytes, last page, transaction.
 */
const HEADER_BYTES = 24;
const META = {
  magic: 0,
  version: 4,
  mapSize: 16,
  pageSize: 24,
  freeRoot: 64,
  root: 112,
  lastPage: 120,
  transaction: 128,
  bytes: 136,
};
/**
 * A page begins with its own number, the transaction that wrote it,
 * what it is, and where its free space begins and ends.
 */
const HEADER = { page: 0, transaction: 8, flags: 18, lower: 20, upper: 22 };
const BRANCH = 1;
const LEAF = 2;
const NO_PAGE = 2n ** 64n - 1n;

/** @throws STORE_DAMAGED */
export function inspectDataFile(path: string): DataFile {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { state: "missing" };
    throw error;
  }
  try {
    const { size } = fstatSync(file);
    if (size === 0) return { state: "missing" };
    const first = readMeta(file, path, 0);
    const pageSize = first.readUInt32LE(META.pageSize);
    if (pageSize < 512 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0)
      throw damaged("the page size makes no sense", { path, pageSize });
    const second = readMeta(file, path, pageSize);
    const [a, b] = [first.readBigUInt64LE(META.transaction), second.readBigUInt64LE(META.transaction)];
    // Transaction n writes meta page n % 2, so the two are neighbours;
    // else one was lost, and with it what was committed last.
    const neighbours = (a === 0n && b === 0n) || ((a - b === 1n || b - a === 1n) && a % 2n === 0n);
    if (!neighbours)
      throw damaged("the two meta pages do not belong together", { path, transactions: [String(a), String(b)] });
    const [newer, older] = a > b ? [first, second] : [second, first];
    checkRoots(file, path, newer, pageSize);
    const lastPage = newer.readBigUInt64LE(META.lastPage);
    const bytes = Number(lastPage + 1n) * pageSize;
    if (bytes > newer.readBigUInt64LE(META.mapSize) || lastPage < older.readBigUInt64LE(META.lastPage))
      throw damaged("the number of pages makes no sense", { path, lastPage: String(lastPage) });
    return size < bytes ? { state: "short", bytes } : { state: "whole" };
  } finally {
    closeSync(file);
  }
}

function readMeta(file: number, path: string, at: number): Buffer {
  const meta = Buffer.alloc(META.bytes);
  const read = readSync(file, meta, 0, META.bytes, at + HEADER_BYTES);
  if (read < META.bytes) throw damaged("the data file ends within its meta pages", { path });
  if (meta.readUInt32LE(META.magic) !== MAGIC) throw damaged("a meta page of the data file is not one", { path, at });
  if ((meta.readUInt32LE(META.version) & 0xffff) !== 2)
    throw damaged("the data file has an unknown version", { path, at });
  return meta;
}

/**
 * Every transaction writes the root of all tables anew, so one that is older or newer than its meta page shows that
 * one of the two is not what it was. Only the newer meta page can be held to it: the roots of the older one are free
 * for the transaction that was under way when the process died or its disk failed. So one flipped bit remains that
 * nothing shows: where the newer page's transaction n reads n - 2, the state before it is taken for the newest.
 */
function checkRoots(file: number, path: string, meta: Buffer, pageSize: number): void {
  const transaction = meta.readBigUInt64LE(META.transaction);
  const root = meta.readBigUInt64LE(META.root);
  if ((root === NO_PAGE) !== (transaction === 0n)) throw damaged("a meta page does not name its root", { path });
  for (const number of [root, meta.readBigUInt64LE(META.freeRoot)]) {
    if (number === NO_PAGE) continue;
    const at = number * BigInt(pageSize);
    const page = Buffer.alloc(pageSize);
    const read = at < 2n ** 62n ? readSync(file, page, 0, pageSize, at) : 0;
    const written = page.readBigUInt64LE(HEADER.transaction);
    const isRight =
      read === pageSize &&
      page.readBigUInt64LE(HEADER.page) === number &&
      (number === root ? written === transaction && isSound(page) : written <= transaction);
    if (!isRight)
      throw damaged("a meta page and the root it names do not belong together", { path, page: `${number}` });
  }
}
/** Whether a leaf's free space ends where its entries begin: the next write to it would go over them. */
function isSound(page: Buffer): boolean {
  const flags = page.readUInt16LE(HEADER.flags);
  if (flags !== LEAF) return flags === BRANCH;
  let first = page.length - HEADER_BYTES;
  const lower = page.readUInt16LE(HEADER.lower);
  if (lower > first) return false;
  for (let at = 0; at < lower; at += 2) first = Math.min(first, page.readUInt16LE(HEADER_BYTES + at));
  return first === page.readUInt16LE(HEADER.upper);
}
