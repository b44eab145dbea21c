import type { Durability, Epoch, Offset, Sequence } from "../message/brands.ts";
import type { ErrorCode, WireError } from "../message/errors.ts";
import { ID_BYTES_MAX, KEY_BYTES_MAX } from "../message/packed.ts";
import type { Route } from "../message/route.ts";
import { SLOTS } from "../message/route.ts";
import type { Retention, TopicSpec } from "../message/topic.ts";
import type {
  Description,
  Explanation,
  GroupDescription,
  KeyView,
  LeaseView,
  OffsetClass,
  QueueView,
  TopicDescription,
} from "../system/views.ts";
import {
  amount,
  anyObject,
  byteString,
  type Check,
  choice,
  type Fields,
  fault,
  finite,
  hasField,
  list,
  nothing,
  nullable,
  oneOf,
  optional,
  record,
  string,
  stringOfBytes,
  tagged,
  tuple,
  whole,
  yesOrNo,
} from "./checks.ts";
import type {
  AppendedRun,
  DeliveredBatch,
  FailureInfo,
  Frame,
  FrameType,
  GroupSettings,
  LeaseKey,
  LeaseResume,
  MemberJoin,
  OffsetRange,
  RedrivenId,
  Settlement,
} from "./frames.ts";
import type {
  Answers,
  AsideChanged,
  AsideListed,
  AsideMessage,
  Question,
  QueueAccount,
  QueueEnd,
} from "./questions.ts";
import { describeFound, violation } from "./violation.ts";

/** Most items a list of a frame may have, and most characters a string. What a broker can take is less: it says so in `welcome`. */
export const LIMITS = {
  name: 128,
  text: 65_536,
  /** Names of set-aside entries and places in lists of them: they may hold a key. */
  place: 4_096,
  versions: 64,
  queues: 4_096,
  groups: 4_096,
  runs: 100_000,
  batches: 100_000,
  /** The span a subscription may have open is 10,000 (PROTOCOL.md, 21). */
  ranges: 10_001,
  leases: 100_000,
  /** Offsets that one change set aside, or that stand aside in one queue. */
  offsets: 1_000_000,
  described: 100_000,
} as const;

const count = whole(1);
const natural = whole();
const positive = whole(1);
const queue = whole(0, LIMITS.queues - 1);
const anOffset = natural as Check<Offset>;
const anEpoch = natural as Check<Epoch>;
const aSequence = natural as Check<Sequence>;
const name = string(LIMITS.name);
const text = string(LIMITS.text);
const place = string(LIMITS.place);
const key = stringOfBytes(KEY_BYTES_MAX);
const instance = stringOfBytes(ID_BYTES_MAX);
const durability: Check<Durability> = choice("memory", "flushed", "synced");

/** Codes of newer peers pass: `fromWireError` knows what to make of them. */
const errorCode: Check<ErrorCode> = (value) =>
  typeof value === "string" && /^[A-Z][A-Z_]{0,63}$/.test(value) ? null : fault("an error code", value);
const wireError = record<WireError>({ code: errorCode, message: text, data: anyObject });
const failure = record<FailureInfo>({ name, message: text, code: nullable(name) });

const rangeShape = tuple<OffsetRange>(natural, natural);
const range: Check<OffsetRange> = (value) => {
  const found = rangeShape(value);
  if (found !== null) return found;
  const [from, to] = value as OffsetRange;
  return from < to ? null : fault("a range that begins before it ends", `${from} to ${to}`);
};
const ranges = list(LIMITS.ranges, range);
const offsets = list(LIMITS.offsets, anOffset);

const redrivenFields: Fields<RedrivenId> = { strand: natural, offset: anOffset };
const redriven = record<RedrivenId>(redrivenFields);
const settlement = record<Settlement>({
  ranges,
  redriven: list(LIMITS.ranges, redriven),
  tried: list(LIMITS.ranges, tuple<readonly [number, number]>(natural, natural)),
  redrivenTried: list(
    LIMITS.ranges,
    record<Settlement["redrivenTried"][number]>({ ...redrivenFields, attempts: natural }),
  ),
});
const leaseFields: Fields<LeaseKey> = { member: natural, queue, epoch: anEpoch };

const runShape = list(LIMITS.queues, tuple<readonly [number, number]>(whole(0, SLOTS - 1), queue));
const routeShape = record<Route>({
  topic: name,
  version: natural,
  ordered: yesOrNo,
  homes: list(LIMITS.queues, name),
  runs: runShape,
});
/** Every slot belongs to one queue, and every queue that is named has a home. */
const route: Check<Route> = (value) => {
  const found = routeShape(value);
  if (found !== null) return found;
  const { homes, runs } = value as Route;
  if (runs[0]?.[0] !== 0) return { field: "runs", expected: "runs from slot 0", found: describeFound(runs[0]?.[0]) };
  for (const [index, [slot, owner]] of runs.entries()) {
    if (index > 0 && slot <= runs[index - 1]![0])
      return { field: `runs[${index}]`, expected: "slots that ascend", found: String(slot) };
    if (owner >= homes.length)
      return { field: `runs[${index}]`, expected: `one of ${homes.length} queues`, found: String(owner) };
  }
  return null;
};
const topicSpec = record<TopicSpec>({
  name,
  queues: whole(1, LIMITS.queues),
  ordered: yesOrNo,
  retention: record<Retention>({
    ageMs: optional(amount),
    bytesMax: optional(amount),
    settledByAll: optional(yesOrNo),
    dropUnsettled: optional(yesOrNo),
  }),
  groups: list(LIMITS.groups, name),
  parkedMessagesMax: amount,
  idWindowMs: amount,
});

const groupSettings = record<GroupSettings>({
  exhausted: choice("park", "dead-letter", "halt"),
  attempts: nullable(positive),
  startAt: oneOf<GroupSettings["startAt"]>(
    '"earliest", "latest" or { timestampMs }',
    [(value) => typeof value === "string", choice("earliest", "latest")],
    [hasField("timestampMs"), record<{ readonly timestampMs: number }>({ timestampMs: finite })],
  ),
});

/* ---------- questions and answers ---------- */

/** The members of a union by their tag, without it; members may share tags and have several. */
type Variant<U, Tag extends string, Value> = U extends { readonly [T in Tag]: infer Own }
  ? Value extends Own
    ? Omit<U, Tag>
    : never
  : never;
type KindOf = Question["kind"];

const aside = { topic: name, group: name, reason: text };
const entryChange = { ...aside, entry: place };
const keyChange = { ...aside, key };
const queueEnd = record<QueueEnd>({ queue, end: anOffset });
const questionFields: { readonly [Kind in KindOf]: Fields<Variant<Question, "kind", Kind>> } = {
  describe: {},
  "describe.topic": { topic: name },
  "describe.group": { topic: name, group: name },
  explain: { topic: name, key },
  ends: { topic: name },
  reached: { topic: name, group: name, ends: list(LIMITS.queues, queueEnd) },
  account: { topic: name, group: name },
  declare: { spec: topicSpec },
  "aside.list": { topic: name, group: name, after: nullable(place), limit: positive },
  "aside.peek": { topic: name, group: name, key, limit: positive },
  "aside.retry": entryChange,
  "aside.skip": entryChange,
  "aside.replace": { ...entryChange, message: byteString },
  "aside.redrive": keyChange,
  "aside.discard": keyChange,
};
const tagRecords = (fields: Readonly<Record<string, unknown>>, tag: string): Readonly<Record<string, Check<unknown>>> =>
  Object.fromEntries(Object.entries(fields).map(([variant, own]) => [variant, record(own as Fields<unknown>, tag)]));
const question = tagged("kind", tagRecords(questionFields, "kind")) as Check<Question>;

const leaseView = record<LeaseView>({ epoch: anEpoch, holder: text, expiresInMs: finite });
const keyView = record<KeyView>({
  group: name,
  text,
  state: choice("idle", "waiting", "handling", "backingOff", "parked", "halted", "paused", "unleased"),
  backlog: natural,
  lagMs: finite,
  lease: nullable(leaseView),
  blockedBy: nullable(
    record<NonNullable<KeyView["blockedBy"]>>({ offset: anOffset, attempt: natural, error: nullable(text) }),
  ),
});
const explanation = record<Explanation>({ topic: name, key, queue, text, groups: list(LIMITS.groups, keyView) });
const queueView = record<QueueView>({
  queue,
  state: choice("quarantined", "vacant", "leased", "revoking"),
  halted: yesOrNo,
  lease: nullable(leaseView),
  cursor: anOffset,
  end: anOffset,
  backlog: natural,
  lagMs: finite,
});
const groupDescription = record<GroupDescription>({
  topic: name,
  group: name,
  state: choice("stable", "rebalancing"),
  members: list(LIMITS.described, text),
  lagMs: finite,
  counts: record<Record<OffsetClass, number>>({
    settled: natural,
    filtered: natural,
    skipped: natural,
    expired: natural,
    deadLettered: natural,
    parked: natural,
    discarded: natural,
    backlog: natural,
  }),
  queues: list(LIMITS.queues, queueView),
});
const topicDescription = record<TopicDescription>({
  topic: name,
  queues: natural,
  groups: list(LIMITS.groups, groupDescription),
  producers: list(LIMITS.described, text),
});
const description = record<Description>({
  brokers: list(
    LIMITS.described,
    record<Description["brokers"][number]>({
      name: text,
      state: choice("starting", "serving", "draining", "stopped", "failed"),
    }),
  ),
  topics: list(LIMITS.described, topicDescription),
});
const account = record<QueueAccount>({
  queue,
  start: anOffset,
  end: anOffset,
  cursor: anOffset,
  settledRanges: ranges,
  settled: natural,
  filtered: natural,
  skipped: natural,
  expired: natural,
  deadLettered: offsets,
  parked: offsets,
  discarded: offsets,
  backlog: natural,
  halted: yesOrNo,
  revision: natural,
  logEpoch: natural,
});
const asideMessageFields: Fields<AsideMessage> = { queue, offset: anOffset, appendedAtMs: finite, message: byteString };
const asideMessage = record<AsideMessage>(asideMessageFields);
const asideListed = record<AsideListed>({
  ...asideMessageFields,
  kind: choice("parked", "dead-letter", "halted"),
  entry: place,
  key: nullable(key),
  behind: natural,
  sinceMs: finite,
  attempts: natural,
  error: failure,
});
const asideList = record<Answers["aside.list"]>({
  entries: list(LIMITS.described, asideListed),
  next: nullable(place),
});
const asideChanged = record<AsideChanged>({ queue, revision: natural, offsets });
const ends = list(LIMITS.queues, queueEnd);
const accounts = list(LIMITS.queues, account);
const asideMessages = list(LIMITS.described, asideMessage);
const answers: { readonly [Kind in keyof Answers]: Check<Answers[Kind]> } = {
  describe: description,
  "describe.topic": topicDescription,
  "describe.group": groupDescription,
  explain: explanation,
  ends,
  reached: nothing,
  account: accounts,
  declare: nothing,
  "aside.list": asideList,
  "aside.peek": asideMessages,
  "aside.retry": asideChanged,
  "aside.skip": asideChanged,
  "aside.replace": asideChanged,
  "aside.redrive": asideChanged,
  "aside.discard": asideChanged,
};
/** An answer does not say what was asked, so here it must be an answer to something; who asked looks again, with `answerTo`. */
const firstHas = (field: string) => (value: unknown) => Array.isArray(value) && hasField(field)(value[0]);
const answer = oneOf<Answers[keyof Answers]>(
  "an answer",
  [(value) => value === null, nothing],
  [(value) => Array.isArray(value) && value.length === 0, ends],
  [firstHas("cursor"), accounts],
  [firstHas("message"), asideMessages],
  [firstHas("end"), ends],
  [hasField("brokers"), description],
  [hasField("members"), groupDescription],
  [hasField("producers"), topicDescription],
  [hasField("key"), explanation],
  [hasField("entries"), asideList],
  [hasField("offsets"), asideChanged],
);

/* ---------- frames ---------- */

/** The fields of every frame. A field added in `frames.ts` does not compile until it is here. */
const frameFields: { readonly [Type in FrameType]: Fields<Variant<Frame, "type", Type>> } = {
  hello: {
    versions: list(LIMITS.versions, natural),
    instance,
    link: natural,
    client: name,
  },
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
  },
  goodbye: { error: nullable(wireError) },
  refused: { request: natural, error: wireError },
  "topic.find": { request: natural, topic: name },
  "topic.found": { request: natural, route, spec: topicSpec },
  "lane.open": {
    request: natural,
    lane: natural,
    topic: name,
    queue,
    producer: name,
    epoch: nullable(anEpoch),
    routeVersion: natural,
  },
  "lane.opened": { request: natural, lane: natural, epoch: anEpoch, expected: aSequence, logEpoch: natural },
  "lane.close": { lane: natural },
  "batch.append": {
    lane: natural,
    epoch: anEpoch,
    sequence: aSequence,
    count,
    durability,
    messages: byteString,
  },
  "batch.appended": {
    lane: natural,
    epoch: anEpoch,
    sequence: aSequence,
    count,
    runs: list(LIMITS.runs, record<AppendedRun>({ count, offset: anOffset, duplicate: yesOrNo })),
    kept: aSequence,
  },
  "lane.kept": { lane: natural, epoch: anEpoch, kept: aSequence },
  "batch.refused": {
    lane: natural,
    epoch: anEpoch,
    sequence: aSequence,
    error: wireError,
    expected: nullable(aSequence),
    retryAfterMs: nullable(amount),
  },
  "member.join": {
    request: natural,
    member: natural,
    topic: name,
    group: name,
    name,
    settings: groupSettings,
    concurrency: positive,
    leaseTtlMs: amount,
    revokeTimeoutMs: amount,
    allocation: choice("sticky", "average", "circle", "consistent-hash"),
    invisibleMs: amount,
    retry: record<MemberJoin["retry"]>({ initialMs: amount, factor: amount, maxMs: amount, jitter: amount }),
  },
  "member.joined": { request: natural, member: natural, ordered: yesOrNo },
  "member.leave": { member: natural },
  heartbeat: {
    beat: natural,
    grantsSeen: natural,
    leases: list(LIMITS.leases, record<LeaseKey>(leaseFields)),
  },
  "heartbeat.answered": {
    beat: natural,
    renewed: list(LIMITS.leases, record<LeaseKey & { readonly ttlMs: number }>({ ...leaseFields, ttlMs: amount })),
    ended: list(LIMITS.leases, record<LeaseKey & { readonly current: Epoch }>({ ...leaseFields, current: anEpoch })),
  },
  "lease.offered": { member: natural, queue },
  "lease.acquire": {
    request: natural,
    member: natural,
    queue,
    resume: nullable(
      record<LeaseResume>({
        epoch: anEpoch,
        settle: settlement,
        inHand: ranges,
        redrivenInHand: list(LIMITS.ranges, redriven),
      }),
    ),
  },
  "lease.granted": {
    request: nullable(natural),
    ...leaseFields,
    ttlMs: amount,
    grant: natural,
    revision: natural,
    logEpoch: natural,
  },
  "lease.raise": { request: natural, ...leaseFields },
  "lease.revoke": { ...leaseFields, withinMs: amount },
  "lease.release": { request: natural, ...leaseFields, settle: settlement },
  "lease.released": { request: natural, ...leaseFields, revision: natural },
  "lease.ended": { ...leaseFields, reason: choice("expired", "fenced", "revoked") },
  credit: { ...leaseFields, messages: natural, bytes: natural },
  deliver: {
    ...leaseFields,
    batches: list(
      LIMITS.batches,
      record<DeliveredBatch>({ offset: anOffset, count, appendedAtMs: finite, messages: byteString }),
    ),
    tried: list(LIMITS.ranges, tuple<readonly [number, number, number]>(natural, natural, natural)),
  },
  redeliver: {
    ...leaseFields,
    entries: list(
      LIMITS.batches,
      record<Variant<Frame, "type", "redeliver">["entries"][number]>({
        ...redrivenFields,
        appendedAtMs: finite,
        attempts: natural,
        losses: natural,
        message: byteString,
      }),
    ),
  },
  settle: { ...leaseFields, settle: natural, settlement },
  settled: { ...leaseFields, settle: natural, revision: natural },
  "settle.refused": { ...leaseFields, settle: natural, error: wireError },
  "aside.put": {
    request: natural,
    ...leaseFields,
    kind: choice("park", "dead-letter", "halt"),
    offset: anOffset,
    key: nullable(key),
    redriven: nullable(redriven),
    attempts: natural,
    error: failure,
  },
  "aside.done": { request: natural, ...leaseFields, revision: natural, offsets },
  ask: { request: natural, question },
  answer: { request: natural, answer },
};
export const FRAME_TYPES = Object.keys(frameFields) as readonly FrameType[];
const frame = tagged("type", tagRecords(frameFields, "type"));

/** The value as a frame: every field looked at, none that does not belong there. @throws `PROTOCOL_VIOLATION` that names frame, field, what was expected and what was found */
export function validateFrame(value: unknown): Frame {
  const found = frame(value);
  if (found === null) return value as Frame;
  const type = hasField("type")(value) ? (value as { readonly type: unknown }).type : undefined;
  const known = typeof type === "string" && Object.hasOwn(frameFields, type);
  throw violation(known ? type : "packet", found.field, found.expected, found.found);
}
/** The answer, if it is one to such a question. @throws `PROTOCOL_VIOLATION` */
export function answerTo<Kind extends keyof Answers>(kind: Kind, value: unknown): Answers[Kind] {
  const found = answers[kind](value);
  if (found === null) return value as Answers[Kind];
  throw violation(
    "answer",
    `answer${found.field === "" || found.field.startsWith("[") ? "" : "."}${found.field}`,
    `${found.expected} (asked: "${kind}")`,
    found.found,
  );
}
