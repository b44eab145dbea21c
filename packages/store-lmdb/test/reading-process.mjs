// Opens a store and reads all of it, in a process of its own, since lmdb may end a process that reads a damaged file.
// Tells one line of JSON: a hash of everything, or the code of what failed. node reading-process.mjs <folder> <logs, comma between> [quick|full]
import { createHash } from "node:crypto";
import { writeSync } from "node:fs";
import { openLmdbStore } from "../dist/index.js";

const [path = "", logs = "", check = "quick"] = process.argv.slice(2);
const answer = {};
let store;
try {
  store = await openLmdbStore({ path, check });
  answer.opened = true;
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
writeSync(1, `${JSON.stringify(answer)}\n`);
process.exit(0);
