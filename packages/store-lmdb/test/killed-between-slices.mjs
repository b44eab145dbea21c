// Commits until so many slices of a file of the journal are in lmdb, and kills itself there;
// tells what was reported to it as synced.
// Runs from dist: `npm test` builds first. node killed-between-slices.mjs <folder> <slices>
import { writeSync } from "node:fs";
import { DataWriter } from "../dist/data-writer.js";
import { openLmdbStore } from "../dist/index.js";

const [path = "", slices = "1"] = process.argv.slice(2);
const { write } = DataWriter.prototype;
let written = 0;
const store = await openLmdbStore({ path, bytesMax: 2 ** 28, journalBytes: 65_536 });
const writer = store.writer();
DataWriter.prototype.write = async function (changes, ...rest) {
  const isSlice = store.isJournaling && changes.batches.length > 0;
  if (isSlice && written === Number(slices)) process.kill(process.pid, "SIGKILL");
  await write.call(this, changes, ...rest);
  if (isSlice) written += 1;
};
for (let end = 0; ; ) {
  const writes = [];
  for (let n = 0; n < 20; n++, end++)
    writes.push({ kind: "append", log: "log", first: end, count: 1, bytes: Uint8Array.of(end % 251) });
  await writer.commit(writes).synced;
  writeSync(1, `${end}\n`);
}
