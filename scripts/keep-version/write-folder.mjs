// Writes a data folder as a version of this repository leaves it when its process is killed, and a manifest of what must be found in it.
// node write-folder.mjs <folder> <manifest file>     runs inside a built checkout of that version, on public interfaces only; ends by killing itself.
import { writeFileSync } from "node:fs";
import { binaryCodec, createSystem, DoNotRetry, provide, tokens, topic, typed } from "@seriatim/actors";
import { lmdbStore } from "@seriatim/store-lmdb";
import { memoryTransport } from "@seriatim/transport-memory";
import { plain } from "./plain.mjs";

const [folder = "", manifestFile = ""] = process.argv.slice(2);
/** Ids are to be known, and removed batches' ids kept, for as long as the test's clock may take. */
const IDS_KEPT_MS = 30 * 24 * 3_600_000;
const HOUR_MS = 3_600_000;
const because = { reason: "to be kept" };

/** @typedef {{ readonly text: string, readonly how?: "retry" | "fail" | "hang" }} Order */
const any = /** @type {typeof typed<any>} */ (typed);
const orders = topic("orders", { schema: any(), key: "send", queues: 2, encoding: "json", idWindowMs: IDS_KEPT_MS });
const payments = topic("payments", { schema: any(), key: "send", queues: 1 });
const jobs = topic("jobs", { schema: any(), key: null, queues: 1, ordered: false, groups: ["later"] });
const blobs = topic("blobs", { schema: any(), key: "send", queues: 1, encoding: "bytes" });
const short = topic("short", {
  schema: any(),
  key: "send",
  queues: 1,
  idWindowMs: IDS_KEPT_MS,
  retention: { settledByAll: true },
});
const topics = [orders, payments, jobs, blobs, short];

/* ---------- what the client's lanes say ---------- */

/** @type {any} */
let hello;
/** @type {any} */
let welcome;
/** @type {Map<number, { topic: string, queue: number, producer: string, epoch: number, next: number }>} */
const lanes = new Map();
/** @param {any} frame */
function watch(frame) {
  if (frame.type === "hello") hello = frame;
  if (frame.type === "welcome") welcome = frame;
  if (frame.type === "lane.open") {
    const { topic, queue, producer } = frame;
    lanes.set(frame.lane, { topic, queue, producer, epoch: -1, next: 0 });
  }
  const lane = lanes.get(frame.lane);
  if (lane === undefined) return;
  if (frame.type === "lane.opened") lane.epoch = frame.epoch;
  if (frame.type === "batch.append") lane.next = frame.sequence + frame.count;
}
/** The codec, watched. The oldest versions' have no more than a name, `encode` and `decode`. @param {typeof binaryCodec} codec @returns {typeof binaryCodec} */
const watched = (codec) => ({
  name: codec.name,
  versions: codec.versions,
  at: (version) => watched(codec.at(version)),
  encode(frames) {
    frames.forEach(watch);
    return codec.encode(frames);
  },
  decode(packet) {
    const frames = codec.decode(packet);
    frames.forEach(watch);
    return frames;
  },
  reader: (packet) => codec.reader(packet),
  answerTo: (kind, answer) => codec.answerTo(kind, answer),
  refusal: (frame) => codec.refusal(frame),
});
const watching = provide(tokens.codec, () => watched(binaryCodec));

/* ---------- the system ---------- */

const system = await createSystem({
  name: "kept",
  heartbeatMs: 100,
  modules: [memoryTransport(), lmdbStore({ path: folder, bytesMax: 64 * 2 ** 20, journalBytes: 65_536 }), watching],
  topics,
});

/** @type {any[]} */
const messages = [];
/** @param {any} producer @param {any} of @param {any} body @param {any} [options] */
async function send(producer, of, body, options = {}) {
  const { queue, offset, key } = await producer.send(body, options);
  const { id = null, headers = {} } = options;
  messages.push({ topic: of.name, queue, offset, key, id, headers, body: plain(body) });
}
/** @param {() => Promise<boolean>} isSo @param {string} what */
async function until(isSo, what) {
  for (let tries = 0; !(await isSo()); tries++) {
    if (tries > 1_000) throw new Error(`it never came to this: ${what}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}
/** @param {any} of @param {string} group @returns {Promise<any[]>} */
const accountOf = async (of, group) => [...(await system.admin.account(of, { group }))];
/** @param {any} of @param {string} group */
const backlogOf = async (of, group) => (await accountOf(of, group)).reduce((sum, { backlog }) => sum + backlog, 0);
/** @param {any} of @param {string} group */
async function listOf(of, group) {
  const found = [];
  for await (const { message, ...entry } of system.admin.setAside(of, { group }).list())
    found.push({ ...entry, queue: message.queue, offset: message.offset, body: plain(message.body) });
  return found;
}
/** @param {any} of @param {string} group @param {string} key */
const entryOf = async (of, group, key) => {
  await until(async () => (await listOf(of, group)).some((entry) => entry.key === key), `${key} is set aside`);
  return (await listOf(of, group)).find((entry) => entry.key === key)?.entry ?? "";
};
/** Failed attempts of what waits to be tried again. @type {any[]} */
const tried = [];
/** How a group handles a body from now on, whatever it says; by group and text. @type {Map<string, string>} */
const instead = new Map();
const hanging = new Promise(() => {});
/** @param {any} message @param {any} context */
async function handle({ topic: name, queue, offset, body }, { group, attempt }) {
  const how = instead.get(`${group} ${body.text}`) ?? body.how;
  if (how === "fail") throw new DoNotRetry(`${body.text} fails`);
  if (how === "hang") await hanging;
  if (how !== "retry") return;
  tried.push({ topic: name, group, queue, offset, attempts: attempt });
  throw new Error(`${body.text} fails for now`);
}
const patient = { attempts: 5, initialMs: HOUR_MS, maxMs: HOUR_MS, jitter: 0 };

/* ---------- a group that parks, with something in each class ---------- */

const producer = system.producer(orders, { name: "writer" });
const ledger = system.consumer(orders, {
  group: "ledger",
  name: "ledger-1",
  concurrency: 64,
  leaseTtlMs: 1_000,
  retry: patient,
});
void ledger.run(handle);
/** @param {string} key @param {readonly ("ok" | "retry" | "fail" | "hang")[]} hows */
async function sendOrders(key, hows) {
  for (const [n, how] of hows.entries()) {
    const text = `${key}${n + 1}`;
    await send(producer, orders, how === "ok" ? { text } : { text, how }, {
      key,
      id: `order-${text}`,
      ...(n === 0 ? { headers: { trace: `t-${key}`, "content-type": "äöü ✓" } } : {}),
    });
  }
}
await sendOrders("settled", ["ok", "ok", "ok"]);
await sendOrders("tried", ["ok", "retry", "ok"]);
await sendOrders("parked", ["fail", "ok", "ok"]);
await sendOrders("discarded", ["fail", "ok", "ok"]);
await sendOrders("redriving", ["fail", "ok", "ok"]);
await sendOrders("skipped", ["fail", "ok"]);
await sendOrders("replaced", ["fail", "ok"]);
await sendOrders("hung", ["hang", "ok"]);
for (let n = 0; n < 24; n++) await sendOrders(`other-${n}`, ["ok", "ok"]);

const aside = system.admin.setAside(orders, { group: "ledger" });
await entryOf(orders, "ledger", "discarded");
await until(async () => (await aside.peek("discarded")).length === 3, "all of the key are parked");
await aside.discard("discarded", because);
await aside.skip(await entryOf(orders, "ledger", "skipped"), because);
await aside.replace(
  await entryOf(orders, "ledger", "replaced"),
  { text: "replaced1 by another", how: "fail" },
  because,
);
await entryOf(orders, "ledger", "redriving");
await until(async () => (await aside.peek("redriving")).length === 3, "all of the key are parked");
instead.set("ledger redriving1", "ok");
instead.set("ledger redriving2", "hang");
await aside.redrive("redriving", because);
await entryOf(orders, "ledger", "parked");

/* ---------- groups of the other policies, and without an order ---------- */

const mail = system.consumer(orders, { group: "mail", exhausted: "dead-letter", concurrency: 64 });
for (const text of ["hung1", "tried2"]) instead.set(`mail ${text}`, "ok");
void mail.run(handle);
await mail.ready();
await until(async () => (await backlogOf(orders, "mail")) === 0, "the group has done all");
const letter = await entryOf(orders, "mail", "skipped");
await system.admin.setAside(orders, { group: "mail" }).skip(letter, because);
await mail.close();

const cashier = system.producer(payments);
for (const [text, how] of [["p1"], ["p2", "fail"], ["p3"]]) await send(cashier, payments, { text, how }, { key: "k" });
const pay = system.consumer(payments, { group: "pay", exhausted: "halt" });
void pay.run(handle);
await pay.ready();
await entryOf(payments, "pay", "k");
await pay.close();

const desk = system.producer(jobs);
const values = { at: new Date(1_700_000_000_000), big: 2n ** 70n, raw: Uint8Array.of(0, 1, 255), tags: new Set(["a"]) };
await send(desk, jobs, { text: "j1", ...values });
await send(desk, jobs, { text: "j2", how: "retry" });
await send(desk, jobs, { text: "j3", how: "fail" });
await send(desk, jobs, { text: "j4" });
const workers = system.consumer(jobs, { group: "workers", retry: patient });
void workers.run(handle);
await workers.ready();
await until(async () => (await accountOf(jobs, "workers"))[0]?.settled === 2, "two jobs are settled");
await until(async () => (await listOf(jobs, "workers")).length === 1, "one job is a dead letter");
await workers.close();

const store = system.producer(blobs);
for (let n = 0; n < 3; n++)
  await send(store, blobs, new Uint8Array(100 * n).fill(n), { key: "b", id: `blob-${n}`, headers: { n: String(n) } });

/* ---------- batches that retention has removed ---------- */

const brief = system.producer(short);
const all = system.consumer(short, { group: "all" });
void all.run(handle);
await all.ready();
for (let n = 0; n < 12; n++) await send(brief, short, { text: `s${n}` }, { key: "s", id: `short-${n}` });
await all.caughtUp();
await new Promise((removed) => setTimeout(removed, 3_000)); // retention works once a second, and tells nobody; the test sees whether it did
await all.close();

/* ---------- and, at last, what is in the journal only ---------- */

ledger.pause();
await until(
  async () => (await system.describe(orders, { group: "ledger" })).queues.every(({ lease }) => lease !== null),
  "all leased",
);
for (let n = 0; n < 6; n++) await sendOrders(`late-${n}`, ["ok", "ok"]);
const groups = [
  { of: orders, group: "ledger", exhausted: "park", attempts: 5, concurrency: 64, leaseTtlMs: 1_000 },
  { of: orders, group: "mail", exhausted: "dead-letter", attempts: 12, concurrency: 64, leaseTtlMs: 10_000 },
  { of: payments, group: "pay", exhausted: "halt", attempts: 12, concurrency: 1, leaseTtlMs: 10_000 },
  { of: jobs, group: "workers", exhausted: "dead-letter", attempts: 5, concurrency: 1, leaseTtlMs: null },
  { of: short, group: "all", exhausted: "park", attempts: 12, concurrency: 1, leaseTtlMs: 10_000 },
];
const found = async () =>
  await Promise.all(
    groups.map(async ({ of, ...settings }) => ({
      topic: of.name,
      ...settings,
      accounts: await accountOf(of, settings.group),
      aside: await listOf(of, settings.group),
    })),
  );
let last = "";
await until(async () => {
  const before = last;
  last = JSON.stringify(await found());
  return last === before;
}, "nothing changes any more");

const { topics: described } = await system.describe();
writeFileSync(
  manifestFile,
  `${JSON.stringify(
    {
      writtenAtMs: Date.now(),
      topics: topics.map(({ name, queues, ordered, retention, groups: known, idWindowMs, encoding, keying }) => ({
        ...{ name, queues, ordered, retention, groups: known, idWindowMs, encoding, keying },
        producers: described.find(({ topic: of }) => of === name)?.producers,
      })),
      groups: JSON.parse(last),
      tried,
      producer: {
        instance: hello.instance,
        link: hello.link,
        ordinal: welcome.ordinal,
        lanes: [...lanes.values()].filter((lane) => lane.producer === "writer"),
      },
      messages,
    },
    undefined,
    1,
  )}\n`,
);
process.kill(process.pid, "SIGKILL");
