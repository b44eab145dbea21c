import { nothing } from "../checks.ts";
import { name } from "../field-checks.ts";
import { question } from "./definition.ts";
import { type QueueEnd, queueEnds } from "./ends.ts";
import { consume, observe } from "./rights.ts";

/** Answered once the group's cursor has reached every end given (or the link ends). */
export interface Reached {
  readonly kind: "reached";
  readonly topic: string;
  readonly group: string;
  readonly ends: readonly QueueEnd[];
}

export const reached = question<Reached, null>({
  kind: "reached",
  fields: { topic: name, group: name, ends: queueEnds },
  answer: nothing,
  needs: ({ topic, group }) => [consume(topic, group, null), observe(topic, group)],
  effect: "reads",
  waits: true,
});
