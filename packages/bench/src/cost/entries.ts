// What a client can send, and how it is sent without end.
// The broker's own frames end a client's link at once; they have no price.
import type { RawLink } from "./raw-link.ts";
import { GROUP, HOT, JOBS, LOOSE, ONE, PARKED, specOf } from "./topics.ts";
import type { Frames, FrameType, QuestionKind } from "./wire.ts";

/** What a client with every right knows once it has set up its link; one without knows nothing. */
export interface Known {
  readonly epoch: number;
  readonly expected: number;
}
const NOTHING_KNOWN: Known = { epoch: 1, expected: 0 };

export interface Entry {
  /** What a client with every right does first. */
  readonly setUp?: (link: RawLink) => Promise<Known>;
  /** The n-th of what is sent. */
  readonly frames: (n: number, link: RawLink, known: Known) => Frames;
  /** How many go into a packet. @default 1,000 */
  readonly perPacket?: number;
  /** Each ends its link, so each goes on a link of its own: always, or of those who may do nothing. */
  readonly endsLink?: "always" | "stranger";
}
let names = 0;
const nothing = { ranges: [], redriven: [], tried: [], redrivenTried: [] };
const request = (link: RawLink) => ({ request: link.next() });
const lease = ({ epoch }: Known) => ({ member: 1, queue: 0, epoch });

export const joinFrame = (topic: string, group: string, more: object = {}) => ({
  type: "member.join",
  member: 1,
  topic,
  group,
  name: `member-${process.pid}-${++names}`,
  settings: { exhausted: "park", attempts: 1, startAt: "earliest" },
  concurrency: 1,
  leaseTtlMs: 20_000,
  revokeTimeoutMs: 2_000,
  allocation: "sticky",
  invisibleMs: 60_000,
  retry: { initialMs: 100, factor: 2, maxMs: 1_000, jitter: 0 },
  ...more,
});
/** Joins the topic of one queue in a group of its own, and takes its lease. */
async function holds(link: RawLink): Promise<Known> {
  const offered = link.hears(({ type }) => type === "lease.offered");
  link.say([{ ...joinFrame(ONE.name, `own-${++names}`), ...request(link) }]);
  await offered;
  const { epoch } = await link.ask({ type: "lease.acquire", member: 1, queue: 0, resume: null });
  return { epoch: epoch as number, expected: 0 };
}
async function holdsDelivered(link: RawLink): Promise<Known> {
  const known = await holds(link);
  const credit = { type: "credit", ...lease(known), messages: 10, bytes: 100_000 };
  await link.hears(
    ({ type }) => type === "deliver",
    () => link.say([credit]),
  );
  return known;
}
/** Joins the unordered topic, and has all of it delivered. */
async function holdsLoose(link: RawLink): Promise<Known> {
  await link.hears(
    ({ type }) => type === "lease.granted",
    () => link.say([{ ...joinFrame(LOOSE.name, `own-${++names}`), ...request(link) }]),
  );
  const credit = { type: "credit", ...lease({ epoch: 0, expected: 0 }), messages: 20_000, bytes: 10_000_000 };
  await link.hears(
    ({ type }) => type === "deliver",
    () => link.say([credit]),
  );
  await link.quiet();
  return { epoch: 0, expected: 0 };
}
const laneFrame = (more: object = {}) => ({
  type: "lane.open",
  lane: 1,
  topic: ONE.name,
  queue: 0,
  producer: `producer-${process.pid}-${++names}`,
  epoch: null,
  routeVersion: 1,
  ...more,
});
/** In flight on one lane, at most. */
const BATCHES = 32;
async function opens(link: RawLink): Promise<Known> {
  const { epoch, expected } = await link.ask(laneFrame());
  return { epoch: epoch as number, expected: expected as number };
}
/** Without a key, a body of one byte. */
const MESSAGE = Uint8Array.of(9, 0, 0, 0, 0, 2, 0xff, 0xff, 1);
/** As many as there can be in what is delivered. */
const ranges = Array.from({ length: 5_000 }, (_, n) => [2 * n, 2 * n + 1]);
const NEVER = 2 ** 50;

/** A frame of the broker's. */
const BROKERS = null;
/** Of each type of frame; `ask` is that of its questions. */
export const frameEntries: { readonly [Type in Exclude<FrameType, "ask">]: Entry | typeof BROKERS } = {
  hello: {
    endsLink: "always",
    frames: (n) => [{ type: "hello", versions: [1], instance: `second-${n}`, link: 1, client: "cost", ordinal: null }],
  },
  goodbye: { endsLink: "always", frames: () => [{ type: "goodbye", error: null }] },
  "topic.find": { frames: (_, link) => [{ type: "topic.find", topic: JOBS.name, ...request(link) }] },
  "lane.open": { frames: (n, link) => [{ ...laneFrame({ lane: n }), ...request(link) }] },
  "lane.close": { frames: (n) => [{ type: "lane.close", lane: n }] },
  "batch.append": {
    setUp: opens,
    endsLink: "stranger",
    perPacket: BATCHES / 2,
    frames: (n, _, { epoch, expected }) => [
      {
        type: "batch.append",
        lane: 1,
        epoch,
        sequence: expected + n,
        count: 1,
        durability: "memory",
        messages: MESSAGE,
      },
    ],
  },
  "member.join": { frames: (n, link) => [{ ...joinFrame(JOBS.name, GROUP, { member: n }), ...request(link) }] },
  "member.leave": { frames: (n) => [{ type: "member.leave", member: n }] },
  heartbeat: { frames: (n) => [{ type: "heartbeat", beat: n, grantsSeen: 0, leases: [] }] },
  "lease.acquire": {
    setUp: holds,
    frames: (_, link) => [{ type: "lease.acquire", member: 1, queue: 0, resume: null, ...request(link) }],
  },
  "lease.raise": {
    setUp: holds,
    frames: (n, link, { epoch, expected }) => [
      { type: "lease.raise", ...lease({ epoch: epoch + n, expected }), ...request(link) },
    ],
  },
  "lease.release": {
    setUp: holds,
    frames: (_, link, known) => [{ type: "lease.release", ...lease(known), settle: nothing, ...request(link) }],
  },
  credit: {
    setUp: holds,
    frames: (n, _, known) => [{ type: "credit", ...lease(known), messages: n, bytes: n }],
  },
  settle: {
    setUp: holdsDelivered,
    frames: (n, _, known) => [
      { type: "settle", ...lease(known), settle: n, settlement: { ...nothing, ranges: [[0, 1]] } },
    ],
  },
  "aside.put": {
    setUp: holdsDelivered,
    frames: (_, link, known) => [
      {
        type: "aside.put",
        ...lease(known),
        kind: "dead-letter",
        offset: 0,
        key: "one",
        redriven: null,
        attempts: 1,
        error: { name: "Error", message: "", code: null },
        ...request(link),
      },
    ],
  },
  welcome: BROKERS,
  refused: BROKERS,
  limited: BROKERS,
  "topic.found": BROKERS,
  "lane.opened": BROKERS,
  "batch.appended": BROKERS,
  "lane.kept": BROKERS,
  "lane.rewind": BROKERS,
  "batch.refused": BROKERS,
  "member.joined": BROKERS,
  "member.ended": BROKERS,
  "heartbeat.answered": BROKERS,
  "lease.offered": BROKERS,
  "lease.granted": BROKERS,
  "lease.revoke": BROKERS,
  "lease.released": BROKERS,
  "lease.ended": BROKERS,
  deliver: BROKERS,
  redeliver: BROKERS,
  settled: BROKERS,
  "settle.refused": BROKERS,
  "aside.done": BROKERS,
  answer: BROKERS,
};
const asking = (question: object, more: Partial<Entry> = {}): Entry => ({
  frames: (_, link) => [{ type: "ask", question, ...request(link) }],
  ...more,
});
const ofGroup = { topic: JOBS.name, group: GROUP };
const because = { ...ofGroup, reason: "because" };
const topic = JOBS.name;
export const questionEntries: { readonly [Kind in QuestionKind]: Entry } = {
  describe: asking({ kind: "describe" }),
  "describe.topic": asking({ kind: "describe.topic", topic }),
  "describe.group": asking({ kind: "describe.group", ...ofGroup }),
  explain: asking({ kind: "explain", topic, key: HOT }),
  ends: asking({ kind: "ends", topic }),
  reached: asking({ kind: "reached", ...ofGroup, ends: [{ queue: 0, end: NEVER }] }),
  account: asking({ kind: "account", ...ofGroup }),
  declare: asking({ kind: "declare", spec: specOf(JOBS) }),
  "aside.list": asking({ kind: "aside.list", ...ofGroup, after: null, limit: 1_000 }),
  "aside.peek": asking({ kind: "aside.peek", ...ofGroup, key: PARKED, limit: 1_000 }),
  "aside.retry": asking({ kind: "aside.retry", ...because, entry: "0:1" }),
  "aside.skip": asking({ kind: "aside.skip", ...because, entry: "0:1" }),
  "aside.replace": asking({ kind: "aside.replace", ...because, entry: "0:1", message: MESSAGE }),
  "aside.redrive": asking({ kind: "aside.redrive", ...because, key: "nobody's" }),
  "aside.discard": asking({ kind: "aside.discard", ...because, key: "nobody's" }),
  "name.release": asking({ kind: "name.release", ...because, name: "nobody" }),
};
/** The same once more, as large or as dear as they can be. */
export const furtherEntries: Readonly<Record<string, Entry>> = {
  "ask reached, 4,096 ends": asking(
    { kind: "reached", ...ofGroup, ends: Array.from({ length: 4_096 }, (_, n) => ({ queue: n % 8, end: NEVER + n })) },
    { perPacket: 1 },
  ),
  "settle, 5,000 ranges, unordered": {
    setUp: holdsLoose,
    perPacket: 1,
    frames: (n, _, known) => [{ type: "settle", ...lease(known), settle: n, settlement: { ...nothing, ranges } }],
  },
  "member.join and member.leave": {
    frames: (_, link) => [
      { ...joinFrame(JOBS.name, GROUP), ...request(link) },
      { type: "member.leave", member: 1 },
    ],
  },
  "lane.open and lane.close": {
    frames: (_, link) => [
      { ...laneFrame(), ...request(link) },
      { type: "lane.close", lane: 1 },
    ],
  },
};
/** Everything that has a price, by the name of its row. */
export const entries: ReadonlyMap<string, Entry> = new Map([
  ...Object.entries(frameEntries).flatMap(([type, entry]) => (entry === BROKERS ? [] : [[type, entry] as const])),
  ...Object.entries(questionEntries).map(([kind, entry]) => [`ask ${kind}`, entry] as const),
  ...Object.entries(furtherEntries),
]);
export const knownTo = async (principal: "stranger" | "worker", link: RawLink, { setUp }: Entry): Promise<Known> =>
  principal === "stranger" || setUp === undefined ? NOTHING_KNOWN : await setUp(link);
