import type { Offset } from "../../message/brands.ts";
import { list, optional, record, since } from "../checks.ts";
import { anOffset, LIMITS, name, queue } from "../field-checks.ts";
import { question } from "./definition.ts";
import { consume, observe } from "./rights.ts";

/** The end of every queue of the topic here: what `caughtUp()` waits for. */
export interface Ends {
  readonly kind: "ends";
  readonly topic: string;
  /** In which group it waits, since version 2. */
  readonly group?: string;
}
export interface QueueEnd {
  readonly queue: number;
  readonly end: Offset;
}
export const queueEnds = list(LIMITS.queues, record<QueueEnd>({ queue, end: anOffset }));

export const ends = question<Ends, readonly QueueEnd[]>({
  kind: "ends",
  fields: { topic: name, group: since(2, optional(name)) },
  answer: queueEnds,
  needs: ({ topic, group }) => [consume(topic, group ?? null, null), observe(topic)],
  effect: "reads",
});
