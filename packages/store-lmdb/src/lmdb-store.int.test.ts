import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Store } from "@seriatim/actors";
import { storeCompliance } from "@seriatim/testing";
import { describe, it } from "vitest";
import { type LmdbStore, openLmdbStore } from "./lmdb-store.ts";
import type { LmdbStoreOptions } from "./options.ts";

/** With the journal in use from the first commit of a test on, if there is to be one. */
async function opened(options: LmdbStoreOptions, lock?: boolean): Promise<LmdbStore> {
  const store = await openLmdbStore(options, lock === undefined ? {} : { lock });
  const hasRoom = (options.bytesMax ?? Number.POSITIVE_INFINITY) > 2 ** 28;
  while (options.journalBytes !== 0 && hasRoom && !store.isJournaling)
    await store.writer().commit([{ kind: "remove", key: "nothing" }]).synced;
  return store;
}

for (const [name, journalBytes] of [
  ["lmdb, without a journal", 0],
  ["lmdb, with a journal", 2 ** 20],
  ["lmdb, with the smallest journal", 65_536],
] as const)
  storeCompliance(
    name,
    async (options = {}) => {
      const path = mkdtempSync(join(tmpdir(), "seriatim-lmdb-"));
      const settings = { ...options, path, journalBytes };
      const store = await opened(settings);
      const all: LmdbStore[] = [store];
      const keep = (next: LmdbStore): Store => {
        all.push(next);
        return next;
      };
      return {
        store,
        crash: async () => {
          await store.abandon();
          return keep(await opened(settings));
        },
        openAgain: async () => keep(await opened(settings)),
        takeOver: async () => keep(await opened(settings, false)),
        [Symbol.asyncDispose]: async () => {
          for (const one of all.reverse()) await one.close();
          rmSync(path, { recursive: true, force: true });
        },
      };
    },
    { describe, it },
  );
