// How much may still be written: the capacity, its reserve for records, and what the disk has left.
import { MessagingError, type Runtime, type StoreUsage, storeReserveBytes } from "@seriatim/actors";
import { freeBytesOf } from "./data-folder.ts";
import type { Environment } from "./environment.ts";

/**
 * Free bytes, of the disk and within the file, below which appends and new records are refused, and of the disk alone below which everything is.
 * lmdb must never find the disk full: in 3.5.6 the text of a write error is longer than the memory made for it, which may end the process.
 */
export const FREE_FLOOR = { append: 32 * 2 ** 20, record: 8 * 2 ** 20, disk: 2 ** 20 };
/** For how long what was known of the disk is good enough to answer `usage`. */
const DISK_CHECK_MS = 250;

export interface PagesInUse {
  /** Of all pages in use, of the data and of lmdb's own tables. */
  readonly bytes: number;
  /** Of the file's other pages. */
  readonly reusable: number;
}
export function pagesInUse(env: Environment): PagesInUse {
  interface Pages {
    readonly pageSize: number;
    readonly treeBranchPageCount: number;
    readonly treeLeafPageCount: number;
    readonly overflowPages: number;
  }
  const bytesOf = (pages: Pages) =>
    (pages.treeBranchPageCount + pages.treeLeafPageCount + pages.overflowPages) * pages.pageSize;
  const batches = env.batches.getStats() as Pages & {
    readonly root: Pages;
    readonly free: Pages;
    readonly lastPageNumber: number;
  };
  const bytes = [
    batches,
    batches.root,
    batches.free,
    env.records.getStats() as Pages,
    env.logs.getStats() as Pages,
  ].reduce((sum, pages) => sum + bytesOf(pages), 0);
  return { bytes, reusable: Math.max(0, (batches.lastPageNumber + 1) * batches.pageSize - bytes) };
}

export class Room {
  readonly #folder: string;
  readonly #capacityBytes: number;
  readonly #runtime: Runtime;
  /** Of the disk, as of `#freeAt`. */
  #freeBytes = 0;
  #freeAt = Number.NEGATIVE_INFINITY;

  constructor(folder: string, capacityBytes: number, runtime: Runtime) {
    this.#folder = folder;
    this.#capacityBytes = capacityBytes;
    this.#runtime = runtime;
  }

  /** Notes how much of the disk is free, unless that is known since less than `ageMs`. */
  lookAtDisk(ageMs: number): void {
    const now = this.#runtime.now();
    if (now - this.#freeAt < ageMs) return;
    this.#freeBytes = freeBytesOf(this.#folder);
    this.#freeAt = now;
  }
  /** Whether the disk had room for any transaction at all when it was last looked at. */
  get isDiskUsable(): boolean {
    return this.#freeBytes >= FREE_FLOOR.disk;
  }

  /** @param waitingBytes what commits that wait will add */
  usage(used: PagesInUse, waitingBytes: number): StoreUsage {
    this.lookAtDisk(DISK_CHECK_MS);
    const capacityBytes = this.#capacityBytes;
    const hasRoom =
      used.bytes + waitingBytes < capacityBytes - storeReserveBytes(capacityBytes) &&
      this.#freeBytes + used.reusable - waitingBytes > FREE_FLOOR.append;
    return { usedBytes: used.bytes, capacityBytes, hasRoom };
  }

  // In what follows, `cost` is what the transaction takes, in bytes, with what is asked about.

  /** @throws STORE_FULL */
  checkDisk(cost: number): void {
    if (this.#freeBytes - cost < FREE_FLOOR.disk) throw this.#diskFull();
  }
  /** @throws STORE_FULL */
  checkAppend(used: PagesInUse, cost: number): void {
    if (used.bytes + cost > this.#capacityBytes - storeReserveBytes(this.#capacityBytes)) throw this.#full(used);
    if (this.#freeBytes + used.reusable - cost < FREE_FLOOR.append) throw this.#diskFull();
    this.checkDisk(cost);
  }
  /** The reserve is for records, but when that is used up too only those that are there already may change. @throws STORE_FULL */
  checkPut(used: PagesInUse, cost: number, isStored: () => boolean): void {
    if (used.bytes + cost > this.#capacityBytes && !isStored()) throw this.#full(used);
    if (this.#freeBytes + used.reusable - cost < FREE_FLOOR.record && !isStored()) throw this.#diskFull();
    this.checkDisk(cost);
  }

  #full(used: PagesInUse): MessagingError {
    const data = { usedBytes: used.bytes, capacityBytes: this.#capacityBytes };
    return new MessagingError(
      "STORE_FULL",
      `the store holds ${data.usedBytes} of ${data.capacityBytes} bytes and the rest is reserved`,
      { data },
    );
  }

  #diskFull(): MessagingError {
    const data = { freeBytes: this.#freeBytes };
    return new MessagingError(
      "STORE_FULL",
      `the disk of the data folder "${this.#folder}" is full: ${data.freeBytes} bytes are free`,
      { data },
    );
  }
}
