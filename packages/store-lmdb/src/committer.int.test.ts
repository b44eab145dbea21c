// What the committer makes of commits: which of them share a transaction.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, it, vi } from "vitest";
import { Committer } from "./committer.ts";
import { openFolder } from "./open-folder.ts";
import { settingsOf } from "./options.ts";
import { Room } from "./room.ts";

/** A committer on an empty folder, and how many transactions lmdb was given. */
async function setUp() {
  const path = mkdtempSync(join(tmpdir(), "seriatim-lmdb-"));
  const settings = settingsOf({ path, journalBytes: 0 });
  const opened = await openFolder(path, settings);
  const room = new Room(path, settings.bytesMax, settings.runtime);
  const committer = new Committer(path, settings, opened, room);
  const { owner } = committer.data.env;
  const write = owner.ifVersion.bind(owner);
  const seen = { transactions: 0 };
  Object.assign(owner, {
    ifVersion: (...args: Parameters<typeof write>) => {
      seen.transactions += 1;
      return write(...args);
    },
  });
  const writers = [committer.queue.writer(), committer.queue.writer()] as const;
  const commit = (n: 0 | 1, mayWait = false) =>
    writers[n].commit([{ kind: "put", key: `k/${n}`, value: new Uint8Array(10) }], { mayWait }).synced;
  return {
    commit,
    committer,
    room,
    seen,
    async [Symbol.asyncDispose]() {
      await committer.close();
      rmSync(path, { recursive: true, force: true });
    },
  };
}

it("takes what one turn of the event loop commits into one transaction, and what follows into the next", async () => {
  await using set = await setUp();
  const { commit, seen } = set;
  const first = commit(0);
  for (let n = 0; n < 20; n++) await Promise.resolve(); // what others do in between, in the same turn
  const second = commit(1);
  await nextTurn();
  expect(seen.transactions).toBe(1);
  const late = [commit(0), commit(1)];
  await Promise.all([first, second]);
  expect(seen.transactions).toBe(1);
  await Promise.all(late);
  expect(seen.transactions).toBe(2);
});

it("holds back what may wait for others to go with, but not for long", async () => {
  await using set = await setUp();
  const { commit, seen } = set;
  const patient = commit(0, true);
  await nextTurn();
  expect(seen.transactions).toBe(0);
  await Promise.all([patient, commit(1)]);
  expect(seen.transactions).toBe(1);
  await commit(0, true); // nobody comes
  expect(seen.transactions).toBe(2);
  const urgent = commit(1);
  while (seen.transactions < 3) await nextTurn();
  const behind = commit(0, true); // while a transaction is under way
  await urgent;
  await nextTurn();
  expect(seen.transactions).toBe(3);
  await behind;
  expect(seen.transactions).toBe(4);
});

it("waits for nobody once it is to come to rest", async () => {
  await using set = await setUp();
  const { commit, committer, seen } = set;
  const patient = commit(0, true);
  await committer.idle();
  expect([seen.transactions, committer.queue.isEmpty, committer.queue.isUrgent]).toEqual([1, true, false]);
  await patient;
});

it("fails what waits when something of ours throws, and commits what comes later", async () => {
  await using set = await setUp();
  const { commit, room, seen } = set;
  const trouble = vi.spyOn(room, "lookAtDisk").mockImplementation(() => {
    throw new Error("not foreseen");
  });
  const failed = await Promise.allSettled([commit(0), commit(1)]);
  expect(failed.map((each) => each.status === "rejected" && each.reason.code)).toEqual([
    "STORE_FAILED",
    "STORE_FAILED",
  ]);
  trouble.mockRestore();
  await set.committer.queue.writer().commit([{ kind: "put", key: "k/2", value: new Uint8Array(10) }]).synced;
  expect(seen.transactions).toBe(1);
});
