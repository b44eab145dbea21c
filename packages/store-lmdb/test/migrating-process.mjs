// Opens a folder as a next version would, of which the format has a record more: a note for each log. Runs from dist.
// node migrating-process.mjs <folder> [step]    dies at that step of the migration;
//     else one line of JSON: what it found
import { MIGRATIONS } from "../dist/formats.js";
import { openLmdbStore } from "../dist/lmdb-store.js";

const [path = "", dieAt = "never"] = process.argv.slice(2);
let step = 0;
const survive = () => {
  if (String(step++) === dieAt) process.kill(process.pid, "SIGKILL");
};
const migration = {
  since: "7.0.0",
  *parts({ env, logs }) {
    survive();
    for (const log of [...logs.keys()]) {
      if (env.records.getBinary(Buffer.from(`note/${log}`)) !== undefined) continue;
      yield { logs: new Map(), batches: [], records: new Map([[`note/${log}`, Buffer.from(log)]]) };
      survive();
    }
  },
};
const store = await openLmdbStore(
  { path, bytesMax: 2 ** 26, check: "full" },
  { migrations: [...MIGRATIONS, migration] },
);
const records = Object.fromEntries(
  (await store.list("")).map(({ key, value }) => [key, Buffer.from(value).toString("hex")]),
);
const logs = {};
for (const log of Object.keys(records).filter((key) => key.startsWith("note/"))) {
  const name = log.slice(5);
  const batches = await store.read(name, 0, { bytesMax: 2 ** 30 });
  logs[name] = batches.map(({ first, count, bytes }) => [first, count, Buffer.from(bytes).toString("hex")]);
}
const { ownerEpoch } = store;
await store.close();
process.stdout.write(`${JSON.stringify({ records, logs, ownerEpoch, steps: step })}\n`);
