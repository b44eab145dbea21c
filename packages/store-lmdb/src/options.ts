// What the store is told when it is opened.
import { optionInvalid, type Runtime, systemRuntime } from "@seriatim/actors";
import { JOURNAL_BYTES_MIN } from "./journal.ts";
import { SECTOR_BYTES } from "./journal-format.ts";

export interface LmdbStoreOptions {
  /** Folder of the data; made if it is not there, but not the folder above it. Not on a network file system. */
  readonly path: string;
  /**
   * Room for batches and records as they lie in the file, in bytes (at least 4 MiB).
   * Space that was freed is used again, the file itself never shrinks.
   * @default 16 GiB
   */
  readonly bytesMax?: number;
  /**
   * `full` reads and checks everything before it is served;
   * `quick` all records, but only the ends of every log: what is damaged in between is found when it is read.
   * @default "quick"
   */
  readonly check?: "quick" | "full";
  /** Most bytes of one write transaction; past it, writers take turns. @default 4 MiB */
  readonly transactionBytesMax?: number;
  /**
   * Size of each of the two files of the journal, in bytes: 0 (none) or at least 64 KiB. A commit
   * waits for one write to it instead of the two that lmdb makes; what it holds is written to
   * lmdb a file at a time, and kept in memory until then. Unused while there is little room.
   * @default 8 MiB
   */
  readonly journalBytes?: number;
  /** Source of time and ids. @default the platform's */
  readonly runtime?: Runtime;
  /**
   * Hears what an operator should know: that other users may reach the folder.
   * @default the logger of the system; with `openLmdbStore` nobody
   */
  readonly onWarning?: ((text: string, data: object) => void) | undefined;
}

/** The options, checked and with their defaults. */
export interface Settings {
  readonly bytesMax: number;
  readonly transactionBytesMax: number;
  readonly check: "quick" | "full";
  readonly journalBytes: number;
  readonly runtime: Runtime;
  readonly warn: (text: string, data: object) => void;
}

const BYTES_MAX_DEFAULT = 16 * 2 ** 30;

/** @throws OPTION_INVALID */
export function settingsOf(options: LmdbStoreOptions): Settings {
  const { path, bytesMax = BYTES_MAX_DEFAULT, transactionBytesMax = 4 * 2 ** 20, check = "quick" } = options;
  const { journalBytes = 8 * 2 ** 20 } = options;
  if (typeof path !== "string" || path === "") throw optionInvalid("path", "the name of a folder", path);
  if (!(Number.isSafeInteger(bytesMax) && bytesMax >= 4 * 2 ** 20 && bytesMax <= 2 ** 46))
    throw optionInvalid("bytesMax", "a whole number of bytes from 4 MiB to 64 TiB", bytesMax);
  if (!(Number.isSafeInteger(transactionBytesMax) && transactionBytesMax > 0))
    throw optionInvalid("transactionBytesMax", "a whole number of bytes above 0", transactionBytesMax);
  const isSize = Number.isSafeInteger(journalBytes) && journalBytes >= JOURNAL_BYTES_MIN && journalBytes <= 2 ** 30;
  if (journalBytes !== 0 && !(isSize && journalBytes % SECTOR_BYTES === 0))
    throw optionInvalid("journalBytes", `0, or a multiple of ${SECTOR_BYTES} from 64 KiB to 1 GiB`, journalBytes);
  if (check !== "quick" && check !== "full") throw optionInvalid("check", '"quick" or "full"', check);
  const warn: Settings["warn"] = (text, data) => {
    try {
      options.onWarning?.(text, data);
    } catch {
      // a warning that cannot be told must not end what it warns of
    }
  };
  return { bytesMax, transactionBytesMax, check, journalBytes, runtime: options.runtime ?? systemRuntime(), warn };
}
