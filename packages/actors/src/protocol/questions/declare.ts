import type { TopicSpec } from "../../message/topic.ts";
import { nothing } from "../checks.ts";
import { topicSpec } from "../field-checks.ts";
import { question } from "./definition.ts";
import { manage } from "./rights.ts";

/** Makes a topic, unless there is the same one already. */
export interface Declare {
  readonly kind: "declare";
  readonly spec: TopicSpec;
}

export const declare = question<Declare, null>({
  kind: "declare",
  fields: { spec: topicSpec },
  answer: nothing,
  needs: ({ spec }) => [manage(spec.name)],
  effect: "idempotent",
});
