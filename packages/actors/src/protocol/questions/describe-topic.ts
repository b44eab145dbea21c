import { list, record } from "../checks.ts";
import { LIMITS, name, natural, text } from "../field-checks.ts";
import { question } from "./definition.ts";
import { type GroupDescription, groupDescription } from "./describe-group.ts";
import { toObserve } from "./rights.ts";

/** One topic, and of its groups those that whoever asks may observe. */
export interface DescribeTopic {
  readonly kind: "describe.topic";
  readonly topic: string;
}
export interface TopicDescription {
  readonly topic: string;
  readonly queues: number;
  readonly groups: readonly GroupDescription[];
  readonly producers: readonly string[];
}
export const topicDescription = record<TopicDescription>({
  topic: name,
  queues: natural,
  producers: list(LIMITS.described, text),
  groups: list(LIMITS.groups, groupDescription, "group"),
});

export const describeTopic = question<DescribeTopic, TopicDescription>({
  kind: "describe.topic",
  fields: { topic: name },
  answer: topicDescription,
  needs: toObserve,
  effect: "reads",
});
