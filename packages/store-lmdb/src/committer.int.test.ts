// What the committer makes of commits: which of them share a transaction.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, it } from "vitest";
import { Committer } from "./committer.ts";
import { openFolder } from "./open-folder.ts";
import { settingsOf } from "./options.ts";
import { Room } from "./room.ts";

it("takes what one turn of the event loop commits into one transaction, and what follows into the next", async () => {
  const path = mkdtempSync(join(tmpdir(), "seriatim-lmdb-"));
  const settings = settingsOf({ path });
  const opened = await openFolder(path, settings);
  const committer = new Committer(path, settings, opened, new Room(path, settings.bytesMax, settings.runtime));
  const { owner } = committer.data.env;
  const write = owner.ifVersion.bind(owner);
  let transactions = 0;
  Object.assign(owner, {
    ifVersion: (...args: Parameters<typeof write>) => {
      transactions += 1;
      return write(...args);
    },
  });
  const writers = [committer.queue.writer(), committer.queue.writer()] as const;
  const commit = (n: 0 | 1) => writers[n].commit([{ kind: "put", key: `k/${n}`, value: new Uint8Array(10) }]).synced;
  try {
    const first = commit(0);
    for (let n = 0; n < 20; n++) await Promise.resolve(); // what others do in between, in the same turn
    const second = commit(1);
    await nextTurn();
    expect(transactions).toBe(1);
    const late = [commit(0), commit(1)];
    await Promise.all([first, second]);
    expect(transactions).toBe(1);
    await Promise.all(late);
    expect(transactions).toBe(2);
  } finally {
    await committer.idle();
    await committer.data.env.root.close();
    rmSync(path, { recursive: true, force: true });
  }
});
