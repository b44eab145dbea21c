// Who may use a folder, and which. The other process runs from dist: `npm test` builds first.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { openLmdbStore } from "./lmdb-store.ts";
import { folder, removeFolders, start } from "./process.fixture.ts";

afterEach(removeFolders);

const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : new TextDecoder().decode(bytes));
const encode = (value: string) => new TextEncoder().encode(value);

describe("a folder that another process has open", () => {
  it("is in use while that process lives, and free once it is killed", async () => {
    const path = folder();
    const run = start("committing-process.mjs", [path]);
    expect((await run.told(1))[0]).toMatch(/^open 1 /);
    await expect(openLmdbStore({ path })).rejects.toMatchObject({
      code: "STORE_IN_USE",
      message: expect.stringContaining(path),
    });
    const second = start("committing-process.mjs", [path]);
    expect((await second.told(1))[0]).toMatch(/^failed STORE_IN_USE /);
    await second.ended;
    run.kill();
    await run.ended;
    const store = await openLmdbStore({ path });
    await store.verifyOwner();
    await store.close();
  });

  it("fences the past owner when another process takes the data over", async () => {
    const path = folder();
    const store = await openLmdbStore({ path }, { lock: false });
    await store.writer().commit([{ kind: "put", key: "k", value: encode("1") }]).synced;
    const run = start("committing-process.mjs", [path]);
    expect((await run.told(1))[0]).toMatch(/^open 2 /);
    await expect(store.verifyOwner()).rejects.toMatchObject({ code: "STORE_IN_USE" });
    await expect(store.writer().commit([{ kind: "put", key: "k", value: encode("2") }]).flushed).rejects.toMatchObject({
      code: "STORE_IN_USE",
    });
    run.kill();
    await run.ended;
    expect(text(await store.get("k"))).toBe("1");
    await store.close();
  });
});

describe("a folder that cannot be used", () => {
  it("is refused in one clear line", async () => {
    const path = folder();
    await expect(openLmdbStore({ path: "" })).rejects.toMatchObject({ code: "OPTION_INVALID" });
    await expect(openLmdbStore({ path, bytesMax: 5 })).rejects.toMatchObject({ code: "OPTION_INVALID" });
    await expect(openLmdbStore({ path: join(path, "missing", "deeper") })).rejects.toMatchObject({
      code: "OPTION_INVALID",
      message: expect.stringContaining("missing"),
    });
    writeFileSync(join(path, "file"), "");
    await expect(openLmdbStore({ path: join(path, "file") })).rejects.toMatchObject({ code: "OPTION_INVALID" });
    const store = await openLmdbStore({ path: join(path, "new") });
    await store.close();
  });

  it("is fine with a long name, a blank, and one that looks like a file", async () => {
    const long = join(folder(), `${"x".repeat(100)} y.mdb`);
    const store = await openLmdbStore({ path: long });
    await expect(openLmdbStore({ path: long })).rejects.toMatchObject({ code: "STORE_IN_USE" });
    await store.writer().commit([{ kind: "put", key: "k", value: encode("v") }]).synced;
    await store.close();
    const again = await openLmdbStore({ path: long });
    expect(text(await again.get("k"))).toBe("v");
    await again.close();
  });
});
