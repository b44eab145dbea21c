import {
  byteString,
  type Check,
  choice,
  type Fields,
  finite,
  hasField,
  list,
  nothing,
  nullable,
  oneOf,
  optional,
  record,
  yesOrNo,
} from "./checks.ts";
import {
  anEpoch,
  anOffset,
  failure,
  id,
  key,
  LIMITS,
  name,
  natural,
  offsets,
  place,
  queue,
  queueEnd,
  ranges,
  text,
} from "./field-checks.ts";
import type { Answers, AsideChanged, AsideListed, AsideMessage, QueueAccount } from "./questions.ts";
import { since } from "./versioned.ts";
import type {
  Description,
  Explanation,
  GroupDescription,
  KeyView,
  LeaseView,
  OffsetClass,
  QueueView,
  TopicDescription,
} from "./views.ts";
import { violation } from "./violation.ts";

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
const asideMessageFields: Fields<AsideMessage> = {
  queue,
  offset: anOffset,
  appendedAtMs: finite,
  message: byteString,
  withheld: since(2, optional(yesOrNo)),
};
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
const asideChanged = record<AsideChanged>({ queue, revision: natural, offsets, key: nullable(key), id: nullable(id) });
const ends = list(LIMITS.queues, queueEnd);
const accounts = list(LIMITS.queues, account);
const asideMessages = list(LIMITS.described, asideMessage);
/** What an answer to each kind of question must be. */
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
  "name.release": nothing,
};
const firstHas = (field: string) => (value: unknown) => Array.isArray(value) && hasField(field)(value[0]);
/** An answer does not say what was asked, so here it must be an answer to something; who asked looks again, with `answerTo`. */
export const answer = oneOf<Answers[keyof Answers]>(
  "an answer",
  [(value) => value === null, nothing],
  [hasField("offsets"), asideChanged], // before explanations, which have a key too
  [(value) => Array.isArray(value) && value.length === 0, ends],
  [firstHas("cursor"), accounts],
  [firstHas("message"), asideMessages],
  [firstHas("end"), ends],
  [hasField("brokers"), description],
  [hasField("members"), groupDescription],
  [hasField("producers"), topicDescription],
  [hasField("key"), explanation],
  [hasField("entries"), asideList],
);
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
