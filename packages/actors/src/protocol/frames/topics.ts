import type { Route } from "../../message/route.ts";
import type { TopicSpec } from "../../message/topic.ts";
import { optional, since } from "../checks.ts";
import { name, natural, route, topicSpec } from "../field-checks.ts";
import { frame } from "./definition.ts";

/**
 * C, before it uses a topic; answered by `topic.found` or `refused` (`FORBIDDEN`, `TOPIC_UNKNOWN`). Under which names
 * it means to is said from version 2 on, so that whoever has a right by name may look.
 */
export interface TopicFind {
  readonly type: "topic.find";
  readonly request: number;
  readonly topic: string;
  readonly producer?: string;
  readonly group?: string;
  readonly consumer?: string;
}
export const topicFind = frame<TopicFind>({
  type: "topic.find",
  fields: {
    request: natural,
    topic: name,
    producer: since(2, optional(name)),
    group: since(2, optional(name)),
    consumer: since(2, optional(name)),
  },
});

/** B, answers `topic.find`. */
export interface TopicFound {
  readonly type: "topic.found";
  readonly request: number;
  readonly route: Route;
  readonly spec: TopicSpec;
}
export const topicFound = frame<TopicFound>({
  type: "topic.found",
  fields: { request: natural, route, spec: topicSpec },
});
