import type { Message } from "../message/message.ts";
import type { Attempt, AttemptContext } from "./attempt.ts";

/** What a form answers when the attempt ends later, by what its taker says. */
export const BY_TAKER = Symbol("ended by its taker");

/** One of the three ways to consume: says when it wants a message, and takes it. */
export interface Form {
  /** Whether it would take one now. */
  ready(): boolean;
  /** Takes the message: a promise or nothing, which ends the attempt as a handler does, or `BY_TAKER`. May throw, as a handler may. */
  take(message: Message<unknown>, context: AttemptContext, attempt: Attempt): unknown;
  /** No more will come: the consumer is closed, or has failed for good. */
  end(failure: unknown): void;
}
