// Who may reach the data: its owner alone, whatever the umask, and whatever rights the folder had before.
// What needs a second user runs where the tests run as root.
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { openLmdbStore } from "./lmdb-store.ts";
import { folder, removeFolders, start } from "./process.fixture.ts";

afterAll(removeFolders);
const isRoot = process.geteuid?.() === 0;
const NOBODY = 65_534;
const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8);
/** Of the folder and of all in it. */
const modesIn = (path: string): Record<string, string> =>
  Object.fromEntries([".", ...readdirSync(path)].map((name) => [name, modeOf(join(path, name))]));
const opened = (modes: Record<string, string>) =>
  Object.entries(modes).filter(([name, mode]) => mode !== (name === "." ? "700" : "600"));
const put = { kind: "put", key: "k", value: new TextEncoder().encode("v") } as const;
/** A folder that others may reach, as the folders in it are made: not the one that `mkdtemp` makes. */
const openPlace = (): string => {
  const path = folder();
  chmodSync(path, 0o777);
  return path;
};
async function warningsOf(path: string): Promise<{ text: string; data: Record<string, unknown> }[]> {
  const warnings: { text: string; data: Record<string, unknown> }[] = [];
  const store = await openLmdbStore({
    path,
    onWarning: (text, data) => void warnings.push({ text, data: data as Record<string, unknown> }),
  });
  await store.close();
  return warnings;
}

describe("a data folder", () => {
  it.each(["000", "022", "077", "177"])("is made its owner's alone, and all in it, under umask %s", async (umask) => {
    const path = join(openPlace(), "data");
    const run = start("committing-process.mjs", [path, "65536"], umask);
    expect((await run.told(1))[0]).toMatch(/^open 1 /);
    await vi.waitFor(
      () => expect(readdirSync(path).filter((name) => /^journal-.*[01]$/.test(name))).toHaveLength(2),
      60_000,
    );
    const modes = modesIn(path);
    run.kill();
    await run.ended;
    expect(Object.keys(modes)).toEqual(expect.arrayContaining(["data.mdb", "lock.mdb", "store.json"]));
    expect(Object.keys(modes).filter((name) => /^in-use.*sock$/.test(name))).toHaveLength(1);
    expect(opened(modes)).toEqual([]);
  });

  it("of before is tightened when it is opened, what a killed process left in it included", async () => {
    const path = join(openPlace(), "data");
    const run = start("committing-process.mjs", [path, "65536"]);
    await run.told(30);
    run.kill();
    await run.ended;
    for (const name of readdirSync(path)) chmodSync(join(path, name), 0o664);
    chmodSync(path, 0o2775);
    const warnings: string[] = [];
    const store = await openLmdbStore({ path, onWarning: (text) => void warnings.push(text) });
    const modes = modesIn(path);
    expect(modes["."]).toBe("2700");
    expect(opened({ ...modes, ".": "700" })).toEqual([]);
    expect(warnings).toEqual([]);
    await store.close();
  });

  it("that holds other files too stays as it is, told as a warning, and its own files are tightened", async () => {
    const path = openPlace();
    writeFileSync(join(path, "page.html"), "", { mode: 0o644 });
    const [warning, ...more] = await warningsOf(path);
    expect(more).toEqual([]);
    expect(warning?.text).toMatch(/^the data folder ".*" is not its owner's alone/);
    expect(warning?.data).toEqual({ path, mode: "777", owner: process.geteuid?.(), files: [] });
    const { ".": own, "page.html": foreign, ...ours } = modesIn(path);
    expect([own, foreign]).toEqual(["777", "644"]);
    expect(opened(ours)).toEqual([]);
  });

  it("that a whole machine shares stays as it is", async () => {
    const path = openPlace();
    chmodSync(path, 0o1777);
    expect(await warningsOf(path)).toHaveLength(1);
    expect(modeOf(path)).toBe("1777");
  });

  it("opens although nobody can be warned", async () => {
    const path = openPlace();
    writeFileSync(join(path, "page.html"), "");
    const onWarning = () => {
      throw new Error("broken logger");
    };
    await (await openLmdbStore({ path, onWarning })).close();
  });
});

describe.runIf(isRoot)("another user", () => {
  const asNobody = (program: string, ...args: string[]) =>
    spawnSync(process.execPath, ["-e", program, ...args], { uid: NOBODY, gid: NOBODY, encoding: "utf8" });

  it("reads nothing of it, and plants nothing in it, while it is open and after", async () => {
    const path = join(openPlace(), "data");
    const attempt = `
      const { readFileSync, readdirSync, writeFileSync } = require("node:fs");
      const { connect } = require("node:net");
      const [path] = process.argv.slice(1);
      for (const doing of [
        () => readdirSync(path),
        () => readFileSync(path + "/data.mdb"),
        () => readFileSync(path + "/store.json"),
        () => writeFileSync(path + "/in-use-00.sock", ""),
      ]) try { doing(); console.log("done"); } catch (error) { console.log(error.code); }`;
    const store = await openLmdbStore({ path });
    await store.writer().commit([put]).synced;
    const whileOpen = asNobody(attempt, path);
    await store.close();
    const after = asNobody(attempt, path);
    for (const { stdout } of [whileOpen, after]) expect(stdout.trim().split("\n")).toEqual(Array(4).fill("EACCES"));
  });

  it("that owns the folder, or a file in it, is warned of; and a link of its is not followed", async () => {
    const path = openPlace();
    const elsewhere = join(folder(), "elsewhere");
    writeFileSync(elsewhere, "untouched", { mode: 0o644 });
    mkdirSync(join(path, "data"), { mode: 0o777 });
    symlinkSync(elsewhere, join(path, "data", "store.json.new"));
    spawnSync("chown", ["-h", `${NOBODY}`, join(path, "data", "store.json.new")]);
    chownSync(join(path, "data"), NOBODY, NOBODY);
    const [warning] = await warningsOf(join(path, "data"));
    expect(warning?.data).toMatchObject({ owner: NOBODY, files: ["store.json.new"] });
    expect(modeOf(elsewhere)).toBe("644");
    expect(statSync(elsewhere).size).toBe("untouched".length);
  });
});
