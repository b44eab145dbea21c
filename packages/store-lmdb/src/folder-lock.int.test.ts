// The lock on a data folder: of many that want it at once one has it,
// nobody without rights to the folder can stand in the way, and what the dead left does not.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { type FolderLock, lockFolder } from "./folder-lock.ts";
import { openLmdbStore } from "./lmdb-store.ts";
import { folder, removeFolders, start } from "./process.fixture.ts";
import { shortWayTo } from "./short-way.ts";

const processes: { kill(signal: "SIGKILL"): unknown }[] = [];
afterEach(async () => {
  for (const one of processes.splice(0)) one.kill("SIGKILL");
});
afterAll(removeFolders);
const isRoot = process.geteuid?.() === 0;
const NOBODY = 65_534;
const inUse = expect.objectContaining({ code: "STORE_IN_USE" });
/** Left by a process that died while it held or wanted the folder. */
async function leftBehind(path: string): Promise<void> {
  const program = `require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  const child = spawn(process.execPath, ["-e", program, path]);
  await once(child, "close");
  expect(statSync(path).isSocket()).toBe(true);
}

describe("the lock", () => {
  it("is had by one of many that want it at once, also where the dead left theirs, and then by the next", async () => {
    const path = folder();
    for (const name of ["in-use.sock", "in-use-0123456789ab.sock", "in-use-ba9876543210.new"])
      await leftBehind(join(path, name));
    for (let round = 0; round < 5; round++) {
      const outcomes = await Promise.allSettled(Array.from({ length: 12 }, () => lockFolder(path)));
      const held = outcomes.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
      const refused = outcomes.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
      expect(held).toHaveLength(1);
      expect(refused).toEqual(Array(11).fill(inUse));
      expect(readdirSync(path).filter((name) => name.startsWith("in-use"))).toHaveLength(1);
      await (held[0] as FolderLock).release();
    }
    expect(readdirSync(path)).toEqual([]);
  });

  it("is had by one of several processes that start at once", async () => {
    const path = folder();
    await leftBehind(join(path, "in-use.sock"));
    const runs = Array.from({ length: 5 }, () => start("committing-process.mjs", [path]));
    for (const run of runs) processes.push(run);
    const told = (await Promise.all(runs.map((run) => run.told(1)))).map(([line = ""]) =>
      line.split(" ").slice(0, 2).join(" "),
    );
    expect(told.sort()).toEqual([...Array(4).fill("failed STORE_IN_USE"), "open 1"]);
  });

  it("counts as held while its holder stands still", async () => {
    const path = folder();
    const run = start("committing-process.mjs", [path]);
    processes.push(run);
    await run.told(1);
    run.signal("SIGSTOP");
    await expect(lockFolder(path)).rejects.toEqual(inUse);
  });

  it("that an older version holds counts", async () => {
    const path = folder();
    const older = createServer().listen(join(path, "in-use.sock"));
    await once(older, "listening");
    await expect(lockFolder(path)).rejects.toEqual(inUse);
    older.close();
    await once(older, "close");
    await (await lockFolder(path)).release();
  });

  it("is not kept from anybody by a file with its name", async () => {
    const path = folder();
    writeFileSync(join(path, "in-use-00.sock"), "");
    await (await lockFolder(path)).release();
    expect(readdirSync(path)).toEqual([]);
  });
});

describe("another user", () => {
  it("cannot take an abstract name of the folder before its owner comes", async ({ skip }) => {
    skip(process.platform !== "linux", "abstract sockets are Linux's");
    const path = realpathSync(folder());
    const { dev, ino } = statSync(path, { bigint: true });
    // Abstract sockets know no rights: what this process can take, every user of the machine can.
    const taken = createServer().listen(`\0seriatim-lmdb-${dev}-${ino}`.padEnd(108, "_"));
    await once(taken, "listening");
    const store = await openLmdbStore({ path });
    await store.close();
    taken.close();
  });

  it.runIf(isRoot)("that planted a socket while the folder was open to all does not lock its owner out", async () => {
    const path = mkdtempSync(join(tmpdir(), "seriatim-open-"));
    chmodSync(path, 0o777);
    const program = `
      const { chmodSync } = require("node:fs");
      require("node:net").createServer((socket) => socket.write("mine")).listen(process.argv[1], () => {
        chmodSync(process.argv[1], 0o777); console.log("listening");
      })`;
    const names = ["in-use.sock", "in-use-00.sock"];
    for (const name of names) {
      const child = spawn(process.execPath, ["-e", program, join(path, name)], { uid: NOBODY, gid: NOBODY });
      processes.push(child);
      await once(child.stdout, "data");
    }
    const store = await openLmdbStore({ path });
    expect(readdirSync(path).filter((name) => names.includes(name))).toEqual([]);
    await store.close();
    rmSync(path, { recursive: true });
  });

  const dist = fileURLToPath(new URL("../dist/index.js", import.meta.url));
  const maySeeDist = isRoot && spawnSync("test", ["-r", dist], { uid: NOBODY, gid: NOBODY }).status === 0;
  it.runIf(maySeeDist)("whose lock may not be asked is told of, with what to do", async () => {
    const path = folder();
    chmodSync(path, 0o777);
    chownSync(path, NOBODY, NOBODY);
    await leftBehind(join(path, "in-use-00.sock")); // of root, as after a start by hand
    chmodSync(join(path, "in-use-00.sock"), 0o600);
    const program = `
      import(process.argv[1]).then(({ openLmdbStore }) => openLmdbStore({ path: process.argv[2] }))
        .then(() => console.log("open"), (error) => console.log(error.code, error.message));`;
    const child = spawn(process.execPath, ["-e", program, dist, path], { uid: NOBODY, gid: NOBODY });
    processes.push(child);
    const [line] = await once(child.stdout, "data");
    expect(String(line)).toMatch(/^STORE_FAILED .*in-use-00\.sock" belongs to another user.*give the folder/);
  });
});

describe("a way to a folder", () => {
  it("is short enough for a socket's address, and gone once it was left", async () => {
    const long = join(realpathSync(folder()), "x".repeat(120));
    mkdirSync(long);
    for (const platform of ["linux", "darwin"] as const) {
      if (platform === "linux" && process.platform !== "linux") continue;
      const way = shortWayTo(long, platform);
      const server = createServer().listen(join(way.path, "in-use-0123456789ab.new"));
      await once(server, "listening");
      expect(readdirSync(long)).toEqual(["in-use-0123456789ab.new"]);
      server.close();
      await once(server, "close");
      way.leave();
      expect(() => statSync(way.path)).toThrow("ENOENT");
    }
  });
});
