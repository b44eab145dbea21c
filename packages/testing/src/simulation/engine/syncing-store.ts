import { type Commit, MessagingError, type Runtime, type Store } from "@seriatim/actors/client";

import { createMemoryStore, type MemoryDisk } from "@seriatim/actors/store";
import { SECRET } from "../watch/secret-watch.ts";

export interface SyncingOptions {
  /** Told what is synced, so that a power loss takes the rest. Opening the data syncs what is there. */
  readonly disk: MemoryDisk;
  readonly runtime: Runtime;
  /** From the flush to the sync. */
  readonly syncMs: number;
  /** Asked when a commit is to be synced that was flushed before. */
  readonly fails: () => boolean;
}

/** A store whose commits are synced some time after they are flushed: what a disk behind a cache looks like. */
export function syncingStore({ disk, runtime, syncMs, fails }: SyncingOptions): Store {
  const store = createMemoryStore({ disk, runtime });
  disk.synced(disk.applied);
  const syncedLater = (commit: Commit, health: Health): Commit => {
    if (syncMs === 0) {
      commit.flushed.then(
        () => disk.synced(disk.applied),
        () => {}, // nothing was applied
      );
      return commit;
    }
    const synced = commit.flushed.then(() => {
      const upTo = disk.applied;
      return new Promise<void>((resolve, reject) => {
        runtime.setTimeout(() => {
          if (health.failure === null && fails())
            health.failure = new MessagingError("STORE_FAILED", `the disk failed to sync: ${SECRET}`);
          if (health.failure !== null) return reject(health.failure);
          disk.synced(upTo);
          resolve();
        }, syncMs);
      });
    });
    synced.catch(() => {});
    return { flushed: commit.flushed, synced };
  };
  return {
    durabilityMax: "synced",
    id: store.id,
    ownerEpoch: store.ownerEpoch,
    writer: () => {
      const writer = store.writer();
      const health: Health = { failure: null };
      return {
        commit: (writes) =>
          health.failure === null ? syncedLater(writer.commit(writes), health) : failed(health.failure),
      };
    },
    extent: (log) => store.extent(log),
    read: (log, from, limit) => store.read(log, from, limit),
    get: (key) => store.get(key),
    list: (prefix, options) => store.list(prefix, options),
    usage: () => store.usage(),
    verifyOwner: () => store.verifyOwner(),
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store.close(),
  };
}
/** Of one writer: once a commit of it could not be synced, no later one is made or synced. */
interface Health {
  failure: MessagingError | null;
}
function failed(error: MessagingError): Commit {
  const promise = Promise.reject(error);
  promise.catch(() => {});
  return { flushed: promise, synced: promise };
}
