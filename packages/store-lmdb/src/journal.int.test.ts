// The journal when something goes wrong:
// a crash, a disk that fails under it or under lmdb. journal.proof.test.ts has killed processes and damaged files.
import { setTimeout as sleep } from "node:timers/promises";
import type { StoreWriter } from "@seriatim/actors";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Committer } from "./committer.ts";
import { DataWriter } from "./data-writer.ts";
import { Journal } from "./journal.ts";
import { openFolder } from "./open-folder.ts";
import { settingsOf } from "./options.ts";
import { folder, journalsIn, removeFolders } from "./process.fixture.ts";
import { Room } from "./room.ts";
import { readLog, recordOf, stateOf } from "./view.ts";

afterEach(removeFolders);

describe("a journal", () => {
  /** A committer whose journal holds a few transactions of `put`. */
  async function setUp(path = folder()) {
    const settings = { ...settingsOf({ path, bytesMax: 2 ** 28 }), journalBytes: 4_096 };
    const opened = await openFolder(path, settings);
    const committer = new Committer(path, settings, opened, new Room(path, settings.bytesMax, settings.runtime));
    while (!committer.isJournaling) await committer.queue.writer().commit([{ kind: "remove", key: "none" }]).synced;
    let writer: StoreWriter = committer.queue.writer();
    const commit = (n: number) => writer.commit([{ kind: "put", key: `k/${n}`, value: new Uint8Array(300).fill(n) }]);
    return {
      path,
      committer,
      commit,
      put: (n: number) => commit(n).synced,
      append: (first: number) =>
        writer.commit([{ kind: "append", log: "log", first, count: 1, bytes: new Uint8Array(300).fill(first) }]).synced,
      truncate: (before: number) => writer.commit([{ kind: "truncate", log: "log", before }]).synced,
      renew: () => {
        writer = committer.queue.writer();
      },
      has: (n: number) => recordOf(committer.data, `k/${n}`) !== undefined,
      firsts: () => readLog(committer.data, "log", 0, 1e9).map(({ first }) => first),
    };
  }
  const reopened = async ({ path, committer }: Awaited<ReturnType<typeof setUp>>) => {
    await committer.abandon();
    return setUp(path);
  };

  it("is read where lmdb has not got it yet, across its files and after a crash", async () => {
    const first = await setUp();
    for (let n = 0; n < 23; n++) {
      await first.append(n);
      expect(first.firsts()).toEqual(Array.from({ length: n + 1 }, (_, at) => at));
    }
    await first.truncate(21);
    await first.append(23);
    expect([first.firsts(), stateOf(first.committer.data, "log")]).toMatchObject([
      [21, 22, 23],
      { start: 21, end: 24 },
    ]);
    const second = await reopened(first);
    expect(second.firsts()).toEqual([21, 22, 23]);
    await second.committer.close();
    expect(journalsIn(second.path)).toEqual([]);
  });

  it("is empty, and its memory free, once nothing was committed for a second", async () => {
    const set = await setUp();
    for (let n = 0; n < 4; n++) await set.append(n);
    expect(set.committer.recentBytes).toBeGreaterThan(0);
    await expect.poll(() => set.committer.recentBytes).toBe(0);
    expect(set.firsts()).toEqual([0, 1, 2, 3]);
    await set.append(4);
    expect(set.firsts()).toEqual([0, 1, 2, 3, 4]);
    await set.committer.close();
  });

  it("that cannot be written fails the commits it was to take, and is left for a new one", async () => {
    const set = await setUp();
    await set.put(1);
    const { append } = Journal.prototype;
    // Written, but not known to be: what was told as failed must not come back once something else was committed.
    vi.spyOn(Journal.prototype, "append").mockImplementationOnce(function (this: Journal, bytes) {
      append.call(this, bytes);
      this.isBroken = true;
      throw new Error("EIO");
    });
    await expect(set.put(2)).rejects.toMatchObject({ code: "STORE_FAILED", message: expect.stringContaining("EIO") });
    expect([set.has(1), set.has(2)]).toEqual([true, false]);
    set.renew();
    await set.put(3);
    while (!set.committer.isJournaling) await set.put(4);
    await set.put(5);
    const next = await reopened(set);
    expect([1, 2, 3, 4, 5].map(next.has)).toEqual([true, false, true, true, true]);
    await next.committer.close();
  });

  it("tells a commit as flushed once it is written, and as synced once the disk has it", async () => {
    const set = await setUp();
    const { sync } = Journal.prototype;
    let letSync = (): void => {};
    vi.spyOn(Journal.prototype, "sync").mockImplementationOnce(async function (this: Journal) {
      await new Promise<void>((resolve) => {
        letSync = resolve;
      });
      await sync.call(this);
    });
    const told: string[] = [];
    const { flushed, synced } = set.commit(1);
    void synced.then(() => told.push("synced"));
    await flushed;
    expect([set.has(1), told]).toEqual([true, []]);
    const later = set.put(2);
    await sleep(20);
    expect([set.has(2), told]).toEqual([false, []]); // one after the other
    letSync();
    await later;
    expect([set.has(2), told]).toEqual([true, ["synced"]]);
    await set.committer.close();
  });

  it("that cannot be synced is left for lmdb, which makes the same commits durable", async () => {
    const set = await setUp();
    await set.put(1);
    vi.spyOn(Journal.prototype, "sync").mockImplementationOnce(async function (this: Journal) {
      this.isBroken = true;
      throw new Error("EIO");
    });
    await set.put(2);
    expect([set.has(2), set.committer.recentBytes]).toEqual([true, 0]);
    await set.put(3);
    const next = await reopened(set);
    expect([1, 2, 3].map(next.has)).not.toContain(false);
    await next.committer.close();
  });

  it("that can be synced neither there nor in lmdb fails what was to be synced, keeps what was told as flushed, and what comes later makes it durable", async () => {
    const set = await setUp();
    vi.spyOn(Journal.prototype, "sync").mockImplementationOnce(async function (this: Journal) {
      this.isBroken = true;
      throw new Error("EIO");
    });
    const failing = vi.spyOn(DataWriter.prototype, "write").mockRejectedValue(new Error("disk"));
    const { flushed, synced } = set.commit(1);
    await flushed;
    await expect(synced).rejects.toMatchObject({ code: "STORE_FAILED", message: expect.stringContaining("disk") });
    await expect(set.put(2)).rejects.toMatchObject({ code: "STORE_FAILED" }); // its writer has failed
    failing.mockRestore();
    set.renew();
    expect(set.has(1)).toBe(true);
    await set.put(3);
    expect(set.committer.recentBytes).toBe(0);
    const next = await reopened(set);
    expect([1, 2, 3].map(next.has)).toEqual([true, false, true]);
    await next.committer.close();
  });

  it("goes on while lmdb fails, and what it holds comes into lmdb later", async () => {
    const set = await setUp();
    const failing = () =>
      Object.assign(set.committer.data.env.owner, { ifVersion: () => Promise.reject(new Error("disk")) });
    failing();
    for (let n = 0; n < 10; n++) await set.put(n); // more than one file holds
    for (let n = 10; n < 60; n++) await set.put(n); // read anew since, lmdb works again
    expect(Array.from({ length: 60 }, (_, n) => set.has(n))).not.toContain(false);
    const next = await reopened(set);
    expect(Array.from({ length: 60 }, (_, n) => next.has(n))).not.toContain(false);
    await next.committer.close();
  });

  it("that is full while lmdb goes on failing fails what finds no room in it, and loses nothing", async () => {
    const set = await setUp();
    const failing = vi.spyOn(DataWriter.prototype, "write").mockRejectedValue(new Error("disk"));
    const kept: number[] = [];
    let failure: unknown;
    for (let n = 0; failure === undefined && n < 100; n++)
      await set.put(n).then(
        () => kept.push(n),
        (error: unknown) => {
          failure = error;
        },
      );
    failing.mockRestore();
    expect(failure).toMatchObject({ code: "STORE_FAILED" });
    expect(kept.length).toBeGreaterThan(4);
    set.renew();
    for (let n = 200; n < 220; n++) await set.put(n);
    const next = await reopened(set);
    expect(kept.map(next.has)).not.toContain(false);
    expect(next.has(219)).toBe(true);
    await next.committer.close();
  });
});
