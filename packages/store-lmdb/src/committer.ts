// Commits that were made while a transaction was under way become the next one, until nothing waits.
import { MessagingError } from "@seriatim/actors";
import { CommitQueue } from "./commit-queue.ts";
import { DataWriter } from "./data-writer.ts";
import { lmdbError } from "./errors.ts";
import { Journaling, NOTHING } from "./journaling.ts";
import type { Settings } from "./options.ts";
import type { Room } from "./room.ts";
import type { OpenedFolder, StoreData } from "./store-data.ts";
import { WriteTransaction } from "./write-transaction.ts";

/**
 * For so long commits that nobody waits for are held back for others to go with, ms:
 * a settle soon has the next append's sync to share.
 */
const COMPANY_MS = 5;
/** Once nothing was committed for so long, ms, what the journal holds is written to lmdb, and its memory is free. */
const REST_MS = 1_000;

export class Committer {
  readonly queue: CommitQueue;
  readonly #settings: Settings;
  readonly #room: Room;
  readonly #writer: DataWriter;
  readonly #journaling: Journaling;
  #writing = false;
  /** The timer of commits that wait for others to go with. */
  #company: unknown;
  #rest: unknown;
  #isClosing = false;
  /** Waits for `#writing` to end. */
  readonly #whenIdle: (() => void)[] = [];

  constructor(folder: string, settings: Settings, opened: OpenedFolder, room: Room) {
    this.#settings = settings;
    this.#room = room;
    this.#writer = new DataWriter(folder, settings, opened, room);
    this.#journaling = new Journaling(folder, opened.id, settings, this.#writer, room);
    this.queue = new CommitQueue(settings.transactionBytesMax, (mayWait) => this.#schedule(mayWait));
    if (this.data.untrimmed.size > 0) this.#start();
  }

  /** As of the last transaction. After a failed one it is what was read anew. */
  get data(): StoreData {
    return this.#writer.data;
  }
  /** While the data is read anew after a failed transaction; never rejects. */
  get reopening(): Promise<void> | undefined {
    return this.#writer.reopening;
  }
  /** Why nothing can be read or written any more. */
  get broken(): MessagingError | undefined {
    return this.#writer.broken;
  }
  /** What commits take that are not in lmdb yet, roughly, in bytes. */
  get recentBytes(): number {
    return this.#journaling.cost;
  }
  /** Whether transactions go to the journal. */
  get isJournaling(): boolean {
    return this.#journaling.isInUse;
  }
  /** Until nothing is under way and nothing waits. */
  async idle(): Promise<void> {
    while (this.#writing || !this.queue.isEmpty) {
      if (!this.#writing) this.#start();
      await new Promise<void>((done) => this.#whenIdle.push(done));
    }
  }
  /** Completes everything, with all of it in lmdb, and lets lmdb go. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.idle();
    this.#stopWaiting();
    await this.#journaling.close();
    await this.#closeData();
  }
  /** Drops all that waits, completes what is under way, and lets everything go as it is. */
  async abandon(): Promise<void> {
    this.#isClosing = true;
    this.#stopWaiting();
    this.queue.drop();
    this.data.untrimmed.clear();
    await this.idle();
    this.#stopWaiting();
    await this.#journaling.abandon();
    await this.#closeData();
  }
  async #closeData(): Promise<void> {
    await this.#writer.idle();
    if (this.broken === undefined) await this.data.env.root.close();
  }

  #schedule(mayWait: boolean): void {
    if (this.#writing) return;
    if (mayWait) this.#company ??= this.#settings.runtime.setTimeout(() => this.#start(), COMPANY_MS);
    else this.#start();
  }
  #start(): void {
    this.#stopWaiting();
    if (this.#writing) return;
    this.#writing = true;
    void this.#writeAll();
  }
  #stopWaiting(): void {
    const { runtime } = this.#settings;
    if (this.#company !== undefined) runtime.clearTimeout(this.#company);
    if (this.#rest !== undefined) runtime.clearTimeout(this.#rest);
    this.#company = undefined;
    this.#rest = undefined;
  }

  /** When all events of this turn of the event loop have been handled: what they commit goes into one transaction. */
  #turnEnd(): Promise<void> {
    return new Promise((resolve) => this.#settings.runtime.atTurnEnd(resolve));
  }
  /** Whatever goes wrong, commits that come later have their turn. */
  async #writeAll(): Promise<void> {
    try {
      await this.#writeWhatWaits();
    } catch (error) {
      const failure = lmdbError(error, "the commit failed");
      while (!this.queue.isEmpty) for (const pending of this.queue.take()) this.queue.fail(pending, failure);
    }
    this.#ended();
  }
  async #writeWhatWaits(): Promise<void> {
    for (let isDue = true; ; isDue = false) {
      await this.#turnEnd();
      if (!isDue && !this.queue.isUrgent && !this.#isToTrim) break; // what is left, if anything, may wait
      await this.#prepare();
      const next = this.#nextTransaction();
      if (next !== undefined) await this.#write(next);
      else if (this.#isToTrim) await this.#trim();
      else break;
    }
  }
  #ended(): void {
    this.#writing = false;
    if (!this.queue.isEmpty) this.#schedule(!this.queue.isUrgent);
    else this.#restLater();
    for (const idle of this.#whenIdle.splice(0)) idle();
  }
  #restLater(): void {
    const isNothingToMove = this.recentBytes === 0;
    if (isNothingToMove || this.#writing || this.#rest !== undefined || this.#isClosing) return;
    this.#rest = this.#settings.runtime.setTimeout(async () => {
      this.#rest = undefined;
      await this.#journaling.rest();
      this.#restLater();
    }, REST_MS);
  }

  /** Until what commits refer to can be read, and how much room there is is known. */
  async #prepare(): Promise<void> {
    this.#room.lookAtDisk();
    if (this.#journaling.isToSettle) await this.#journaling.settle().catch(() => {}); // tried again with the transaction, which fails then
    await this.reopening;
  }

  /** The commits that can be made next, as a transaction. */
  #nextTransaction(): WriteTransaction | undefined {
    while (!this.queue.isEmpty) {
      const transaction = new WriteTransaction(this.data, this.#room);
      for (const pending of this.queue.take()) {
        try {
          if (this.broken !== undefined)
            throw new MessagingError("STORE_FAILED", this.broken.message, { cause: this.broken });
          if (pending.writer.failure !== undefined) throw pending.writer.failure;
          transaction.add(pending);
        } catch (error) {
          this.queue.fail(pending, lmdbError(error, "the commit failed"));
        }
      }
      if (!transaction.isEmpty) return transaction;
    }
    return undefined;
  }

  async #write(transaction: WriteTransaction): Promise<void> {
    try {
      if (await this.#journaling.makeRoom(transaction)) {
        await this.#journaling.write(transaction);
        for (const pending of transaction.commits) pending.outcome.flushed();
        await this.#journaling.sync();
      } else await this.#writeToData(transaction);
    } catch (error) {
      const failure = lmdbError(error, `the transaction failed`);
      for (const pending of transaction.commits) this.queue.fail(pending, failure);
      return;
    }
    for (const pending of transaction.commits) pending.outcome.synced();
  }
  /** What is in the journal comes first. */
  async #writeToData(transaction: WriteTransaction): Promise<void> {
    await this.#journaling.settle();
    const { mark } = this.#journaling;
    await this.#writer.write(transaction, transaction.cost, mark, this.#room.isDiskUsable);
    this.#journaling.noteWritten(mark);
  }

  /** Truncated batches are left in lmdb, and nobody else sees to them. */
  get #isToTrim(): boolean {
    const isSeenTo = this.#journaling.isInUse;
    return !isSeenTo && this.broken === undefined && this.#room.isDiskUsable && this.data.untrimmed.size > 0;
  }
  async #trim(): Promise<void> {
    await this.#writer.write(NOTHING, 0, undefined, true).catch(() => this.data.untrimmed.clear());
  }
}
