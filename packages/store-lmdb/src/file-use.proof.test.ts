// What is believed of the data file between two looks at it, beside what it really is.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StoreWrite } from "@seriatim/actors";
import { simulatedRuntime } from "@seriatim/testing";
import { expect, it } from "vitest";
import { Committer } from "./committer.ts";
import { FileUse } from "./file-use.ts";
import { openFolder } from "./open-folder.ts";
import { settingsOf } from "./options.ts";
import { Room } from "./room.ts";

it.each([
  ["short", 0],
  ["long", 900],
])(
  "never counts less in use, or more to be used again, than there is while commits add, with %s names",
  async (_, nameBytes) => {
    const path = mkdtempSync(join(tmpdir(), "seriatim-lmdb-"));
    const settings = settingsOf({ path, journalBytes: 0 });
    const opened = await openFolder(path, settings);
    const committer = new Committer(path, settings, opened, new Room(path, settings.bytesMax, settings.runtime));
    const { random } = simulatedRuntime({ seed: Number(process.env["FILE_USE_SEED"] ?? 1) });
    const below = (limit: number) => Math.floor(random() * limit);
    const writer = committer.queue.writer();
    const ends = new Map<string, number>();
    const write = (): StoreWrite => {
      const size = below(10) === 0 ? below(20_000) : below(600);
      if (below(2) === 0)
        return { kind: "put", key: `record/${below(500)}`.padEnd(nameBytes, "."), value: new Uint8Array(size) };
      const log = `log/${below(20)}`.padEnd(nameBytes, ".");
      const first = ends.get(log) ?? 0;
      ends.set(log, first + 1);
      return { kind: "append", log, first, count: 1, bytes: new Uint8Array(size) };
    };
    let estimates = 0;
    try {
      for (let n = 0; n < 250; n++) {
        await writer.commit(Array.from({ length: 1 + below(30) }, write)).synced;
        const { file, env } = committer.data;
        const exact = new FileUse(env);
        expect(file.bytes, `commit ${n}`).toBeGreaterThanOrEqual(exact.bytes);
        expect(file.reusableBytes, `commit ${n}`).toBeLessThanOrEqual(exact.reusableBytes);
        if (file.bytes > exact.bytes) estimates += 1;
      }
      expect(estimates).toBeGreaterThan(100);
      committer.data.file.ask();
      expect(committer.data.file.bytes).toBe(new FileUse(committer.data.env).bytes);
    } finally {
      await committer.close();
      rmSync(path, { recursive: true, force: true });
    }
  },
);
