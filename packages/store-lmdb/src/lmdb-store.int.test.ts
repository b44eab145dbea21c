import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Store } from "@seriatim/actors";
import { storeCompliance } from "@seriatim/actors/testing";
import { describe, it } from "vitest";
import { type LmdbStore, openLmdbStore } from "./lmdb-store.ts";

storeCompliance(
  "lmdb",
  async (options = {}) => {
    const path = mkdtempSync(join(tmpdir(), "seriatim-lmdb-"));
    const settings = { ...options, path };
    const store = await openLmdbStore(settings);
    const opened: LmdbStore[] = [store];
    const keep = (next: LmdbStore): Store => {
      opened.push(next);
      return next;
    };
    return {
      store,
      crash: async () => {
        await store.abandon();
        return keep(await openLmdbStore(settings));
      },
      openAgain: async () => keep(await openLmdbStore(settings)),
      takeOver: async () => keep(await openLmdbStore(settings, { lock: false })),
      [Symbol.asyncDispose]: async () => {
        for (const one of opened.reverse()) await one.close();
        rmSync(path, { recursive: true, force: true });
      },
    };
  },
  { describe, it },
);
