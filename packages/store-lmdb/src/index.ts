import { provide, type Store, tokens } from "@seriatim/actors";
import { openLmdbStore as open } from "./lmdb-store.ts";
import type { LmdbStoreOptions } from "./options.ts";

export type { LmdbStoreOptions };

/**
 * Opens the durable embedded store in a folder, for this process alone; `durabilityMax` is
 * "synced". Commits wait for the disk, reads never wait for them. Opening takes longer with the
 * number of logs and records, not with that of messages. A folder of an older format is migrated
 * first, in place; one of a newer format is refused (FORMAT_UNSUPPORTED), and stays as it is.
 * @throws OPTION_INVALID, STORE_IN_USE (another process, or another store of this one,
 * has the folder), STORE_DAMAGED, FORMAT_UNSUPPORTED, STORE_FAILED
 */
export function openLmdbStore(options: LmdbStoreOptions): Promise<Store> {
  return open(options);
}

/**
 * That store as a module: `createBroker({ modules: [lmdbStore({ path: "./data" })] })`;
 * takes its runtime from the container. Fails as {@link openLmdbStore} does.
 */
export function lmdbStore(options: LmdbStoreOptions): ReturnType<typeof provide> {
  return provide(tokens.store, (get) => {
    const onWarning = (text: string, data: object) => get(tokens.logger).log("warn", text, data);
    return open({ runtime: get(tokens.runtime), ...options, onWarning: options.onWarning ?? onWarning });
  });
}
