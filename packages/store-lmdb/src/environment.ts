// lmdb, opened on a folder, with its tables.
import { type Database, open as openLmdb, type RootDatabase } from "lmdb";
import { FILE_MODE, inodeOf } from "./data-folder.ts";

export type Table = Database<Buffer, Buffer>;
export interface Environment {
  readonly root: RootDatabase<Buffer, Buffer>;
  /** One record, versioned with the ownership epoch, so that a transaction can depend on it. */
  readonly owner: Table;
  readonly logs: Table;
  readonly batches: Table;
  readonly records: Table;
  /** Which file it is, to notice when another takes its name. */
  readonly inode: bigint;
}

export function openEnvironment(folder: string, bytesMax: number): Environment {
  const root = openLmdb<Buffer, Buffer>({
    ...{ permissionsMode: FILE_MODE }, // of its two files; lmdb-js reads it, its types do not know it
    path: folder,
    noSubdir: false,
    maxDbs: 8,
    // Address space, not disk: far more than the capacity,
    // since pages in one piece for a large batch may be found only at the end.
    mapSize: Math.max(2 ** 33, 2 ** Math.ceil(Math.log2(bytesMax * 2))),
    // Each transaction is on the disk before it is visible. With lmdb-js's overlapping syncs its
    // commit promise waits for the sync all the same, and a power loss soon after the restart that
    // follows a killed process could find pages reused that the last synced state still needs.
    overlappingSync: false,
    eventTurnBatching: false,
    encoding: "binary",
    keyEncoding: "binary",
    cache: false,
  });
  const table = (name: string, useVersions = false): Table =>
    root.openDB<Buffer, Buffer>(name, { encoding: "binary", keyEncoding: "binary", useVersions });
  try {
    return {
      root,
      owner: table("owner", true),
      logs: table("logs"),
      batches: table("batches"),
      records: table("records"),
      inode: inodeOf(folder) as bigint,
    };
  } catch (error) {
    void root.close(); // else the next one to open the folder in this process gets it as it is
    throw error;
  }
}

/** What `use` returns; lmdb is closed if it throws. */
export async function closedOnFailure<T>(env: Environment, use: () => T | Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    await env.root.close();
    throw error;
  }
}
