// A data folder that other users may reach: of an earlier version it is tightened as it is taken up, and what stays open is told.
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSystem, provide, tokens } from "@seriatim/actors";
import { lmdbStore } from "@seriatim/store-lmdb";
import { memoryTransport } from "@seriatim/transport-memory";
import { afterAll, expect, it } from "vitest";
import { keptFolder, keptVersions, removeKeptFolders } from "./kept.fixture.ts";

const path = mkdtempSync(join(tmpdir(), "seriatim-open-"));
afterAll(() => {
  rmSync(path, { recursive: true, force: true });
  removeKeptFolders();
});

it.each(keptVersions)("a data folder of version %s is its owner's alone once it was opened", async (version) => {
  const kept = keptFolder(version);
  chmodSync(kept, 0o755);
  for (const name of readdirSync(kept)) chmodSync(join(kept, name), 0o644);
  const modes = () => [".", ...readdirSync(kept)].map((name) => (statSync(join(kept, name)).mode & 0o777).toString(8));
  await using system = await createSystem({ modules: [memoryTransport(), lmdbStore({ path: kept })] });
  expect(new Set(modes().slice(1))).toEqual(new Set(["600"]));
  await system.close();
  expect(new Set(modes())).toEqual(new Set(["700", "600"]));
});

it("a data folder with other files in it that others may reach is warned of through the system's logger", async () => {
  chmodSync(path, 0o755);
  writeFileSync(join(path, "page.html"), "");
  const logged: string[] = [];
  const logger = provide(tokens.logger, () => ({ log: (level, text) => void logged.push(`${level}: ${text}`) }));
  await using system = await createSystem({ modules: [memoryTransport(), lmdbStore({ path }), logger] });
  expect(logged).toEqual([expect.stringMatching(/^warn: the data folder ".*" is not its owner's alone/)]);
  await system.close();
});
