// Appends batches of 64 messages of 200 bytes to 8 logs, synced,
// a window of batches in flight per log. After `npm run build`:
//   node packages/store-lmdb/bench/append.mjs [seconds=5] [in flight per log=8] [folder]
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLmdbStore } from "../dist/index.js";

const [seconds = "5", window = "8", folder = tmpdir()] = process.argv.slice(2);
const LOGS = 8;
const BATCH = 64;
const bytes = new Uint8Array(BATCH * 200).map((_, n) => n * 31);
const path = mkdtempSync(join(folder, "seriatim-bench-"));
const store = await openLmdbStore({ path });
const until = performance.now() + Number(seconds) * 1_000;
let commits = 0;
const waits = [];
async function run(log) {
  const writer = store.writer();
  let first = 0;
  const one = async () => {
    while (performance.now() < until) {
      const started = performance.now();
      const { synced } = writer.commit([{ kind: "append", log: `log-${log}`, first, count: BATCH, bytes }]);
      first += BATCH;
      await synced;
      commits += 1;
      waits.push(performance.now() - started);
    }
  };
  await Promise.all(Array.from({ length: Number(window) }, one));
}
const started = performance.now();
const cpu = process.cpuUsage();
await Promise.all(Array.from({ length: LOGS }, (_, log) => run(log)));
const took = (performance.now() - started) / 1_000;
const { user, system } = process.cpuUsage(cpu);
waits.sort((a, b) => a - b);
const at = (share) => waits[Math.min(waits.length - 1, Math.floor(waits.length * share))]?.toFixed(2);
process.stdout.write(
  `append synced, ${LOGS} logs × ${window} in flight: ${Math.round(commits / took)} commits/s, ${Math.round((commits * BATCH) / took)} msgs/s, ` +
    `wait p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, CPU ${((user + system) / 1e6 / took).toFixed(2)} cores\n`,
);
const ends = await Promise.all(Array.from({ length: LOGS }, (_, log) => store.extent(`log-${log}`)));
const total = ends.reduce((sum, extent) => sum + extent.end, 0);
await store.close();

const opening = performance.now();
const again = await openLmdbStore({ path });
const opened = performance.now() - opening;
const reading = performance.now();
let read = 0;
for (const [log, { end }] of ends.entries())
  for (let from = 0; from < end; ) {
    const batches = await again.read(`log-${log}`, from, { bytesMax: 256 * 1_024 });
    for (const batch of batches) {
      read += batch.count;
      from = batch.first + batch.count;
    }
  }
process.stdout.write(
  `open with ${total} msgs: ${opened.toFixed(1)} ms; read all: ${Math.round(read / ((performance.now() - reading) / 1_000))} msgs/s; ` +
    `file ${(statSync(join(path, "data.mdb")).size / 2 ** 20).toFixed(0)} MiB\n`,
);
const cutting = performance.now();
const writer = again.writer();
await writer.commit(ends.map(({ end }, log) => ({ kind: "truncate", log: `log-${log}`, before: end }))).synced;
const cut = performance.now() - cutting;
await again.close();
process.stdout.write(
  `truncate all: ${cut.toFixed(1)} ms, then removed from the file in ${(performance.now() - cutting).toFixed(0)} ms\n`,
);
rmSync(path, { recursive: true });
