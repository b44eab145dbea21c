// Opening the data of a folder: found whole or refused, taken into ownership; and opening it again after a transaction failed.
import { statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { MessagingError } from "@seriatim/actors";
import { inspectDataFile } from "./data-file.ts";
import { dataFileIn, extend, freeBytesOf, writeDurably } from "./data-folder.ts";
import { closedOnFailure, type Environment, openEnvironment } from "./environment.ts";
import { damaged } from "./errors.ts";
import { FileUse } from "./file-use.ts";
import { type LoadedLogs, loadLogs } from "./load-logs.ts";
import type { Settings } from "./options.ts";
import { storedEpoch, takeOwnership } from "./ownership.ts";
import { readPassport, writePassport } from "./passport.ts";
import { FREE_FLOOR } from "./room.ts";
import { checkSeal, RecentShares } from "./seal.ts";

/** What there is, as of the last transaction. */
export interface StoreData extends LoadedLogs {
  readonly env: Environment;
  readonly file: FileUse;
  readonly shares: { readonly logs: RecentShares; readonly records: RecentShares };
}
export interface OpenedFolder {
  readonly data: StoreData;
  readonly id: string;
  readonly epoch: number;
}

/** @throws STORE_DAMAGED, STORE_FAILED, and what lmdb throws */
export async function openFolder(folder: string, settings: Settings): Promise<OpenedFolder> {
  if (freeBytesOf(folder) < FREE_FLOOR.disk)
    throw new MessagingError("STORE_FAILED", `there is no space left for the data folder "${folder}"`);
  const passport = readPassport(folder);
  const file = dataFileIn(folder);
  const data = inspectDataFile(file);
  if (data.state === "missing" && passport !== undefined)
    throw damaged("its data file is missing or empty", { path: file });
  const suspicion = join(folder, "check-everything");
  if (data.state === "short") {
    writeDurably(folder, suspicion, ""); // remembered until it is settled, since the file does not look short from now on
    extend(file, data.bytes);
  }
  const isSuspicious = statSync(suspicion, { throwIfNoEntry: false }) !== undefined;
  const env = openEnvironment(folder, settings.bytesMax);
  return closedOnFailure(env, () => {
    const loaded = loadLogs(env, isSuspicious || settings.check === "full");
    const { id, epoch } = takeOwnership(env, passport, loaded.digest, settings.runtime);
    if (passport === undefined) writePassport(folder, id);
    if (isSuspicious) unlinkSync(suspicion);
    return { data: storeData(env, loaded), id, epoch };
  });
}

/** After a failed transaction: reads everything anew from the file. lmdb itself takes no more writes after some failures, until it is opened again. */
export async function reopenFolder(folder: string, settings: Settings, failed: Environment): Promise<StoreData> {
  await failed.root.close();
  const env = openEnvironment(folder, settings.bytesMax);
  return closedOnFailure(env, () => {
    const loaded = loadLogs(env, false);
    checkSeal(env, storedEpoch(env), loaded.digest);
    return storeData(env, loaded);
  });
}

const storeData = (env: Environment, loaded: LoadedLogs): StoreData => ({
  env,
  ...loaded,
  file: new FileUse(env),
  shares: { logs: new RecentShares(), records: new RecentShares() },
});
