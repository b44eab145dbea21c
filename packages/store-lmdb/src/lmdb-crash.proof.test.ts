// What is left after a process was killed, a file was damaged or a disk was full.
// The processes run from dist: `npm test` builds first.
// `DAMAGE_SEED` chooses other places to overwrite.
import {
  closeSync,
  cpSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Store } from "@seriatim/actors";
import { simulatedRuntime } from "@seriatim/testing";
import { afterEach, describe, expect, it } from "vitest";
import { Committer } from "./committer.ts";
import { lmdbError } from "./errors.ts";
import { MIGRATIONS, newestFormat, passportOf } from "./formats.ts";
import { openLmdbStore } from "./lmdb-store.ts";
import { openFolder } from "./open-folder.ts";
import { settingsOf } from "./options.ts";
import { type Found, folder, readAll, removeFolders, start } from "./process.fixture.ts";
import { Room } from "./room.ts";

afterEach(removeFolders);

const LOGS = ["a", "b", "c", "d"];
/** Reading a folder takes well under a second. */
const HANG_MS = 30_000;
const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : new TextDecoder().decode(bytes));
const encode = (value: string) => new TextEncoder().encode(value);

describe("killed while it commits", () => {
  it("keeps everything reported, every commit whole or absent, and true extents", async () => {
    const path = folder();
    let epoch = 0;
    let id: string | undefined;
    const ends = new Map<string, number>();
    let journals = 0;
    for (let round = 0; round < 24; round++) {
      const run = start("committing-process.mjs", [path, ["", "65536", "0"][round % 3] as string]);
      const [word, at, as] = ((await run.told(1))[0] ?? "").split(" ");
      expect([word, Number(at)], `round ${round}`).toEqual(["open", epoch + 1]);
      id ??= as;
      expect(as).toBe(id);
      await run.told(1 + Math.floor(Math.random() * 1_000));
      run.kill();
      await run.ended;
      for (const line of run.lines) {
        const [what, log = "", end] = line.split(" ");
        if (what === "synced" || what === "flushed") ends.set(log, Math.max(ends.get(log) ?? 0, Number(end)));
      }
      if (readdirSync(path).some((name) => name.startsWith("journal-"))) journals += 1;
      const store = await openLmdbStore({ path, bytesMax: 2 ** 28 });
      expect(readdirSync(path).filter((name) => name.startsWith("journal-"))).toEqual([]);
      expect(store.ownerEpoch).toBe(epoch + 2);
      epoch = store.ownerEpoch;
      for (const log of LOGS) {
        const { end } = await store.extent(log);
        expect(end, `round ${round}: end of ${log}`).toBeGreaterThanOrEqual(ends.get(log) ?? 0);
        await expectWhole(store, log);
      }
      await store.close();
    }
    expect(Math.min(...LOGS.map((log) => ends.get(log) ?? 0)), "commits were made at all").toBeGreaterThan(50);
    expect(journals, "died with a journal").toBeGreaterThan(3);
  });

  /** What `committing-process.mjs` writes in one commit agrees: the batches, the record of the end, and the marks. */
  async function expectWhole(store: Store, log: string): Promise<void> {
    const extent = await store.extent(log);
    expect(text(await store.get(`end/${log}`)), log).toBe(extent.end === 0 ? undefined : String(extent.end));
    let next = extent.start;
    let bytes = 0;
    while (next < extent.end) {
      for (const batch of await store.read(log, next, { bytesMax: 65_536 })) {
        expect([batch.first, batch.count], log).toEqual([next, 1 + (next % 5)]);
        expect(batch.bytes.every((byte) => byte === next % 251)).toBe(true);
        bytes += batch.bytes.length;
        next = batch.first + batch.count;
      }
    }
    expect({ start: extent.start, end: next, bytes }, log).toEqual(extent);
    const marks = new Map<string, string | undefined>();
    for (let at = 0, end = 0; end < extent.end; at = end) {
      end = at + 1 + (at % 5);
      if (end % 2 === 0) marks.set(`mark/${log}/${end % 40}`, String(end));
      else marks.delete(`mark/${log}/${(end + 1) % 40}`);
    }
    const found = (await store.list(`mark/${log}/`)).map(({ key, value }) => [key, text(value)]);
    expect(found).toEqual([...marks].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
});

describe("a damaged data file", () => {
  const read = async (path: string, check: "quick" | "full" = "quick") =>
    (await readAll([path], LOGS, check))[0] as Found;
  async function filled(): Promise<string> {
    const path = folder();
    const store = await openLmdbStore({ path });
    const writers = LOGS.map((log) => ({ log, writer: store.writer() }));
    const commits = [];
    for (let n = 0; n < 300; n++)
      for (const { log, writer } of writers)
        commits.push(
          writer.commit([
            { kind: "append", log, first: n, count: 1, bytes: new Uint8Array(n % 3 === 0 ? 9_000 : 150).fill(n) },
            { kind: "put", key: `record/${log}/${n}`, value: new Uint8Array(60).fill(n) },
          ]).synced,
        );
    await Promise.all(commits);
    await Promise.all(writers.map(({ log, writer }) => writer.commit([{ kind: "truncate", log, before: 20 }]).synced));
    await store.close();
    return path;
  }
  const copyOf = (path: string) => {
    const copy = folder();
    cpSync(join(path, "data.mdb"), join(copy, "data.mdb"));
    cpSync(join(path, "store.json"), join(copy, "store.json"));
    return copy;
  };

  it("when cut, is refused or complete, never silently less, also at the second try", async () => {
    const path = await filled();
    const { hash } = await read(path);
    expect(hash).toBeDefined();
    const { size } = statSync(join(path, "data.mdb"));
    const lengths = [
      0,
      100,
      4_096,
      8_192,
      12_288,
      size / 4,
      size / 2,
      size - 40_960,
      size - 8_192,
      size - 4_096,
      size - 1,
    ];
    const copies = lengths.map((length) => {
      const copy = copyOf(path);
      truncateSync(join(copy, "data.mdb"), Math.floor(length));
      return copy;
    });
    for (const attempt of ["first", "second"])
      for (const [n, found] of (await readAll(copies, LOGS)).entries()) {
        const length = lengths[n] as number;
        if (found.hash === undefined)
          expect(found, `cut to ${length}, ${attempt}`).toMatchObject({ code: "STORE_DAMAGED" });
        else expect(found, `cut to ${length}, ${attempt}`).toMatchObject({ hash });
        if (length <= size / 2) expect(found.hash).toBeUndefined();
      }
    const missing = copyOf(path);
    rmSync(join(missing, "data.mdb"));
    expect(await read(missing)).toMatchObject({ code: "STORE_DAMAGED" });
    const other = copyOf(await filled());
    cpSync(join(path, "store.json"), join(other, "store.json"));
    expect(await read(other)).toMatchObject({ code: "STORE_DAMAGED" });
  });

  it("when overwritten, is refused or complete, never silently less", async () => {
    const path = await filled();
    const { hash } = await read(path);
    const { size } = statSync(join(path, "data.mdb"));
    const pages = Math.floor(size / 4_096);
    const outcomes = new Map<string, number>();
    const seed = Number(process.env["DAMAGE_SEED"] ?? 1);
    const { random } = simulatedRuntime({ seed });
    const damaged = Array.from({ length: 60 }, (_, n) => {
      const copy = copyOf(path);
      const file = openSync(join(copy, "data.mdb"), "r+");
      const page = n < 4 ? Math.floor(n / 2) : 2 + Math.floor(random() * (pages - 2));
      const bytes = new Uint8Array(n % 4 < 2 ? 4_096 : 256);
      if (n % 2 === 1) for (let at = 0; at < bytes.length; at++) bytes[at] = random() * 256;
      const at = page * 4_096 + (bytes.length < 4_096 ? Math.floor(random() * 3_000) : 0);
      writeSync(file, bytes, 0, bytes.length, at);
      closeSync(file);
      return { copy, about: `seed ${seed}, ${n}: ${bytes.length} bytes at ${at}` };
    });
    for (const check of ["full", "quick"] as const) {
      const some = damaged.filter((_, n) => (n % 3 === 0) === (check === "full"));
      const copies = some.map(({ copy }) => copy);
      for (const [n, found] of (await readAll(copies, LOGS, check, HANG_MS)).entries()) {
        const { about } = some[n] as (typeof some)[0];
        const outcome = found.signal !== undefined ? "the process died" : (found.code ?? "complete");
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        if (outcome === "complete") expect(found.hash, about).toBe(hash);
        else if (outcome !== "the process died") expect(found, about).toMatchObject({ code: "STORE_DAMAGED" });
      }
    }
    expect(outcomes.get("STORE_DAMAGED")).toBeGreaterThan(0);
  });

  /** Where lmdb's pages of a kind lie, those of earlier states too, and where the entries of one do. */
  const pagesOf = (bytes: Buffer, kind: "branch" | "leaf") =>
    Array.from({ length: bytes.length / 4_096 - 2 }, (_, n) => (n + 2) * 4_096).filter(
      (at) => bytes.readBigUInt64LE(at) === BigInt(at / 4_096) && bytes.readUInt16LE(at + 18) === KIND[kind],
    );
  const entriesOf = (bytes: Buffer, page: number) =>
    Array.from(
      { length: bytes.readUInt16LE(page + 20) / 2 },
      (_, n) => page + 24 + bytes.readUInt16LE(page + 24 + n * 2),
    );
  const KIND = { branch: 1, leaf: 2 };

  it("is refused when its pages lead back to themselves", async () => {
    const path = await filled();
    const bytes = readFileSync(join(path, "data.mdb"));
    const branches = pagesOf(bytes, "branch");
    expect(branches.length).toBeGreaterThan(0);
    for (const page of branches) for (const entry of entriesOf(bytes, page)) bytes.writeUIntLE(page / 4_096, entry, 6);
    writeFileSync(join(path, "data.mdb"), bytes);
    expect(await read(path)).toMatchObject({
      code: "STORE_DAMAGED",
      message: expect.stringContaining("MDB_CURSOR_FULL"),
    });
  });

  it("is refused when its keys are longer than keys can be, if lmdb survives that", async () => {
    const path = await filled();
    const bytes = readFileSync(join(path, "data.mdb"));
    const { hash } = await read(path);
    const leaves = pagesOf(bytes, "leaf").filter((_, n) => n % 10 === 0);
    const copies = leaves.map((page, n) => {
      const copy = copyOf(path);
      const damaged = Buffer.from(bytes);
      for (const entry of entriesOf(bytes, page)) damaged.writeUInt16LE(n % 2 === 0 ? 0x837d : 5_000, entry + 6);
      writeFileSync(join(copy, "data.mdb"), damaged);
      return copy;
    });
    for (const [n, found] of (await readAll(copies, LOGS, "quick", HANG_MS)).entries()) {
      const about = `page ${leaves[n]}`;
      if (found.hash !== undefined) expect(found.hash, about).toBe(hash);
      else if (found.signal === undefined) expect(found, about).toMatchObject({ code: "STORE_DAMAGED" });
    }
    // lmdb-js copies such a key over its own memory before it looks at its length,
    // so the process may die or hang first: its words, as it says them
    expect(lmdbError(new Error("Invalid key size 837d"), "reading")).toMatchObject({ code: "STORE_DAMAGED" });
    expect(lmdbError(new Error("Can not read from a closed database"), "reading")).toMatchObject({
      code: "STORE_FAILED",
    });
  });

  it("is told as damaged, not as failing, when that shows after a failed transaction", async () => {
    const path = folder();
    const settings = settingsOf({ path });
    const opened = await openFolder(path, settings);
    const committer = new Committer(path, settings, opened, new Room(path, settings.bytesMax, settings.runtime));
    const writer = committer.queue.writer();
    await writer.commit([{ kind: "put", key: "k", value: encode("to be overwritten") }]).synced;
    const file = join(path, "data.mdb");
    const bytes = readFileSync(file);
    const handle = openSync(file, "r+");
    for (let at = bytes.indexOf("to be overwritten"); at >= 0; at = bytes.indexOf("to be overwritten", at + 1))
      writeSync(handle, "TO", at);
    closeSync(handle);
    Object.assign(opened.data.env.owner, { ifVersion: () => Promise.reject(new Error("disk")) });
    const failing = writer.commit([{ kind: "put", key: "other", value: encode("1") }]);
    await expect(failing.flushed).rejects.toMatchObject({ code: "STORE_FAILED" });
    await committer.idle();
    expect(committer.broken).toMatchObject({ code: "STORE_DAMAGED", message: expect.stringContaining("checksum") });
    // a commit is refused as by any store that cannot write:
    // what is sent again finds it there once the data was restored
    const later = committer.queue.writer().commit([{ kind: "put", key: "other", value: encode("1") }]);
    await expect(later.flushed).rejects.toMatchObject({ code: "STORE_FAILED", cause: { code: "STORE_DAMAGED" } });
  });

  it("is not opened when what lies beside it cannot be read", async () => {
    const path = await filled();
    writeFileSync(join(path, "store.json"), "{");
    await expect(openLmdbStore({ path })).rejects.toMatchObject({ code: "STORE_DAMAGED" });
    rmSync(join(path, "store.json")); // as after a crash while it was first made
    const store = await openLmdbStore({ path, check: "full" });
    await store.close();
    expect(JSON.parse(readFileSync(join(path, "store.json"), "utf8"))).toEqual(
      passportOf(store.id, newestFormat(MIGRATIONS), MIGRATIONS),
    );
  });
});
