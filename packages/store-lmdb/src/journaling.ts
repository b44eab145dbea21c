// Which transactions go into the journal, and how what it holds comes into lmdb:
// a file of it at a time, in slices, while the other one fills.
import type { Changes } from "./changes.ts";
import { costOfChanges } from "./commit-queue.ts";
import type { DataWriter } from "./data-writer.ts";
import { Journal } from "./journal.ts";
import { journalBytesOf, TransactionEncoder } from "./journal-format.ts";
import { Layer } from "./layer.ts";
import type { Settings } from "./options.ts";
import { checkEpoch } from "./ownership.ts";
import type { Room } from "./room.ts";
import type { JournalMark } from "./seal.ts";
import { Slices } from "./slices.ts";
import type { WriteTransaction } from "./write-transaction.ts";

export const NOTHING: Changes = { logs: new Map(), records: new Map(), batches: [] };
/** When the files of a journal could not be made, it is tried again after so long, ms. */
const MAKE_AGAIN_MS = 10_000;

interface Move {
  readonly layer: Layer;
  readonly slices: Slices;
  /** Makes its file blank. */
  readonly clear: () => Promise<void>;
  done: Promise<void>;
  hasFailed: boolean;
}

export class Journaling {
  readonly #folder: string;
  readonly #id: string;
  readonly #settings: Settings;
  readonly #room: Room;
  readonly #writer: DataWriter;
  readonly #encoder = new TransactionEncoder();
  /** In use: lmdb's data names it. */
  #journal: Journal | undefined;
  /** Made, and to be named by the next transaction of lmdb. */
  #made: Journal | undefined;
  #making: Promise<void> | undefined;
  #makeAfter = Number.NEGATIVE_INFINITY;
  #serial = 0;
  /** Of the last transaction that was written to a journal, or may have been. */
  #number: number;
  #move: Move | undefined;
  #isClosing = false;
  #isAbandoned = false;

  constructor(folder: string, id: string, settings: Settings, writer: DataWriter, room: Room) {
    this.#folder = folder;
    this.#id = id;
    this.#settings = settings;
    this.#room = room;
    this.#writer = writer;
    this.#number = writer.data.mark.applied;
  }

  get isInUse(): boolean {
    return this.#journal !== undefined;
  }
  /** There is little room, so that what is in the journal should come into lmdb before more is taken. */
  get isToSettle(): boolean {
    return this.#layers.some((layer) => !layer.isEmpty) && !this.#isPlenty;
  }
  /** Of what is not in lmdb yet, in bytes. */
  get cost(): number {
    let sum = 0;
    for (const { cost } of this.#layers) sum += cost;
    return sum;
  }
  get #layers(): Layer[] {
    return this.#writer.data.layers;
  }
  get #isPlenty(): boolean {
    return this.#room.isPlenty(this.#writer.data.file, this.#settings.journalBytes);
  }

  /**
   * Whether a transaction can go into the journal: makes room for it there, which may have to wait for lmdb.
   * @throws what lmdb's transaction throws
   */
  async makeRoom(transaction: WriteTransaction): Promise<boolean> {
    const journal = this.#journal;
    const bytes = journalBytesOf(transaction);
    if (journal === undefined || journal.isBroken || !journal.canHold(bytes) || !this.#isPlenty) return false;
    if (!journal.hasRoomFor(bytes)) {
      await this.#moved();
      if (journal.isBroken) return false;
      this.#startMove(journal);
    }
    return true;
  }
  /**
   * Writes a transaction for which there is room; kept if this process dies when it resolves.
   * @throws STORE_IN_USE, and what the file system throws
   */
  async write(transaction: WriteTransaction): Promise<void> {
    const journal = this.#journal as Journal;
    this.#number += 1;
    try {
      journal.append(this.#encoder.encode(transaction, this.#number, journal.identity));
      // Read only now: who takes the data over raises the epoch first, and then reads what is in the journal.
      await this.#writer.reopening;
      checkEpoch(this.#writer.data.env, this.#folder, this.#writer.ownerEpoch);
    } catch (error) {
      journal.isBroken = true; // what it holds beyond the last transaction is not part of the data
      throw error;
    }
    (this.#layers[0] as Layer).add(transaction, transaction.cost, this.#number);
  }
  /**
   * Until the transaction that was written last is on the disk: in the journal or, where that fails, in lmdb.
   * @throws what lmdb's transaction throws
   */
  async sync(): Promise<void> {
    try {
      await (this.#journal as Journal).sync();
    } catch {
      await this.settle();
    }
  }

  /** Until everything is in lmdb. @throws what lmdb's transaction throws */
  async settle(): Promise<void> {
    await this.#moved();
    const journal = this.#journal;
    if (journal === undefined || this.#layers[0]?.isEmpty !== false) return;
    this.#startMove(journal);
    await this.#moved();
  }
  /**
   * Starts to move what there is, while nothing is being written; commits need not wait for it.
   * Resolves when that move has ended, one way or the other.
   */
  async rest(): Promise<void> {
    const [journal, move] = [this.#journal, this.#move];
    if (journal === undefined) return;
    if (move?.hasFailed === true) this.#run(move, journal);
    else if (move === undefined && this.#layers[0]?.isEmpty === false) this.#startMove(journal);
    await this.#move?.done.catch(() => {}); // tried again when there is more
  }
  /** What a transaction is to note that goes to lmdb itself, once everything else is there. */
  get mark(): JournalMark {
    const journal = this.#journal?.isBroken === false ? this.#journal : this.#made;
    return { applied: this.#number, journal: journal?.name };
  }
  /** That transaction is on the disk. */
  noteWritten({ journal }: JournalMark): void {
    if (this.#journal !== undefined && this.#journal.name !== journal) this.#leave(this.#journal);
    if (this.#made !== undefined && this.#made.name === journal) {
      this.#journal = this.#made;
      this.#made = undefined;
      this.#layers.unshift(new Layer());
    }
    this.#make();
  }
  #leave(journal: Journal): void {
    journal.remove();
    this.#journal = undefined;
    this.#layers.length = 0;
  }

  /**
   * What is in the journal becomes part of lmdb, and the journal is gone;
   * where that fails it stays, for whoever opens the folder next.
   */
  async close(): Promise<void> {
    await this.#stop();
    const journal = this.#journal;
    try {
      await this.settle();
      if (journal === undefined) return;
      await this.#writer.write(NOTHING, 0, { applied: this.#number, journal: undefined }, false);
      this.#leave(journal);
    } catch {
      journal?.close();
    }
  }
  /** Leaves everything as it is, once what is under way (of a move: the slice) is completed. */
  async abandon(): Promise<void> {
    this.#isAbandoned = true;
    await this.#stop();
    await this.#move?.done.catch(() => {});
    this.#journal?.close();
  }
  async #stop(): Promise<void> {
    this.#isClosing = true;
    await this.#making;
    this.#made?.remove();
    this.#made = undefined;
  }

  /** Starts to make a journal, if there is none and room for one: the files are written in the background. */
  #make(): void {
    const { journalBytes, runtime } = this.#settings;
    if (journalBytes === 0 || this.#isClosing || !this.#isPlenty || runtime.now() < this.#makeAfter) return;
    if ((this.#journal ?? this.#made ?? this.#making) !== undefined) return;
    this.#serial += 1;
    const name = { epoch: this.#writer.ownerEpoch, serial: this.#serial };
    this.#making = Journal.create(this.#folder, this.#id, name, journalBytes).then(
      (journal) => {
        this.#made = journal;
        this.#making = undefined;
      },
      () => {
        this.#makeAfter = runtime.now() + MAKE_AGAIN_MS;
        this.#making = undefined;
      },
    );
  }

  /** From now on the other file takes transactions, and what this one holds is written to lmdb. */
  #startMove(journal: Journal): void {
    const layer = this.#layers[0] as Layer;
    this.#layers.unshift(new Layer());
    const slices = new Slices(layer);
    // What could not be synced in the journal may be missing there after a power loss:
    // it comes into lmdb whole, or not at all.
    if (journal.isBroken) slices.join();
    this.#move = { layer, slices, clear: journal.turn(), done: Promise.resolve(), hasFailed: false };
    this.#run(this.#move, journal);
  }
  #run(move: Move, journal: Journal): void {
    move.hasFailed = false;
    move.done = this.#write(move, journal).catch((error) => {
      move.hasFailed = true;
      throw error;
    });
    move.done.catch(() => {}); // who waits for it hears of it
  }
  /**
   * Everything is there once the last slice is, which notes it:
   * until then reads look at the layer, and whoever opens the folder writes all of it again.
   */
  async #write({ layer, slices, clear }: Move, journal: Journal): Promise<void> {
    for (let isLast = false; !isLast; ) {
      if (this.#isAbandoned) return;
      const slice = slices.next;
      isLast = slice.isLast;
      const mark = isLast ? { applied: layer.last, journal: journal.name } : undefined;
      await this.#writer.write(slice, costOfChanges(slice), mark, this.#room.isDiskUsable);
      slices.written();
    }
    this.#layers.splice(this.#layers.indexOf(layer), 1);
    await clear().catch(() => {}); // broken then
    this.#move = undefined;
    void this.#trim();
  }
  /** Until no file is being moved. What has failed is tried again. @throws what lmdb's transaction throws */
  async #moved(): Promise<void> {
    const move = this.#move;
    if (move === undefined || this.#journal === undefined) return;
    move.slices.hurry();
    if (move.hasFailed) this.#run(move, this.#journal);
    await move.done;
  }
  async #trim(): Promise<void> {
    try {
      while (this.#writer.data.untrimmed.size > 0 && !this.#isClosing && this.#room.isDiskUsable)
        await this.#writer.write(NOTHING, 0, undefined, true);
    } catch {
      // Tried again with the next file.
    }
  }
}
