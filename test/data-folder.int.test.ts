// What a broker says of a data folder that other users may reach.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSystem, provide, tokens } from "@seriatim/actors";
import { lmdbStore } from "@seriatim/store-lmdb";
import { memoryTransport } from "@seriatim/transport-memory";
import { afterAll, expect, it } from "vitest";

const path = mkdtempSync(join(tmpdir(), "seriatim-open-"));
afterAll(() => rmSync(path, { recursive: true, force: true }));

it("a data folder with other files in it that others may reach is warned of through the system's logger", async () => {
  chmodSync(path, 0o755);
  writeFileSync(join(path, "page.html"), "");
  const logged: string[] = [];
  const logger = provide(tokens.logger, () => ({ log: (level, text) => void logged.push(`${level}: ${text}`) }));
  await using system = await createSystem({ modules: [memoryTransport(), lmdbStore({ path }), logger] });
  expect(logged).toEqual([expect.stringMatching(/^warn: the data folder ".*" is not its owner's alone/)]);
  await system.close();
});
