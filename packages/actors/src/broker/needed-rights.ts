// Which right each request, question and order of a client needs: the whole table. A question that is added to the protocol does not compile until it is here.

import type { Right } from "../contracts/auth.ts";
import type { Variant } from "../protocol/checks.ts";
import type { MemberJoin, TopicFind } from "../protocol/frames.ts";
import type { Question } from "../protocol/questions.ts";

/** Any one of them suffices. The first is named to whoever has none. */
export type AnyOf = readonly [Right, ...Right[]];

export const observe = (topic: string | null, group: string | null = null): Right => ({
  verb: "observe",
  topic,
  group,
});
/** What bodies need, beside what lists them. */
export const read = (topic: string, group: string): Right => ({ verb: "read", topic, group });
const manage = (topic: string): Right => ({ verb: "manage", topic });

/** Whoever may do anything with a topic may look it up. */
export const toFind = ({ topic, producer, group, consumer }: TopicFind): AnyOf => [
  observe(topic),
  { verb: "produce", topic, producer: producer ?? null },
  { verb: "consume", topic, group: group ?? null, consumer: consumer ?? null },
  manage(topic),
];
export const toProduce = (topic: string, producer: string): AnyOf => [{ verb: "produce", topic, producer }];
export const toConsume = ({ topic, group, name }: Pick<MemberJoin, "topic" | "group" | "name">): AnyOf => [
  { verb: "consume", topic, group, consumer: name },
];

type InTopic = { readonly topic: string };
type InGroup = InTopic & { readonly group: string };
const observing = ({ topic }: InTopic): AnyOf => [observe(topic)];
const observingGroup = ({ topic, group }: InGroup): AnyOf => [observe(topic, group)];
const listing = ({ topic, group }: InGroup): AnyOf => [observe(topic, group), read(topic, group), manage(topic)];
const managing = ({ topic }: InTopic): AnyOf => [manage(topic)];
const needs: { readonly [Kind in Question["kind"]]: (question: Variant<Question, "kind", Kind>) => AnyOf } = {
  describe: () => [observe(null)],
  "describe.topic": observing,
  "describe.group": observingGroup,
  explain: observing,
  ends: ({ topic, group }) => [{ verb: "consume", topic, group: group ?? null, consumer: null }, observe(topic)],
  reached: ({ topic, group }) => [{ verb: "consume", topic, group, consumer: null }, observe(topic, group)],
  account: observingGroup,
  declare: ({ spec }) => [manage(spec.name)],
  "name.release": managing,
  "aside.list": listing,
  "aside.peek": listing,
  "aside.retry": managing,
  "aside.skip": managing,
  "aside.replace": managing,
  "aside.redrive": managing,
  "aside.discard": managing,
};
export const neededFor = (question: Question): AnyOf =>
  (needs[question.kind] as (question: Question) => AnyOf)(question);
