import fc from "fast-check";
import { ALLOCATIONS } from "../contracts/allocation.ts";
import { type Epoch, epoch, type Offset, offset, type Sequence, sequence } from "../message/brands.ts";
import type { WireError } from "../message/errors.ts";
import { type PackedFields, packMessage } from "../message/packed.ts";
import { evenRuns, NO_SLOT, type Route, slotOf } from "../message/route.ts";
import type { TopicSpec } from "../message/topic.ts";
import { LIMITS } from "./field-checks.ts";
import type { FailureInfo, Frame, FrameType, LeaseKey, OffsetRange, RedrivenId, Settlement } from "./frames.ts";
import type {
  Answers,
  AsideChanged,
  AsideListed,
  AsideMessage,
  Question,
  QueueAccount,
  QueueEnd,
} from "./questions.ts";
import type {
  Description,
  Explanation,
  GroupDescription,
  KeyView,
  LeaseView,
  QueueView,
  TopicDescription,
} from "./views.ts";
import { FORBIDDEN_KEYS } from "./violation.ts";

type FrameOf<Type extends FrameType> = Extract<Frame, { readonly type: Type }>;

/** Objects with every field; `noNullPrototype`, since packets are read back as ordinary objects. */
const record = <T>(fields: { readonly [Name in keyof T]-?: fc.Arbitrary<T[Name]> }): fc.Arbitrary<T> =>
  fc.record(fields, { noNullPrototype: true }) as unknown as fc.Arbitrary<T>;
const orNull = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { nil: null });
const few = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(arbitrary, { maxLength: 5 });

/** Small ones, and those where an encoding changes its length. */
const natural = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat(),
  fc
    .tuple(fc.constantFrom(7, 8, 14, 16, 21, 28, 31, 32, 35, 42, 49, 53), fc.integer({ min: -2, max: 1 }))
    .map(([bits, by]) => Math.min(2 ** bits + by, Number.MAX_SAFE_INTEGER)),
);
const positive = natural.map((value) => Math.max(1, value));
const queue = fc.nat(4_095);
const offsets: fc.Arbitrary<Offset> = natural.map(offset);
const epochs: fc.Arbitrary<Epoch> = natural.map(epoch);
const sequences: fc.Arbitrary<Sequence> = natural.map(sequence);
const finite = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Object.is(value, -0) ? 0 : value));
const amount = finite.map(Math.abs);
const yesOrNo = fc.boolean();
const string = (maxLength: number) => fc.string({ unit: "binary", maxLength });
const name = fc.oneof(string(64), fc.stringMatching(/^[a-z]{1,20}$/));
const text = fc.oneof(string(200), fc.constantFrom("", "\ufeff", "ß".repeat(300), "x".repeat(70)));
const key = fc.oneof(string(40), fc.constantFrom("", "\ufeffa", "é".repeat(512), "x".repeat(1_024)));
const bytes = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 1_000, maxLength: 1_100 }));
const durability = fc.constantFrom("memory" as const, "flushed" as const, "synced" as const);

const objectKey = fc
  .oneof(fc.string({ maxLength: 10 }), fc.constantFrom("toString", "0", ""))
  .filter((value) => !FORBIDDEN_KEYS.has(value));
const hasForbiddenKey = (value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  Object.entries(value).some(([own, inner]) => FORBIDDEN_KEYS.has(own) || hasForbiddenKey(inner));
const json = fc
  .jsonValue({ maxDepth: 3 })
  .map((value): unknown => JSON.parse(JSON.stringify(value)))
  .filter((value) => !hasForbiddenKey(value));

const headers = fc.dictionary(objectKey, fc.string({ unit: "binary", maxLength: 10 }), {
  noNullPrototype: true,
  maxKeys: 3,
});
export const packedFields: fc.Arbitrary<PackedFields> = fc
  .record({
    key: orNull(key),
    id: orNull(key),
    headers: orNull(headers),
    dueMs: orNull(finite),
    content: fc.oneof(
      fc.record({
        encoding: fc.constant("json" as const),
        body: json.map((value) => new TextEncoder().encode(JSON.stringify(value))),
      }),
      fc.record({ encoding: fc.constantFrom("json" as const, "msgpack" as const, "bytes" as const), body: bytes }),
    ),
  })
  .map(({ content, ...fields }) => ({
    ...fields,
    ...content,
    slot: fields.key === null ? NO_SLOT : slotOf(fields.key),
  }));
const message = fc.oneof(packedFields.map(packMessage), bytes);
const messages = fc.oneof(
  few(packedFields).map((all) => Uint8Array.from(all.flatMap((fields) => [...packMessage(fields)]))),
  bytes,
);

const wireError = record<WireError>({
  code: fc.constantFrom("CLOSED" as const, "QUEUE_FULL" as const, "STALE_EPOCH" as const),
  message: text,
  data: fc.dictionary(objectKey, json, { noNullPrototype: true, maxKeys: 4 }),
});
const failure = record<FailureInfo>({ name, message: text, code: orNull(name) });
const range: fc.Arbitrary<OffsetRange> = fc
  .tuple(natural, natural)
  .filter(([a, b]) => a !== b)
  .map(([a, b]) => [Math.min(a, b), Math.max(a, b)]);
/** In order, none twice. */
const ranges: fc.Arbitrary<readonly OffsetRange[]> = few(range).map((given) => {
  let end = 0;
  const inOrder = given.toSorted((a, b) => a[0] - b[0]);
  return inOrder.filter(([from, to]) => {
    if (from < end) return false;
    end = to;
    return true;
  });
});
const redrivenFields = { strand: natural, offset: offsets };
const redriven = record<RedrivenId>(redrivenFields);
const settlement = record<Settlement>({
  ranges,
  redriven: few(redriven),
  tried: few(fc.tuple(natural, natural)),
  redrivenTried: few(record({ ...redrivenFields, attempts: natural })),
});
const lease = { member: natural, queue, epoch: epochs };
const route: fc.Arbitrary<Route> = fc
  .tuple(name, natural, yesOrNo, fc.array(name, { minLength: 1, maxLength: 9 }))
  .map(([topic, version, ordered, homes]) => ({ topic, version, ordered, homes, runs: evenRuns(homes.length) }));
const spec: fc.Arbitrary<TopicSpec> = record<TopicSpec>({
  name,
  queues: fc.integer({ min: 1, max: 4_096 }),
  ordered: yesOrNo,
  retention: fc.record(
    { ageMs: amount, bytesMax: amount, settledByAll: yesOrNo, dropUnsettled: yesOrNo },
    { requiredKeys: [], noNullPrototype: true },
  ),
  groups: few(name),
  parkedMessagesMax: amount,
  idWindowMs: amount,
});

const aside = { topic: name, group: name, reason: text };
const queueEnd = record<QueueEnd>({ queue, end: offsets });
const kind = <const Kind extends string>(value: Kind) => ({ kind: fc.constant(value) });
const questions: { readonly [Kind in Question["kind"]]: fc.Arbitrary<Question> } = {
  describe: record<Question>({ ...kind("describe") }),
  "describe.topic": fc.record({ ...kind("describe.topic"), topic: name }, { noNullPrototype: true }),
  "describe.group": fc.record({ ...kind("describe.group"), topic: name, group: name }, { noNullPrototype: true }),
  explain: fc.record({ ...kind("explain"), topic: name, key }, { noNullPrototype: true }),
  ends: fc.record({ ...kind("ends"), topic: name, group: name }, { noNullPrototype: true }),
  reached: fc.record({ ...kind("reached"), topic: name, group: name, ends: few(queueEnd) }, { noNullPrototype: true }),
  account: fc.record({ ...kind("account"), topic: name, group: name }, { noNullPrototype: true }),
  declare: fc.record({ ...kind("declare"), spec }, { noNullPrototype: true }),
  "aside.list": fc.record(
    { ...kind("aside.list"), topic: name, group: name, after: orNull(text), limit: positive },
    { noNullPrototype: true },
  ),
  "aside.peek": fc.record(
    { ...kind("aside.peek"), topic: name, group: name, key, limit: positive, from: offsets },
    { requiredKeys: ["kind", "topic", "group", "key", "limit"], noNullPrototype: true },
  ),
  "aside.retry": fc.record({ ...kind("aside.retry"), ...aside, entry: text }, { noNullPrototype: true }),
  "aside.skip": fc.record({ ...kind("aside.skip"), ...aside, entry: text }, { noNullPrototype: true }),
  "aside.replace": fc.record({ ...kind("aside.replace"), ...aside, entry: text, message }, { noNullPrototype: true }),
  "aside.redrive": fc.record({ ...kind("aside.redrive"), ...aside, key }, { noNullPrototype: true }),
  "aside.discard": fc.record({ ...kind("aside.discard"), ...aside, key }, { noNullPrototype: true }),
  "name.release": fc.record(
    { ...kind("name.release"), topic: name, group: orNull(name), name, reason: text },
    { noNullPrototype: true },
  ),
};

const leaseView = record<LeaseView>({ epoch: epochs, holder: name, expiresInMs: finite });
const keyView = record<KeyView>({
  group: name,
  text,
  state: fc.constantFrom("idle", "waiting", "handling", "backingOff", "parked", "halted", "paused", "unleased"),
  backlog: natural,
  lagMs: amount,
  lease: orNull(leaseView),
  blockedBy: orNull(record({ offset: offsets, attempt: natural, error: orNull(text) })),
});
const queueView = record<QueueView>({
  queue,
  state: fc.constantFrom("quarantined", "vacant", "leased", "revoking"),
  halted: yesOrNo,
  lease: orNull(leaseView),
  cursor: offsets,
  end: offsets,
  backlog: natural,
  lagMs: amount,
});
const groupDescription = record<GroupDescription>({
  topic: name,
  group: name,
  state: fc.constantFrom("stable", "rebalancing"),
  members: few(name),
  lagMs: amount,
  counts: record({
    settled: natural,
    filtered: natural,
    skipped: natural,
    expired: natural,
    deadLettered: natural,
    parked: natural,
    discarded: natural,
    backlog: natural,
  }),
  queues: few(queueView),
});
const topicDescription = record<TopicDescription>({
  topic: name,
  queues: natural,
  groups: few(groupDescription),
  producers: few(name),
});
const account = record<QueueAccount>({
  queue,
  start: offsets,
  end: offsets,
  cursor: offsets,
  settledRanges: ranges,
  settled: natural,
  filtered: natural,
  skipped: natural,
  expired: natural,
  deadLettered: few(offsets),
  parked: few(offsets),
  discarded: few(offsets),
  backlog: natural,
  halted: yesOrNo,
  revision: natural,
  logEpoch: natural,
});
const asideMessageFields = { queue, offset: offsets, appendedAtMs: finite, message, withheld: yesOrNo };
const asideListed = record<AsideListed>({
  ...asideMessageFields,
  kind: fc.constantFrom("parked", "dead-letter", "halted"),
  entry: text,
  key: orNull(key),
  behind: natural,
  sinceMs: finite,
  attempts: natural,
  error: failure,
});
const asideChanged = record<AsideChanged>({
  queue,
  revision: natural,
  offsets: few(offsets),
  key: orNull(key),
  id: orNull(text),
});
/** Answers by the kind of question. */
export const answers: { readonly [Kind in keyof Answers]: fc.Arbitrary<Answers[Kind]> } = {
  describe: record<Description>({
    brokers: few(
      record<Description["brokers"][number]>({
        name,
        state: fc.constantFrom("starting", "serving", "draining", "stopped", "failed"),
      }),
    ),
    topics: few(topicDescription),
  }),
  "describe.topic": topicDescription,
  "describe.group": groupDescription,
  explain: record<Explanation>({ topic: name, key, queue, text, groups: few(keyView) }),
  ends: few(queueEnd),
  reached: fc.constant(null),
  account: few(account),
  declare: fc.constant(null),
  "aside.list": record<Answers["aside.list"]>({ entries: few(asideListed), next: orNull(text) }),
  "aside.peek": few(record<AsideMessage>(asideMessageFields)),
  "aside.retry": asideChanged,
  "aside.skip": asideChanged,
  "aside.replace": asideChanged,
  "aside.redrive": asideChanged,
  "aside.discard": asideChanged,
  "name.release": fc.constant(null),
};

/** The fields of every frame but its `type`. A field added in `frames.ts` does not compile until it is here. */
const frameFields: {
  readonly [Type in FrameType]: {
    readonly [Name in Exclude<keyof FrameOf<Type>, "type">]-?: fc.Arbitrary<FrameOf<Type>[Name]>;
  };
} = {
  hello: { versions: few(natural), instance: name, link: natural, client: name, ordinal: orNull(natural) },
  welcome: {
    version: natural,
    brokerId: name,
    broker: name,
    frameBytesMax: positive,
    messageBytesMax: positive,
    inFlightBatchesMax: positive,
    heartbeatMs: amount,
    leaseTtlMsMax: amount,
    durabilityMax: durability,
    ordinal: natural,
  },
  goodbye: { error: orNull(wireError) },
  limited: { limit: name, max: positive, retryInMs: amount },
  refused: { request: natural, error: wireError },
  "topic.find": { request: natural, topic: name, producer: name, group: name, consumer: name },
  "topic.found": { request: natural, route, spec },
  "lane.open": {
    request: natural,
    lane: natural,
    topic: name,
    queue,
    producer: name,
    epoch: orNull(epochs),
    routeVersion: natural,
  },
  "lane.opened": { request: natural, lane: natural, epoch: epochs, expected: sequences, logEpoch: natural },
  "lane.close": { lane: natural },
  "batch.append": {
    lane: natural,
    epoch: epochs,
    sequence: sequences,
    count: fc.integer({ min: 1, max: LIMITS.batch }),
    durability,
    messages,
  },
  "batch.appended": {
    lane: natural,
    epoch: epochs,
    sequence: sequences,
    count: positive,
    runs: few(record({ count: positive, offset: offsets, duplicate: yesOrNo })),
    kept: sequences,
  },
  "lane.kept": { lane: natural, epoch: epochs, kept: sequences },
  "lane.rewind": { lane: natural, epoch: epochs, expected: sequences },
  "batch.refused": {
    lane: natural,
    epoch: epochs,
    sequence: sequences,
    error: wireError,
    expected: orNull(sequences),
    retryAfterMs: orNull(amount),
  },
  "member.join": {
    request: natural,
    member: natural,
    topic: name,
    group: name,
    name,
    settings: record({
      exhausted: fc.constantFrom("park", "dead-letter", "halt"),
      attempts: orNull(positive),
      startAt: fc.oneof(
        fc.constantFrom("earliest" as const, "latest" as const),
        record<{ readonly timestampMs: number }>({ timestampMs: finite }),
      ),
    }),
    concurrency: positive,
    leaseTtlMs: amount,
    revokeTimeoutMs: amount,
    allocation: fc.constantFrom(...ALLOCATIONS),
    invisibleMs: amount,
    retry: record({ initialMs: amount, factor: amount, maxMs: amount, jitter: amount }),
  },
  "member.joined": { request: natural, member: natural, ordered: yesOrNo },
  "member.ended": { member: natural, error: wireError },
  "member.leave": { member: natural },
  heartbeat: { beat: natural, grantsSeen: natural, leases: few(record<LeaseKey>(lease)) },
  "heartbeat.answered": {
    beat: natural,
    renewed: few(record<LeaseKey & { readonly ttlMs: number }>({ ...lease, ttlMs: amount })),
    ended: few(record<LeaseKey & { readonly current: Epoch }>({ ...lease, current: epochs })),
  },
  "lease.offered": { member: natural, queue },
  "lease.acquire": {
    request: natural,
    member: natural,
    queue,
    resume: orNull(record({ epoch: epochs, settle: settlement, inHand: ranges, redrivenInHand: few(redriven) })),
  },
  "lease.granted": {
    request: orNull(natural),
    ...lease,
    ttlMs: amount,
    grant: natural,
    revision: natural,
    logEpoch: natural,
  },
  "lease.raise": { request: natural, ...lease },
  "lease.revoke": { ...lease, withinMs: amount },
  "lease.release": { request: natural, ...lease, settle: settlement },
  "lease.released": { request: natural, ...lease, revision: natural },
  "lease.ended": { ...lease, reason: fc.constantFrom("expired", "fenced", "revoked") },
  credit: { ...lease, messages: natural, bytes: natural },
  deliver: {
    ...lease,
    batches: few(record({ offset: offsets, count: positive, appendedAtMs: finite, messages })),
    tried: few(fc.tuple(natural, natural, natural)),
  },
  redeliver: {
    ...lease,
    entries: few(record({ ...redrivenFields, appendedAtMs: finite, attempts: natural, losses: natural, message })),
  },
  settle: { ...lease, settle: natural, settlement },
  settled: { ...lease, settle: natural, revision: natural },
  "settle.refused": { ...lease, settle: natural, error: wireError },
  "aside.put": {
    request: natural,
    ...lease,
    kind: fc.constantFrom("park", "dead-letter", "halt"),
    offset: offsets,
    key: orNull(key),
    redriven: orNull(redriven),
    attempts: natural,
    error: failure,
  },
  "aside.done": { request: natural, ...lease, revision: natural, offsets: few(offsets) },
  ask: { request: natural, question: fc.oneof(...Object.values(questions)) },
  answer: {
    request: natural,
    answer: fc.oneof(...(Object.values(answers) as fc.Arbitrary<Answers[keyof Answers]>[])),
    more: yesOrNo,
  },
};
/** Fields that may be missing. */
const OPTIONAL: { readonly [Type in FrameType]?: readonly string[] } = {
  answer: ["more"],
  "topic.find": ["producer", "group", "consumer"],
};
export const mayBeMissing = (type: FrameType, field: string): boolean => OPTIONAL[type]?.includes(field) === true;

/** Every frame there is, with values a peer may send. */
export const frames = Object.fromEntries(
  Object.entries<Readonly<Record<string, fc.Arbitrary<unknown>>>>(frameFields).map(([type, fields]) => [
    type,
    fc.record(
      { type: fc.constant(type), ...fields },
      {
        requiredKeys: [
          "type",
          ...Object.keys(fields).filter((name) => !mayBeMissing(type as FrameType, name)),
        ] as "type"[],
        noNullPrototype: true,
      },
    ),
  ]),
) as unknown as { readonly [Type in FrameType]: fc.Arbitrary<FrameOf<Type>> };
export const anyFrame: fc.Arbitrary<Frame> = fc.oneof(...(Object.values(frames) as fc.Arbitrary<Frame>[]));
/** Some for one packet: none that changes which version the others are read in. */
export const anyFrames: fc.Arbitrary<Frame[]> = fc.array(
  anyFrame.filter(({ type }) => type !== "hello" && type !== "welcome"),
  { maxLength: 20, size: "small" },
);
