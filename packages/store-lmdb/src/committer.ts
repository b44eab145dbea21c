// Commits that were made while a transaction was under way become the next one, until nothing waits.
import { MessagingError } from "@seriatim/actors";
import { ChangesEncoder } from "./changes.ts";
import { CommitQueue } from "./commit-queue.ts";
import { causeOf, lmdbError, ownerLost } from "./errors.ts";
import { type OpenedFolder, reopenFolder, type StoreData } from "./open-folder.ts";
import type { Settings } from "./options.ts";
import type { Room } from "./room.ts";
import { WriteTransaction } from "./write-transaction.ts";

/** For so long commits that nobody waits for are held back for others to go with, ms: a settle soon has the next append's sync to share. */
const COMPANY_MS = 5;

export class Committer {
  readonly queue: CommitQueue;
  readonly #folder: string;
  readonly #settings: Settings;
  readonly #room: Room;
  readonly #ownerEpoch: number;
  #data: StoreData;
  /** Its buffer is used again for the next transaction, once lmdb is done with this one. */
  #encoder = new ChangesEncoder();
  #writing = false;
  /** The timer of commits that wait for others to go with. */
  #company: unknown;
  /** Waits for `#writing` to end. */
  readonly #whenIdle: (() => void)[] = [];
  #reopening: Promise<void> | undefined;
  #broken: MessagingError | undefined;

  constructor(folder: string, settings: Settings, opened: OpenedFolder, room: Room) {
    this.#folder = folder;
    this.#settings = settings;
    this.#room = room;
    this.#ownerEpoch = opened.epoch;
    this.#data = opened.data;
    this.queue = new CommitQueue(settings.transactionBytesMax, (mayWait) => this.#schedule(mayWait));
    if (this.#data.untrimmed.size > 0) this.#start();
  }

  /** As of the last transaction. After a failed one it is what was read anew. */
  get data(): StoreData {
    return this.#data;
  }
  /** While the data is read anew after a failed transaction; never rejects. */
  get reopening(): Promise<void> | undefined {
    return this.#reopening;
  }
  /** Why nothing can be read or written any more. */
  get broken(): MessagingError | undefined {
    return this.#broken;
  }
  /** Until nothing is under way and nothing waits. */
  async idle(): Promise<void> {
    while (this.#writing || !this.queue.isEmpty) {
      if (!this.#writing) this.#start();
      await new Promise<void>((done) => this.#whenIdle.push(done));
    }
  }
  /** Drops all that waits, so that only the transaction under way is completed. */
  drop(): void {
    this.#stopWaiting();
    this.queue.drop();
    this.#data.untrimmed.clear();
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
    if (this.#company !== undefined) this.#settings.runtime.clearTimeout(this.#company);
    this.#company = undefined;
  }

  /** When all events of this turn of the event loop have been handled: what they commit goes into one transaction. */
  #turnEnd(): Promise<void> {
    return new Promise((resolve) => this.#settings.runtime.atTurnEnd(resolve));
  }
  async #writeAll(): Promise<void> {
    for (let isDue = true; ; isDue = false) {
      await this.#turnEnd();
      if (!isDue && !this.queue.isUrgent && this.#data.untrimmed.size === 0) break; // what is left, if anything, may wait
      const next = this.#nextTransaction();
      if (next === undefined) break;
      try {
        await this.#write(next);
      } catch (error) {
        this.#broken = lmdbError(error, `the store in "${this.#folder}" cannot go on`);
        this.#fail(next, this.#broken);
      }
    }
    this.#writing = false;
    if (!this.queue.isEmpty) this.#schedule(true);
    for (const idle of this.#whenIdle.splice(0)) idle();
  }

  /** What the next transaction does: commits that can be made, and some cleaning up. */
  #nextTransaction(): WriteTransaction | undefined {
    while (true) {
      const transaction = new WriteTransaction(this.#data, this.#room);
      this.#room.lookAtDisk();
      for (const pending of this.queue.take()) {
        try {
          if (this.#broken !== undefined)
            throw new MessagingError("STORE_FAILED", this.#broken.message, { cause: this.#broken });
          if (pending.writer.failure !== undefined) throw pending.writer.failure;
          transaction.add(pending);
        } catch (error) {
          this.queue.fail(pending, lmdbError(error, "the commit failed"));
        }
      }
      if (this.#broken === undefined && this.#room.isDiskUsable) transaction.addTrims();
      if (!transaction.isEmpty) return transaction;
      if (this.queue.isEmpty) return undefined;
    }
  }

  async #write(transaction: WriteTransaction): Promise<void> {
    const puts = this.#encoder.encode(transaction);
    let isOwner: boolean;
    try {
      isOwner = await transaction.write(puts, this.#ownerEpoch);
    } catch (error) {
      await this.#startAnew(transaction, await causeOf(error));
      return;
    }
    if (!isOwner) {
      this.#data.untrimmed.clear();
      this.#fail(transaction, ownerLost(this.#folder, this.#ownerEpoch, undefined));
      return;
    }
    transaction.noteWritten(puts);
    for (const pending of transaction.commits) pending.resolve();
  }

  /** After a failed transaction: its commits fail, and reads wait until the data was read anew. */
  async #startAnew(failed: WriteTransaction, cause: unknown): Promise<void> {
    this.#encoder = new ChangesEncoder(); // lmdb may not be done with the other's buffer
    this.#reopening = this.#reopen(cause);
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#fail(failed, new MessagingError("STORE_FAILED", `the transaction failed: ${reason}`, { cause }));
    await this.#reopening;
    this.#reopening = undefined;
  }
  async #reopen(cause: unknown): Promise<void> {
    try {
      this.#data = await reopenFolder(this.#folder, this.#settings, this.#data.env);
    } catch (error) {
      const { code, message } = lmdbError(error, "reading it anew"); // damage stays damage: trying again does not help
      this.#broken = new MessagingError(
        code,
        `the store in "${this.#folder}" cannot go on after a failed transaction: ${message}`,
        { cause: new AggregateError([cause, error]) },
      );
    }
  }

  #fail(transaction: WriteTransaction, error: MessagingError): void {
    for (const pending of transaction.commits) this.queue.fail(pending, error);
  }
}
