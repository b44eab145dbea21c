// How much may still be written: the capacity, its reserve for records, and what the disk has left.
import { MessagingError, type Runtime } from "@seriatim/actors";
import { type StoreUsage, storeReserveBytes } from "@seriatim/actors/store";
import { freeBytesOf } from "./data-folder.ts";
import { COST_FACTOR, type FileUse } from "./file-use.ts";

/**
 * Free bytes, of the disk and within the file, below which appends and new records are refused,
 * and of the disk alone below which everything is. lmdb must never find the disk full: in 3.5.6
 * the text of a write error is longer than the memory made for it, which may end the process.
 */
export const FREE_FLOOR = { append: 32 * 2 ** 20, record: 8 * 2 ** 20, disk: 2 ** 20 };
/** For how long what is known of the disk is good enough to answer `usage`. */
const DISK_CHECK_MS = 250;
/**
 * For how long what is known of a disk with this much free is good enough to write:
 * nobody writes that much in this time.
 */
const PLENTY = { bytes: 2 ** 30, forMs: 25 };
/**
 * With less room than this left, what the file uses is known exactly after each transaction;
 * several times what may be written before lmdb is asked anyway.
 */
const NEARLY_FULL_BYTES = 16 * 2 ** 20;
/**
 * For `isPlenty`: what is in both files of a journal may take twice
 * as much in lmdb's pages, and as much again may be on its way.
 */
const PLENTY_TIMES = 6;

export class Room {
  readonly #folder: string;
  readonly #capacityBytes: number;
  /** The capacity without the reserve. */
  readonly #appendsMax: number;
  readonly #runtime: Runtime;
  /** Of the disk, as of `#freeAt`. */
  #freeBytes = 0;
  #freeAt = Number.NEGATIVE_INFINITY;

  constructor(folder: string, capacityBytes: number, runtime: Runtime) {
    this.#folder = folder;
    this.#capacityBytes = capacityBytes;
    this.#appendsMax = capacityBytes - storeReserveBytes(capacityBytes);
    this.#runtime = runtime;
  }

  /** To be called before each transaction: notes how much of the disk is free. */
  lookAtDisk(): void {
    this.#lookAtDisk(this.#freeBytes >= PLENTY.bytes ? PLENTY.forMs : 0);
  }
  /** Unless what is known is younger than `ageMs`. */
  #lookAtDisk(ageMs: number): void {
    const now = this.#runtime.now();
    if (now - this.#freeAt < ageMs) return;
    this.#freeBytes = freeBytesOf(this.#folder);
    this.#freeAt = now;
  }
  /** Whether the disk had room for any transaction at all when it was last looked at. */
  get isDiskUsable(): boolean {
    return this.#freeBytes >= FREE_FLOOR.disk;
  }

  /** Whether there is so much room, in the capacity and on the disk, that a few times `bytes` more change nothing. */
  isPlenty(file: FileUse, bytes: number): boolean {
    return this.#left(file) - bytes * PLENTY_TIMES > NEARLY_FULL_BYTES;
  }
  /** Whether the disk has room for a transaction that costs so much. */
  canTake(file: FileUse, cost: number): boolean {
    return this.#freeBytes + file.reusableBytes - cost * COST_FACTOR > FREE_FLOOR.disk;
  }

  /**
   * @param recentBytes what commits have added that is not in lmdb yet
   * @param waitingBytes what commits that wait will add
   */
  usage(file: FileUse, recentBytes: number, waitingBytes: number): StoreUsage {
    this.#lookAtDisk(DISK_CHECK_MS);
    return {
      usedBytes: Math.min(file.bytes + recentBytes, this.#capacityBytes),
      capacityBytes: this.#capacityBytes,
      hasRoom: this.#left(file) > recentBytes + waitingBytes,
    };
  }
  /** Notes a transaction that is on the disk, with what its writes cost and how many batches it removed. */
  noteWritten(file: FileUse, cost: number, removed: number): void {
    file.noteWritten(cost, removed);
    if (this.#left(file) < NEARLY_FULL_BYTES) file.ask();
  }
  /** For appends, in bytes. */
  #left(file: FileUse): number {
    return Math.min(this.#appendsMax - file.bytes, this.#freeBytes + file.reusableBytes - FREE_FLOOR.append);
  }

  // In what follows, `cost` is what the transaction takes, in bytes, with what is asked about.
  // Nothing is refused because of what the file uses at most.

  /** @throws STORE_FULL */
  checkDisk(cost: number): void {
    if (this.#freeBytes - cost < FREE_FLOOR.disk) throw this.#diskFull();
  }
  /** @throws STORE_FULL */
  checkAppend(file: FileUse, cost: number): void {
    const isFull = () => file.bytes + cost > this.#appendsMax;
    const isDiskFull = () => this.#freeBytes + file.reusableBytes - cost < FREE_FLOOR.append;
    if (isFull() || isDiskFull()) file.ask();
    if (isFull()) throw this.#full(file);
    if (isDiskFull()) throw this.#diskFull();
    this.checkDisk(cost);
  }
  /**
   * The reserve is for records, but when that is used up too only those that are there already may change.
   * @throws STORE_FULL
   */
  checkPut(file: FileUse, cost: number, isStored: () => boolean): void {
    const isFull = () => file.bytes + cost > this.#capacityBytes;
    const isDiskFull = () => this.#freeBytes + file.reusableBytes - cost < FREE_FLOOR.record;
    if (isFull() || isDiskFull()) file.ask();
    if (isFull() && !isStored()) throw this.#full(file);
    if (isDiskFull() && !isStored()) throw this.#diskFull();
    this.checkDisk(cost);
  }

  #full(file: FileUse): MessagingError {
    const data = { usedBytes: file.bytes, capacityBytes: this.#capacityBytes };
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
