import { choice, list, record } from "../checks.ts";
import { LIMITS, text } from "../field-checks.ts";
import { question } from "./definition.ts";
import { type TopicDescription, topicDescription } from "./describe-topic.ts";
import { observe } from "./rights.ts";

/** The broker, and of its topics those that whoever asks may observe. */
export interface Describe {
  readonly kind: "describe";
}
export interface Description {
  readonly brokers: readonly {
    readonly name: string;
    readonly state: "starting" | "serving" | "draining" | "stopped" | "failed";
  }[];
  readonly topics: readonly TopicDescription[];
}

export const describe = question<Describe, Description>({
  kind: "describe",
  fields: {},
  answer: record<Description>({
    brokers: list(
      LIMITS.described,
      record<Description["brokers"][number]>({
        name: text,
        state: choice("starting", "serving", "draining", "stopped", "failed"),
      }),
    ),
    topics: list(LIMITS.described, topicDescription, "topic"),
  }),
  // or to observe any of the topics: the broker looks
  needs: () => [observe(null)],
  effect: "reads",
});
