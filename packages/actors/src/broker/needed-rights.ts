// Which right each request of a client needs. Of a question and an order it stands in `protocol/questions`, with the
// rest.
import type { MemberJoin, TopicFind } from "../protocol/frames.ts";
import { type AnyOf, consume, manage, observe } from "../protocol/questions/rights.ts";

/** Whoever may do anything with a topic may look it up. */
export const toFind = ({ topic, producer, group, consumer }: TopicFind): AnyOf => [
  observe(topic),
  { verb: "produce", topic, producer: producer ?? null },
  consume(topic, group ?? null, consumer ?? null),
  manage(topic),
];
export const toProduce = (topic: string, producer: string): AnyOf => [{ verb: "produce", topic, producer }];
export const toConsume = ({ topic, group, name }: Pick<MemberJoin, "topic" | "group" | "name">): AnyOf => [
  consume(topic, group, name),
];
