// What of the data file is in use. lmdb is asked now and then, since asking costs as much as a small commit;
// in between, what was written counts at its most.
import type { Environment } from "./environment.ts";

/**
 * After how much that was written, in bytes, and after how many transactions and batches removed lmdb is asked again.
 */
const ASK_AFTER = { bytes: 4 * 2 ** 20, changes: 64 };
/**
 * What a transaction may take beside what its writes cost,
 * for the first pages of tables and for lmdb's list of free ones.
 */
const TRANSACTION_BYTES = 4 * 4_096;
/** How many times its cost a write may take: pages that were split are half empty. */
export const COST_FACTOR = 2;

interface Pages {
  readonly inUse: number;
  readonly reusable: number;
}
function pagesOf(env: Environment): Pages {
  interface Table {
    readonly pageSize: number;
    readonly treeBranchPageCount: number;
    readonly treeLeafPageCount: number;
    readonly overflowPages: number;
  }
  const bytesOf = (table: Table) =>
    (table.treeBranchPageCount + table.treeLeafPageCount + table.overflowPages) * table.pageSize;
  const batches = env.batches.getStats() as Table & {
    readonly root: Table;
    readonly free: Table;
    readonly lastPageNumber: number;
  };
  const inUse = [
    batches,
    batches.root,
    batches.free,
    env.records.getStats() as Table,
    env.logs.getStats() as Table,
  ].reduce((sum, table) => sum + bytesOf(table), 0);
  return { inUse, reusable: Math.max(0, (batches.lastPageNumber + 1) * batches.pageSize - inUse) };
}

export class FileUse {
  readonly #env: Environment;
  #pages: Pages;
  /** The most that was taken since lmdb was asked. */
  #takenSince = 0;
  #changesSince = 0;

  constructor(env: Environment) {
    this.#env = env;
    this.#pages = pagesOf(env);
  }

  /** Of all pages in use, of the data and of lmdb's own tables; rather more than less. */
  get bytes(): number {
    return this.#pages.inUse + this.#takenSince;
  }
  /** Of the file's other pages; rather less than more. */
  get reusableBytes(): number {
    return Math.max(0, this.#pages.reusable - this.#takenSince);
  }

  /** Notes a transaction that is on the disk, with what its writes cost and how many batches it removed. */
  noteWritten(cost: number, removed: number): void {
    this.#takenSince += cost * COST_FACTOR + TRANSACTION_BYTES;
    this.#changesSince += 1 + removed;
    if (this.#takenSince >= ASK_AFTER.bytes || this.#changesSince >= ASK_AFTER.changes) this.ask();
  }
  /** Makes what is known exact. */
  ask(): void {
    if (this.#changesSince === 0) return;
    this.#pages = pagesOf(this.#env);
    this.#takenSince = 0;
    this.#changesSince = 0;
  }
}
