// Commits as fast as it can until it is killed, and tells on stdout,
// with synchronous writes, what was reported to it as flushed and synced.
// Runs from dist: `npm test` builds first. node committing-process.mjs <folder> [journalBytes]
import { writeSync } from "node:fs";
import { openLmdbStore } from "../dist/index.js";

const [path = "", journalBytes = ""] = process.argv.slice(2);
const text = new TextEncoder();
const tell = (line) => writeSync(1, `${line}\n`);
let store;
try {
  store = await openLmdbStore({
    path,
    bytesMax: 2 ** 28,
    ...(journalBytes === "" ? {} : { journalBytes: Number(journalBytes) }),
  });
} catch (error) {
  tell(`failed ${error.code} ${error.message}`);
  process.exit(1);
}
tell(`open ${store.ownerEpoch} ${store.id}`);
async function run(log) {
  const extent = await store.extent(log);
  let { start, end } = extent;
  const writer = store.writer();
  const one = async () => {
    while (true) {
      const count = 1 + (end % 5);
      // Contents follow from name and offset, so that whoever reads can tell;
      // some are large enough for pages of their own.
      const bytes = new Uint8Array(end % 7 === 0 ? 6_000 : 40).fill(end % 251);
      const writes = [{ kind: "append", log, first: end, count, bytes }];
      end += count;
      if (end % 3 === 0 && end - start > 300) {
        start = end - 200;
        writes.push({ kind: "truncate", log, before: start });
      }
      writes.push({ kind: "put", key: `end/${log}`, value: text.encode(String(end)) });
      if (end % 2 === 0) writes.push({ kind: "put", key: `mark/${log}/${end % 40}`, value: text.encode(String(end)) });
      else writes.push({ kind: "remove", key: `mark/${log}/${(end + 1) % 40}` });
      const at = end;
      const { flushed, synced } = writer.commit(writes);
      await flushed;
      tell(`flushed ${log} ${at}`);
      await synced;
      tell(`synced ${log} ${at}`);
    }
  };
  await Promise.all([one(), one(), one()]);
}
await Promise.all(["a", "b", "c", "d"].map(run));
