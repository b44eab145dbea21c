import type { MessagingError } from "../message/errors.ts";
import type { Route } from "../message/route.ts";
import type { TopicSpec } from "../message/topic.ts";

/** A topic as its broker described it. */
export interface TopicView {
  readonly route: Route;
  readonly spec: TopicSpec;
  /** The queue of each slot. */
  readonly table: Uint16Array;
}
/** Under which names a topic is to be used: who may use it by name may look it up. */
export type TopicUse = { readonly producer: string } | { readonly group: string; readonly consumer: string };
/** Routes by topic, asked once and kept; never goes back to an older version of one. */
export interface TopicDirectory {
  /** What is known now, without asking. */
  known(topic: string): TopicView | undefined;
  /**
   * Waits for a link if there is none, and asks. Rejects with `FORBIDDEN`, `TOPIC_UNKNOWN`, `TOPIC_MISMATCH` (the definition here and there disagree on `ordered` or the number of queues), or the signal's reason.
   */
  find(
    topic: { readonly name: string; readonly ordered: boolean; readonly queues: number },
    use: TopicUse,
    signal?: AbortSignal,
  ): Promise<TopicView>;
  /** A broker said `WRONG_ROUTE`: ask again. */
  forget(topic: string, error: MessagingError): void;
}
