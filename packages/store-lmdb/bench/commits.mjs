// What a commit and a transaction cost, in CPU time, and how long commits take. After `npm run build`:
//   node packages/store-lmdb/bench/commits.mjs [small|batches|records|paced|all] [seconds=5] [rounds=3] [folder]
// `small`: one message of 216 bytes and 2 records per commit, 8 writers with 1 commit in flight each.
// `batches`: 32 such messages and a record per commit, 8 writers with 8 in flight each. `records`: a
// record per commit, always the same of each of 8 writers, with 8 in flight each. `paced`: what
// `small` commits, 500 times a second. The median round is told, by CPU time per commit.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLmdbStore } from "../dist/index.js";

const MESSAGE_BYTES = 216;
const SHAPES = {
  small: { writers: 8, inFlight: 1, count: 1, records: 2 },
  batches: { writers: 8, inFlight: 8, count: 32, records: 1 },
  records: { writers: 8, inFlight: 8, count: 0, records: 1 },
  paced: { writers: 8, perSecond: 500, count: 1, records: 2 },
};
const [which = "all", seconds = "5", rounds = "3", folder = tmpdir()] = process.argv.slice(2);

for (const [name, shape] of Object.entries(SHAPES)) {
  if (which !== "all" && which !== name) continue;
  const results = [];
  for (let round = 0; round < Number(rounds); round++) results.push(await measure(shape));
  results.sort((a, b) => a.cpuPerCommit - b.cpuPerCommit);
  const { commits, transactions, took, cpuPerCommit, mainPerCommit, waits } = results[results.length >> 1];
  const wait = (share) => waits[Math.min(waits.length - 1, Math.floor(waits.length * share))].toFixed(2);
  process.stdout.write(
    `${name}: ${Math.round(commits / took)} commits/s (${Math.round((commits * shape.count) / took)} msgs/s), ${(commits / transactions).toFixed(1)} per transaction; ` +
      `CPU ${cpuPerCommit.toFixed(1)} µs per commit, ${((cpuPerCommit * commits) / transactions).toFixed(1)} per transaction; main thread ${mainPerCommit.toFixed(1)} and ` +
      `${((mainPerCommit * commits) / transactions).toFixed(1)} µs; wait p50 ${wait(0.5)} ms, p99 ${wait(0.99)}, p99.9 ${wait(0.999)}, max ${wait(1)}\n`,
  );
}

async function measure(shape) {
  const path = mkdtempSync(join(folder, "seriatim-bench-"));
  const store = await openLmdbStore({ path });
  const bytes = new Uint8Array(MESSAGE_BYTES * shape.count).map((_, n) => n * 31);
  const value = new Uint8Array(60).fill(7);
  const logs = Array.from({ length: shape.writers }, (_, n) => ({ n, writer: store.writer(), end: 0 }));
  let waits = [];
  let transactions = 0;
  let lastTransaction;
  const commit = async (log) => {
    const { count } = shape;
    const writes = count === 0 ? [] : [{ kind: "append", log: `topic/queue-${log.n}`, first: log.end, count, bytes }];
    for (let record = 0; record < shape.records; record++)
      writes.push({ kind: "put", key: `record-${record}/queue-${log.n}`, value: value.slice() });
    log.end += count;
    const started = performance.now();
    await log.writer.commit(writes).synced;
    waits.push(performance.now() - started);
    if (lastTransaction !== undefined) return; // commits of one transaction settle in one turn
    transactions += 1;
    lastTransaction = setImmediate(() => {
      lastTransaction = undefined;
    });
  };
  const run = (until) =>
    shape.perSecond === undefined
      ? Promise.all(
          logs.flatMap((log) =>
            Array.from({ length: shape.inFlight }, async () => {
              while (performance.now() < until) await commit(log);
            }),
          ),
        )
      : paced(until, shape.perSecond, (n) => commit(logs[n % logs.length]));
  await run(performance.now() + 1_000); // warm
  waits = [];
  transactions = 0;
  const started = performance.now();
  const cpu = process.cpuUsage();
  const main = mainThreadMicros();
  await run(started + Number(seconds) * 1_000);
  const { user, system } = process.cpuUsage(cpu);
  const mainMicros = mainThreadMicros() - main;
  const took = (performance.now() - started) / 1_000;
  const commits = waits.length;
  await store.close();
  rmSync(path, { recursive: true });
  waits.sort((a, b) => a - b);
  return {
    commits,
    transactions,
    took,
    waits,
    cpuPerCommit: (user + system) / commits,
    mainPerCommit: mainMicros / commits,
  };
}

async function paced(until, perSecond, one) {
  const started = performance.now();
  const all = [];
  for (let n = 0; performance.now() < until; ) {
    for (const due = ((performance.now() - started) * perSecond) / 1_000; n < due; n++) all.push(one(n));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(all);
}

/** CPU time of the thread that runs JavaScript, where the system tells (Linux); else of the process. */
function mainThreadMicros() {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, "latin1").split(" ")[0]) / 1_000;
  } catch {
    const { user, system } = process.cpuUsage();
    return user + system;
  }
}
