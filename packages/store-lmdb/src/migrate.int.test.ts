// Folders of older formats are migrated in place, whatever happens meanwhile;
// those of newer ones are refused and stay as they are.
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Changes } from "./changes.ts";
import { FORMAT_OLDEST, MIGRATIONS, type Migration, newestFormat } from "./formats.ts";
import { openLmdbStore } from "./lmdb-store.ts";
import type { Passport } from "./passport.ts";
import { folder, removeFolders, start } from "./process.fixture.ts";

afterAll(removeFolders);
const bytes = (text: string) => new TextEncoder().encode(text);
const hex = (value: Uint8Array) => Buffer.from(value).toString("hex");
const bytesMax = 2 ** 26;
/** What this version writes, and what a next one would. */
const NEWEST = newestFormat(MIGRATIONS);
const NEXT = NEWEST + 1;
const LOGS = ["a", "b", "c"];
const besideData = (path: string) => JSON.parse(readFileSync(join(path, "store.json"), "utf8")) as Passport;
function copyOf(path: string): string {
  const copy = folder();
  for (const name of readdirSync(path))
    if (/^(data\.mdb|store\.json|journal-.*)$/.test(name)) cpSync(join(path, name), join(copy, name));
  return copy;
}
const filesOf = (path: string) =>
  readdirSync(path)
    .filter((name) => /^(data\.mdb|store\.json|journal-.*)$/.test(name))
    .map((name) => [name, readFileSync(join(path, name)).toString("base64")]);

/** A folder of this version's format, as a killed process leaves it: the last of it is in the journal only. */
let old = "";
const expected: { logs: Record<string, unknown[]>; records: Record<string, string> } = { logs: {}, records: {} };
beforeAll(async () => {
  old = folder();
  const store = await openLmdbStore({ path: old, bytesMax, journalBytes: 65_536 });
  const writer = store.writer();
  for (let n = 0; n < 12; n++) {
    if (n === 6) await vi.waitFor(() => expect(store.isJournaling).toBe(true));
    const writes = LOGS.map((log) => ({
      kind: "append" as const,
      log,
      first: n,
      count: 1,
      bytes: bytes(`${log}${n}`),
    }));
    await writer.commit([...writes, { kind: "put", key: `k/${n}`, value: bytes(`${n}`) }]).flushed;
  }
  for (const log of LOGS)
    expected.logs[log] = (await store.read(log, 0, { bytesMax: 2 ** 30 })).map((batch) => [
      batch.first,
      batch.count,
      hex(batch.bytes),
    ]);
  for (const { key, value } of await store.list("")) expected.records[key] = hex(value);
  await store.abandon();
});
const noted = () => ({
  logs: expected.logs,
  records: { ...expected.records, ...Object.fromEntries(LOGS.map((log) => [`note/${log}`, hex(bytes(log))])) },
});
/** Opens it as a next version would, in a process of its own. */
async function migrated(path: string) {
  const run = start("migrating-process.mjs", [path]);
  const found = JSON.parse((await run.told(1))[0] ?? "") as Record<string, unknown>;
  expect((await run.ended).status).toBe(0);
  return found;
}
const refused = (path: string) =>
  openLmdbStore({ path, bytesMax }).then(
    () => "opened",
    (error: unknown) => error,
  );

describe("a folder of an older format", () => {
  it("is migrated with all that it holds, what is in the journal included, and is refused by older versions then", async () => {
    const path = copyOf(old);
    expect(await migrated(path)).toMatchObject({ ...noted(), ownerEpoch: 2, steps: 4 });
    expect(besideData(path)).toEqual({ format: NEXT, id: expect.any(String), since: "7.0.0" });
    expect(await migrated(path)).toMatchObject({ ...noted(), ownerEpoch: 3, steps: 0 });
    const before = filesOf(path);
    expect(await refused(path)).toMatchObject({
      code: "FORMAT_UNSUPPORTED",
      retryable: false,
      message: expect.stringContaining("open it with version 7.0.0 or newer of @seriatim/store-lmdb"),
      data: { format: NEXT, oldest: FORMAT_OLDEST, newest: NEWEST, needs: "7.0.0" },
    });
    expect(filesOf(path)).toEqual(before);
  });

  it.each([0, 1, 2, 3])(
    "killed at step %i of its migration is migrated by the next open, and by no older version",
    async (step) => {
      const path = copyOf(old);
      const run = start("migrating-process.mjs", [path, String(step)]);
      expect((await run.ended).signal).toBe("SIGKILL");
      expect(besideData(path)).toMatchObject({ format: NEXT, from: NEWEST });
      expect(await refused(path)).toMatchObject({ code: "FORMAT_UNSUPPORTED" });
      expect(await migrated(path)).toMatchObject({ ...noted(), ownerEpoch: 3, steps: 4 - step });
      expect(besideData(path)).toEqual({ format: NEXT, id: expect.any(String), since: "7.0.0" });
    },
  );

  it("of which only the passport beside it says that a migration has begun is migrated", async () => {
    const path = copyOf(old);
    writeFileSync(join(path, "store.json"), JSON.stringify({ ...besideData(path), format: NEXT, from: NEWEST }));
    expect(await refused(path)).toMatchObject({ code: "FORMAT_UNSUPPORTED" });
    expect(await migrated(path)).toMatchObject({ ...noted(), steps: 4 });
  });

  it("of which only the passport beside it does not say yet that it was migrated says so once it is opened", async () => {
    const path = copyOf(old);
    await migrated(path);
    const done = besideData(path);
    writeFileSync(join(path, "store.json"), JSON.stringify({ ...done, from: NEWEST }));
    expect(await migrated(path)).toMatchObject({ ...noted(), steps: 0 });
    expect(besideData(path)).toEqual(done);
  });

  it("goes through every format in between, and what fails on the way is tried again by the next open", async () => {
    const path = copyOf(old);
    let fails = true;
    const putting = (key: string): Changes => ({
      logs: new Map(),
      batches: [],
      records: new Map([[key, bytes(key)]]),
    });
    const migrations: Migration[] = [
      ...MIGRATIONS,
      { since: "7.0.0", parts: () => [putting("four/1"), putting("four/2")] },
      {
        since: "8.0.0",
        *parts({ env }) {
          expect(env.records.getBinary(Buffer.from("four/2"))).toBeDefined();
          yield putting("five/1");
          if (fails) throw new Error("no room, say");
          yield putting("five/2");
        },
      },
    ];
    await expect(openLmdbStore({ path, bytesMax }, { migrations })).rejects.toThrow("no room, say");
    expect(besideData(path)).toMatchObject({ format: NEXT + 1, from: NEXT, since: "8.0.0" });
    fails = false;
    const store = await openLmdbStore({ path, bytesMax }, { migrations });
    const keys = (await store.list("")).map(({ key }) => key);
    expect(keys).toEqual(
      expect.arrayContaining(["four/1", "four/2", "five/1", "five/2", ...Object.keys(expected.records)]),
    );
    await store.writer().commit([{ kind: "put", key: "k/x", value: bytes("x") }]).synced;
    await store.close();
    expect(besideData(path)).toEqual({ format: NEXT + 1, id: store.id, since: "8.0.0" });
    expect(await refused(path)).toMatchObject({
      code: "FORMAT_UNSUPPORTED",
      data: { format: NEXT + 1, needs: "8.0.0" },
    });
  });
});

describe("a folder's format", () => {
  it("is the newest in a folder that is new", async () => {
    const path = folder();
    const migrations: Migration[] = [...MIGRATIONS, { since: "7.0.0", parts: () => [] }];
    await (await openLmdbStore({ path, bytesMax }, { migrations })).close();
    expect(besideData(path)).toMatchObject({ format: NEXT, since: "7.0.0" });
  });
  it("that is older than any that can be migrated is refused with what can be done", async () => {
    const path = copyOf(old);
    writeFileSync(join(path, "store.json"), JSON.stringify({ ...besideData(path), format: 2 }));
    const error = await refused(path);
    expect(error).toMatchObject({ code: "FORMAT_UNSUPPORTED", data: { format: 2, needs: null } });
    expect(String(error)).toContain(
      `expected one from ${FORMAT_OLDEST} to ${NEWEST}: have its messages consumed by the version that wrote it`,
    );
  });
  it("is told by a newer folder also where that does not say which version reads it", async () => {
    const path = copyOf(old);
    writeFileSync(join(path, "store.json"), JSON.stringify({ ...besideData(path), format: NEXT, since: undefined }));
    expect(String(await refused(path))).toContain("open it with a newer version of @seriatim/store-lmdb");
  });
  it("that the data and the passport beside it do not agree on is damage: one of the two was copied alone", async () => {
    const path = copyOf(old);
    const migrations: Migration[] = [...MIGRATIONS, { since: "7.0.0", parts: () => [] }];
    writeFileSync(join(path, "store.json"), JSON.stringify({ ...besideData(path), format: NEXT }));
    const open = openLmdbStore({ path, bytesMax }, { migrations });
    await expect(open).rejects.toMatchObject({ code: "STORE_DAMAGED", data: { expected: NEXT, found: NEWEST } });
  });
});
