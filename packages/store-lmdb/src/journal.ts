// The journal: two files of fixed size beside lmdb's. A transaction is on the
// disk once it is in one of them, which takes one wait for the disk instead of
// the two of lmdb; while one file fills, what the other holds is written to lmdb.
import {
  closeSync,
  fdatasync,
  fsync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  write,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { createFile, syncFolder } from "./data-folder.ts";
import { crc32, textKey } from "./encoding.ts";
import { damaged } from "./errors.ts";
import { type JournalTransaction, readTransactions, SECTOR_BYTES } from "./journal-format.ts";
import type { JournalName } from "./seal.ts";

/** Smallest size of a file. */
export const JOURNAL_BYTES_MIN = 65_536;

const MAGIC = 0x4a525453; // "STRJ"
/** The first sector of a file: checksum, magic, its size, its place of the two, and its name. */
const HEAD = { checksum: 0, magic: 4, bytes: 8, place: 16, epoch: 24, serial: 32 };
/** Most bytes written at once where nobody waits. */
const CHUNK_BYTES = 2 ** 20;

const fileIn = (folder: string, { epoch, serial }: JournalName, place: 0 | 1): string =>
  join(folder, `journal-${epoch}-${serial}.${place}`);
const identityOf = (id: string, { epoch, serial }: JournalName): number => crc32(textKey(`${id} ${epoch} ${serial}`));

const writeTo = promisify(write);
const syncData = promisify(fdatasync);
const syncWhole = promisify(fsync);

export class Journal {
  readonly name: JournalName;
  /** To be mixed into the checksums of its transactions. */
  readonly identity: number;
  readonly #folder: string;
  readonly #fileBytes: number;
  readonly #files: readonly [number, number];
  /** Which of the two is written to, and up to where it has been. */
  #place: 0 | 1 = 0;
  #used: [number, number] = [SECTOR_BYTES, SECTOR_BYTES];
  /** Something could not be written: what it holds counts, but it takes no more. */
  isBroken = false;

  /** Two new files, on the disk when this resolves. @throws what the file system throws, and has left none then */
  static async create(folder: string, id: string, name: JournalName, fileBytes: number): Promise<Journal> {
    const blank = Buffer.alloc(Math.min(CHUNK_BYTES, fileBytes));
    try {
      for (const place of [0, 1] as const) {
        const path = fileIn(folder, name, place);
        const file = createFile(`${path}.new`);
        try {
          for (let at = 0; at < fileBytes; at += blank.length) await fill(file, blank, at, fileBytes);
          await writeTo(file, headOf(id, name, place, fileBytes), 0, SECTOR_BYTES, 0);
          await syncWhole(file);
        } finally {
          closeSync(file);
        }
        renameSync(`${path}.new`, path);
      }
      syncFolder(folder);
      return new Journal(folder, id, name, fileBytes);
    } catch (error) {
      removeJournal(folder, name);
      throw error;
    }
  }
  private constructor(folder: string, id: string, name: JournalName, fileBytes: number) {
    this.name = name;
    this.identity = identityOf(id, name);
    this.#folder = folder;
    this.#fileBytes = fileBytes;
    this.#files = [openSync(fileIn(folder, name, 0), "r+"), openSync(fileIn(folder, name, 1), "r+")];
  }

  /** Whether so many bytes fit behind what the file that is written to holds. */
  hasRoomFor(bytes: number): boolean {
    return this.#used[this.#place] + bytes <= this.#fileBytes;
  }
  /** Whether so many bytes fit into an empty file. */
  canHold(bytes: number): boolean {
    return SECTOR_BYTES + bytes <= this.#fileBytes;
  }

  /**
   * In the system's hands when this returns: kept if this process dies.
   * @throws what the file system throws, and is broken then
   */
  append(transaction: Buffer): void {
    try {
      writeWhole(this.#files[this.#place], transaction, this.#used[this.#place]);
      this.#used[this.#place] += transaction.length;
    } catch (error) {
      this.isBroken = true;
      throw error;
    }
  }
  /** What was appended is on the disk when this resolves. @throws what the file system throws, and is broken then */
  async sync(): Promise<void> {
    try {
      await syncData(this.#files[this.#place]);
    } catch (error) {
      this.isBroken = true;
      throw error;
    }
  }
  /** From now on the other file is written to, which must be blank. Returns what makes this one blank again. */
  turn(): () => Promise<void> {
    const place = this.#place;
    this.#place = place === 0 ? 1 : 0;
    return async () => {
      try {
        const blank = Buffer.alloc(Math.min(CHUNK_BYTES, this.#used[place]));
        for (let at = SECTOR_BYTES; at < this.#used[place]; at += blank.length)
          await fill(this.#files[place], blank, at, this.#used[place]);
        await syncData(this.#files[place]);
        this.#used[place] = SECTOR_BYTES;
      } catch (error) {
        this.isBroken = true;
        throw error;
      }
    };
  }

  close(): void {
    for (const file of this.#files) closeSync(file);
  }
  /** Once lmdb does not go on in it any more. */
  remove(): void {
    this.close();
    removeJournal(this.#folder, this.name);
  }
}

/** What a journal holds beyond the transaction `applied`, without a gap. @throws STORE_DAMAGED */
export function readJournal(folder: string, id: string, name: JournalName, applied: number): JournalTransaction[] {
  const found = ([0, 1] as const)
    .flatMap((place) => {
      const path = fileIn(folder, name, place);
      if (statSync(path, { throwIfNoEntry: false }) === undefined)
        throw damaged("a file of its journal is missing", { path });
      const bytes = readFileSync(path);
      const head = headOf(id, name, place, bytes.length);
      if (bytes.length % SECTOR_BYTES !== 0 || !bytes.subarray(0, SECTOR_BYTES).equals(head))
        throw damaged("a file of its journal does not begin as it should, or has another size", { path });
      return readTransactions(bytes, SECTOR_BYTES, identityOf(id, name), applied);
    })
    .sort((a, b) => a.number - b.number);
  for (const [n, { number }] of found.entries())
    if (number !== applied + 1 + n)
      throw damaged("a transaction is missing in the journal", { number: applied + 1 + n });
  return found;
}

/** Removes what journals there are in the folder, but this one. */
export function removeOtherJournals(folder: string, kept: JournalName | undefined): void {
  for (const name of readdirSync(folder)) {
    const found = /^journal-(\d+)-(\d+)\.[01](\.new)?$/.exec(name);
    if (found === null) continue;
    if (Number(found[1]) === kept?.epoch && Number(found[2]) === kept.serial && found[3] === undefined) continue;
    rmSync(join(folder, name), { force: true });
  }
}
function removeJournal(folder: string, name: JournalName): void {
  for (const place of [0, 1] as const)
    for (const end of ["", ".new"]) rmSync(`${fileIn(folder, name, place)}${end}`, { force: true });
}

function headOf(id: string, name: JournalName, place: 0 | 1, fileBytes: number): Buffer {
  const head = Buffer.alloc(SECTOR_BYTES);
  head.writeUInt32LE(MAGIC, HEAD.magic);
  head.writeDoubleLE(fileBytes, HEAD.bytes);
  head.writeDoubleLE(place, HEAD.place);
  head.writeDoubleLE(name.epoch, HEAD.epoch);
  head.writeDoubleLE(name.serial, HEAD.serial);
  head.writeUInt32LE(crc32(head.subarray(4), identityOf(id, name)), HEAD.checksum);
  return head;
}

function writeWhole(file: number, bytes: Buffer, at: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, at + done);
}
/** Writes as much of `bytes` at `at` as lies before `end`. */
async function fill(file: number, bytes: Buffer, at: number, end: number): Promise<void> {
  const length = Math.min(bytes.length, end - at);
  for (let done = 0; done < length; ) done += (await writeTo(file, bytes, done, length - done, at + done)).bytesWritten;
}
