// Every question that a client may ask a broker. A new one is a file of its own in `questions/`, a line in `ALL` here,
// and how it is answered in `broker/answer-question.ts`.
import { type Check, tagged, tagRecords } from "./checks.ts";
import { account } from "./questions/account.ts";
import { asideDiscard } from "./questions/aside-discard.ts";
import { asideList } from "./questions/aside-list.ts";
import { asidePeek } from "./questions/aside-peek.ts";
import { asideRedrive } from "./questions/aside-redrive.ts";
import { asideReplace } from "./questions/aside-replace.ts";
import { asideRetry } from "./questions/aside-retry.ts";
import { asideSkip } from "./questions/aside-skip.ts";
import { declare } from "./questions/declare.ts";
import type { QuestionDefinition } from "./questions/definition.ts";
import { describe } from "./questions/describe.ts";
import { describeGroup } from "./questions/describe-group.ts";
import { describeTopic } from "./questions/describe-topic.ts";
import { ends } from "./questions/ends.ts";
import { explain } from "./questions/explain.ts";
import { nameRelease } from "./questions/name-release.ts";
import { reached } from "./questions/reached.ts";

export type { QueueAccount } from "./questions/account.ts";
export type { AsideListed } from "./questions/aside-list.ts";
export type { AsideMessage } from "./questions/aside-messages.ts";
export type { AsideChanged } from "./questions/aside-orders.ts";
export type { Description } from "./questions/describe.ts";
export type { GroupDescription, OffsetClass, QueueView } from "./questions/describe-group.ts";
export type { TopicDescription } from "./questions/describe-topic.ts";
export type { QueueEnd } from "./questions/ends.ts";
export type { Explanation, KeyView } from "./questions/explain.ts";
export type { LeaseView } from "./questions/lease-view.ts";

const ALL = [
  describe,
  describeTopic,
  describeGroup,
  explain,
  ends,
  reached,
  account,
  declare,
  nameRelease,
  asideList,
  asidePeek,
  asideRetry,
  asideSkip,
  asideReplace,
  asideRedrive,
  asideDiscard,
] as const;

type Definition = (typeof ALL)[number];
type AskedIn<D> = D extends QuestionDefinition<infer Asked, infer _> ? Asked : never;
type AnswerIn<D> = D extends QuestionDefinition<infer _, infer Answer> ? Answer : never;
/** Questions by their kind. */
export const QUESTIONS = Object.fromEntries(ALL.map((definition) => [definition.kind, definition])) as unknown as {
  readonly [D in Definition as D["kind"]]: D;
};
export type QuestionKind = keyof typeof QUESTIONS;
/** Any question; `kind` says which. */
export type Question = AskedIn<Definition>;
/** A question of this kind. */
export type QuestionOf<Kind extends QuestionKind> = AskedIn<(typeof QUESTIONS)[Kind]>;
/** What is answered to a question of each kind. */
export type Answers = { readonly [Kind in QuestionKind]: AnswerIn<(typeof QUESTIONS)[Kind]> };

export type AnyAnswer = Answers[QuestionKind];

/** What is said of a question, whichever it is. */
export const definitionOf = (kind: QuestionKind): QuestionDefinition<Question, AnyAnswer> =>
  QUESTIONS[kind] as unknown as QuestionDefinition<Question, AnyAnswer>;

/** The fields of each, and the version of those that came later. */
export const questionFields = Object.fromEntries(ALL.map(({ kind, fields }) => [kind, fields])) as {
  readonly [Kind in QuestionKind]: object;
};
/** Any question, every field looked at. */
export const question = tagged("kind", tagRecords(questionFields, "kind")) as Check<Question>;
