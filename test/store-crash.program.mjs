// A broker on an lmdb store with its producer and consumers, for the store's crash tests; runs from dist. Tells what happened, one line each, on stdout.
// node store-crash.program.mjs run <folder> <first number>    sends and handles until it is killed
// node store-crash.program.mjs read <folder>                  one line of JSON: everything there is, what its group had not settled, or what was refused
import { writeSync } from "node:fs";
import { createSystem, DoNotRetry, isMessagingError, provide, tokens, topic, typed } from "@seriatim/actors";
import { lmdbStore } from "@seriatim/store-lmdb";
import { memoryTransport } from "@seriatim/transport-memory";

const [mode, path = "", first] = process.argv.slice(2);
/** @param {string} line */
const tell = (line) => writeSync(1, `${line}\n`);
const numbers = topic("numbers", {
  schema: /** @type {typeof typed<{ n: number, text: string }>} */ (typed)(),
  key: (body) => `k${body.n % 7}`,
  queues: 2,
});
/** @type {string[]} */
const problems = [];
const logging = provide(tokens.logger, () => ({
  log: (level, text, data) => level === "error" && problems.push(`${text} ${JSON.stringify(data)}`),
}));
const open = () =>
  createSystem({
    modules: [memoryTransport(), lmdbStore({ path, bytesMax: 2 ** 28 }), logging],
    topics: [numbers],
  });
const group = { group: "g", leaseTtlMs: 1_000, retry: { attempts: 1 } };

async function run() {
  const system = await open();
  const consumer = system.consumer(numbers, group);
  consumer
    .run(({ queue, offset, body }) => {
      tell(`handled ${queue} ${offset}`);
      if (body.n % 7 === 3 && body.n % 97 === 0) throw new DoNotRetry("parks this one key");
    })
    .catch((error) => tell(`failed ${error.code}`));
  tell("open");
  const producer = system.producer(numbers, { name: "p" });
  for (let n = Number(first); ; n++) {
    await producer.ready();
    producer.send({ n, text: "x".repeat(n % 50 === 0 ? 5_000 : 20) }).then(
      ({ queue, offset }) => tell(`receipt ${queue} ${offset} ${n}`),
      () => {},
    );
    if (n % 20 === 0) await new Promise((done) => setTimeout(done, 1));
  }
}

async function read() {
  /** @type {{ all: Record<string, number>, left: string[], accounts: object | null, code: string | null, problems: string[] }} */
  const answer = { all: {}, left: [], accounts: null, code: null, problems };
  try {
    const system = await open();
    const all = system.consumer(numbers, { group: `audit-${Math.random()}` });
    all
      .run(({ queue, offset, body }) => {
        answer.all[`${queue} ${offset}`] = body.n;
      })
      .catch((error) => problems.push(error.code));
    const left = system.consumer(numbers, group);
    left
      .run(({ queue, offset }) => {
        answer.left.push(`${queue} ${offset}`);
      })
      .catch((error) => problems.push(error.code));
    const timeLimit = new Promise((_, reject) => setTimeout(() => reject(new Error("not in time")), 60_000));
    await Promise.race([Promise.all([all.caughtUp(), left.caughtUp()]), timeLimit]);
    answer.accounts = (await system.describe(numbers, { group: "g" })).counts;
  } catch (error) {
    answer.code = isMessagingError(error) ? error.code : String(error);
  }
  tell(JSON.stringify(answer));
  process.exit(0);
}

await (mode === "run" ? run() : read());
