// Opens stores and reads all of each, in a process of its own, since lmdb may end a process that reads a damaged file.
// Tells one line of JSON per folder: a hash of everything, or the code of what failed.
// `use` opens it, commits to another log, and reads at the second opening.
// node reading-process.mjs <logs, comma between> <quick|full|use> <folder>...
import { createHash } from "node:crypto";
import { writeSync } from "node:fs";
import { openLmdbStore } from "../dist/index.js";

const [logs = "", check = "quick", ...folders] = process.argv.slice(2);

/** Enough transactions for pages that are taken to be free to be used again. */
async function use(path) {
  const store = await openLmdbStore({ path, bytesMax: 2 ** 28 });
  try {
    const writer = store.writer();
    for (let n = 0; n < 30; n++) {
      const bytes = new Uint8Array(n % 4 === 0 ? 9_000 : 50).fill(n);
      await writer.commit([
        { kind: "append", log: "used", first: n, count: 1, bytes },
        { kind: "put", key: "used", value: bytes },
      ]).synced;
    }
    await writer.commit([{ kind: "remove", key: "used" }]).synced;
  } finally {
    await store.close();
  }
}

async function read(path) {
  const answer = {};
  let store;
  try {
    if (check === "use") await use(path);
    store = await openLmdbStore({ path, check: check === "use" ? "full" : check, bytesMax: 2 ** 28 });
    answer.opened = true;
    answer.ownerEpoch = store.ownerEpoch;
    const hash = createHash("sha256");
    for (const log of logs.split(",")) {
      const extent = await store.extent(log);
      hash.update(JSON.stringify([log, extent]));
      for (let from = extent.start; from < extent.end; ) {
        for (const { first, count, bytes } of await store.read(log, from, { bytesMax: 100_000 })) {
          hash.update(`${first} ${count}`).update(bytes);
          from = first + count;
        }
      }
    }
    for (const { key, value } of await store.list("")) hash.update(key).update(value);
    answer.hash = hash.digest("hex");
  } catch (error) {
    answer.code = error.code ?? "none";
    answer.message = error.message;
  }
  await store?.close().catch(() => {});
  return answer;
}

for (const folder of folders) writeSync(1, `${JSON.stringify(await read(folder))}\n`);
process.exit(0);
