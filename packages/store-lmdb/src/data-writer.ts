// All that is written to lmdb: one transaction after another, and the data read anew when one has failed.
import { MessagingError } from "@seriatim/actors";
import { type Changes, ChangesEncoder, type Puts } from "./changes.ts";
import { encodeLog } from "./encoding.ts";
import { causeOf, lmdbError, ownerLost } from "./errors.ts";
import type { Settings } from "./options.ts";
import { putPassport, writeAsOwner } from "./ownership.ts";
import type { Passport } from "./passport.ts";
import type { Room } from "./room.ts";
import { addShare, type JournalMark, NO_SHARE, putSeal, shareOf, takeShare } from "./seal.ts";
import { type OpenedFolder, reopenFolder, type StoreData } from "./store-data.ts";
import { NO_TRIMS, nextTrims, type Trims } from "./trims.ts";

export class DataWriter {
  readonly ownerEpoch: number;
  readonly #folder: string;
  readonly #settings: Settings;
  readonly #room: Room;
  #data: StoreData;
  /** Its buffer is used again for the next transaction, once lmdb is done with this one. */
  #encoder = new ChangesEncoder();
  #last: Promise<unknown> = Promise.resolve();
  #reopening: Promise<void> | undefined;
  #broken: MessagingError | undefined;

  constructor(folder: string, settings: Settings, opened: Pick<OpenedFolder, "data" | "epoch">, room: Room) {
    this.#folder = folder;
    this.#settings = settings;
    this.#room = room;
    this.ownerEpoch = opened.epoch;
    this.#data = opened.data;
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
  /** Until no transaction is under way. */
  async idle(): Promise<void> {
    await this.#last;
  }

  /**
   * Writes all changes in one transaction, cleans up on the way,
   * and notes where the journal goes on (where it did, without a mark); on the disk when it resolves.
   * @param cost of the changes, in bytes
   * @param isTrimming whether to clean up, for which there should be room on the disk
   * @param passport what the data says of its format from then on
   * @throws STORE_IN_USE (nothing was written), STORE_FAILED (what was
   * written is unknown until the data has been read anew), STORE_DAMAGED
   */
  write(
    changes: Changes,
    cost: number,
    mark: JournalMark | undefined,
    isTrimming: boolean,
    passport?: Passport,
  ): Promise<void> {
    const written = this.#last.then(() => this.#write(changes, cost, mark, isTrimming, passport));
    this.#last = written.catch(() => {});
    return written;
  }

  async #write(
    changes: Changes,
    cost: number,
    newMark: JournalMark | undefined,
    isTrimming: boolean,
    passport: Passport | undefined,
  ): Promise<void> {
    if (this.#broken !== undefined)
      throw new MessagingError("STORE_FAILED", this.#broken.message, { cause: this.#broken });
    const { env } = this.#data;
    const mark = newMark ?? this.#data.mark;
    const trims = isTrimming ? this.#trims(changes) : NO_TRIMS;
    const puts = this.#encoder.encode(changes);
    const digest = this.#digestWith(puts);
    let isOwner: boolean;
    try {
      isOwner = await writeAsOwner(env, this.ownerEpoch, () => {
        if (digest !== this.#data.digest || !isSame(mark, this.#data.mark)) putSeal(env, this.ownerEpoch, digest, mark);
        if (passport !== undefined) putPassport(env, this.ownerEpoch, passport);
        for (const key of trims.keys) void env.batches.remove(key);
        for (const { key, value } of puts.batches) void env.batches.put(key, value);
        for (const { key, value } of puts.records)
          void (value === undefined ? env.records.remove(key) : env.records.put(key, value));
        for (const { key, value } of puts.logs) void env.logs.put(key, value);
      });
    } catch (error) {
      throw await this.#startAnew(await causeOf(error));
    }
    if (!isOwner) {
      this.#data.untrimmed.clear();
      throw ownerLost(this.#folder, this.ownerEpoch, undefined);
    }
    this.#noteWritten(changes, cost, puts, trims);
    this.#data.digest = digest;
    this.#data.mark = mark;
  }

  #trims(changes: Changes): Trims {
    try {
      return nextTrims(this.#data, changes);
    } catch {
      this.#data.untrimmed.clear(); // Damaged, but nobody needs it: left in the file until the store is opened again.
      return NO_TRIMS;
    }
  }

  /** Of all logs and records, once these are what the transaction has put. */
  #digestWith(puts: Puts): number {
    const { shares } = this.#data;
    let { digest } = this.#data;
    for (const { name, key, share } of puts.records) {
      const before = shares.records.get(name) ?? this.#storedShare(key);
      digest = addShare(takeShare(digest, before), share);
    }
    for (const { name, key, share } of puts.logs) {
      const before = shares.logs.get(name) ?? this.#loadedShare(name, key);
      digest = addShare(takeShare(digest, before), share);
    }
    return digest;
  }
  /** Of a record. */
  #storedShare(key: Buffer): number {
    const value = this.#data.env.records.getBinaryFast(key);
    return value === undefined ? NO_SHARE : shareOf(value);
  }
  #loadedShare(log: string, key: Buffer): number {
    const state = this.#data.logs.get(log);
    return state === undefined ? NO_SHARE : shareOf(encodeLog(key, state));
  }

  /** Notes in the data what is now on the disk. */
  #noteWritten(changes: Changes, cost: number, puts: Puts, trims: Trims): void {
    const { logs, untrimmed, shares, file } = this.#data;
    for (const [log, state] of changes.logs) logs.set(log, state);
    for (const { name, share } of puts.logs) shares.logs.set(name, share);
    for (const { name, share } of puts.records) shares.records.set(name, share);
    for (const [log, from] of trims.trimmedTo) {
      if (from < (logs.get(log)?.start ?? 0)) untrimmed.set(log, from);
      else untrimmed.delete(log);
    }
    this.#room.noteWritten(file, cost, trims.keys.length);
  }

  /** After a failed transaction: reads wait until the data was read anew. What to tell those whose changes it held. */
  async #startAnew(cause: unknown): Promise<MessagingError> {
    this.#encoder = new ChangesEncoder(); // lmdb may not be done with the other's buffer
    this.#reopening = this.#reopen(cause);
    await this.#reopening;
    this.#reopening = undefined;
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new MessagingError("STORE_FAILED", `the transaction failed: ${reason}`, { cause });
  }
  async #reopen(cause: unknown): Promise<void> {
    try {
      this.#data = await reopenFolder(this.#folder, this.#settings, this.#data);
    } catch (error) {
      const { code, message } = lmdbError(error, "reading it anew"); // damage stays damage: trying again does not help
      this.#broken = new MessagingError(
        code,
        `the store in "${this.#folder}" cannot go on after a failed transaction: ${message}`,
        { cause: new AggregateError([cause, error]) },
      );
    }
  }
}

const isSame = (a: JournalMark, b: JournalMark): boolean =>
  a.applied === b.applied && a.journal?.epoch === b.journal?.epoch && a.journal?.serial === b.journal?.serial;
