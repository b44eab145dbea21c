// The folder of the data as the file system sees it: made, written to durably, asked for its free space.
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join, resolve as resolvePath } from "node:path";
import { MessagingError, optionInvalid } from "@seriatim/actors";

/** Rights of the folder and of the files in it: they are their owner's alone. */
export const FOLDER_MODE = 0o700;
export const FILE_MODE = 0o600;

/** lmdb's file in it. */
export const dataFileIn = (folder: string): string => join(folder, "data.mdb");

/** The folder's real path; made if only it is missing. */
export function folderOf(path: string): string {
  const folder = resolvePath(path);
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found === undefined) {
    if (statSync(dirname(folder), { throwIfNoEntry: false })?.isDirectory() !== true)
      throw optionInvalid(
        "path",
        `a folder, or the name of one to make in a folder that is there ("${dirname(folder)}" is not)`,
        path,
      );
    mkdirSync(folder, { mode: FOLDER_MODE });
    chmodSync(folder, FOLDER_MODE); // a umask takes rights away, also its owner's
    syncFolder(dirname(folder));
  } else if (!found.isDirectory()) throw optionInvalid("path", "a folder, not a file", path);
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw new MessagingError("STORE_FAILED", `the data folder "${folder}" is not writable`, {
      cause,
      data: { path: folder },
    });
  }
  return realpathSync(folder);
}

/** A new file to write to, in place of what has its name: nobody else has it open, and no link leads elsewhere. */
export function createFile(path: string): number {
  rmSync(path, { force: true });
  return openSync(path, "wx", FILE_MODE);
}
/** All of the text or, after a crash, what was there before; on the disk when this returns. */
export function writeDurably(folder: string, path: string, text: string): void {
  const file = createFile(`${path}.new`);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
  syncFolder(folder);
}
export function syncFolder(folder: string): void {
  if (process.platform === "win32") return; // has no such thing
  const directory = openSync(folder, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
export function extend(path: string, bytes: number): void {
  const file = openSync(path, "r+");
  try {
    ftruncateSync(file, bytes);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
/** Free bytes of the folder's disk; unlimited where the runtime cannot tell. */
export function freeBytesOf(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
/** Which file lmdb's is, to notice when another takes its name. */
export const inodeOf = (folder: string): bigint | undefined =>
  statSync(dataFileIn(folder), { bigint: true, throwIfNoEntry: false })?.ino;
