// The data in memory, as lmdb has it and as it is since;
// and how it is read anew after a transaction of lmdb has failed.
import { closedOnFailure, type Environment, openEnvironment } from "./environment.ts";
import { FileUse } from "./file-use.ts";
import type { Layer } from "./layer.ts";
import { type LoadedLogs, loadLogs } from "./load-logs.ts";
import type { Settings } from "./options.ts";
import { storedEpoch } from "./ownership.ts";
import { checkSeal, type JournalMark, RecentShares } from "./seal.ts";

/** What there is, as of the last transaction. */
export interface StoreData extends LoadedLogs {
  readonly env: Environment;
  readonly file: FileUse;
  readonly shares: { readonly logs: RecentShares; readonly records: RecentShares };
  /** Where the journal goes on, as the data has it. */
  mark: JournalMark;
  /** What is in the journal and not in lmdb yet, the newest first; none of it is in what else is here. */
  readonly layers: Layer[];
}
export interface OpenedFolder {
  readonly data: StoreData;
  readonly id: string;
  readonly epoch: number;
}
/**
 * After a failed transaction: reads everything anew from the file. lmdb
 * itself takes no more writes after some failures, until it is opened again.
 */
export async function reopenFolder(folder: string, settings: Settings, failed: StoreData): Promise<StoreData> {
  await failed.env.root.close();
  const env = openEnvironment(folder, settings.bytesMax);
  return closedOnFailure(env, () => {
    const loaded = loadLogs(env, false);
    const mark = checkSeal(env, storedEpoch(env), loaded.digest);
    return storeData(env, loaded, mark, failed.layers);
  });
}

/** What was loaded, with nothing known of it yet that was not. */
export const storeData = (env: Environment, loaded: LoadedLogs, mark: JournalMark, layers: Layer[]): StoreData => ({
  env,
  ...loaded,
  file: new FileUse(env),
  shares: { logs: new RecentShares(), records: new RecentShares() },
  mark,
  layers,
});
