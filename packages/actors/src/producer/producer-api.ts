import type { CloseOptions, SendArgs, WaitOptions } from "../contracts/options.ts";
import type { Durability } from "../message/brands.ts";
import type { Receipt } from "../message/message.ts";
import type { Keying } from "../message/topic.ts";

export interface ProducerOptions {
  /** Identity towards the queues. A stable name fences its predecessor (`PRODUCER_FENCED`). @default random */
  readonly name?: string | undefined;
  /**
   * When a send's receipt comes. More than the store has: `DURABILITY_UNAVAILABLE`.
   * @default "flushed", or the most the store has
   */
  readonly durability?: Durability | undefined;
  /**
   * `"strict"`: waits for the queue's broker, order kept. `"available"` needs a topic that lives at
   * several brokers and gives up P1.
   * @default "strict"
   */
  readonly failover?: "strict" | "available" | undefined;
  /** Messages not yet acknowledged; at this many sends wait, in call order. @default 10_000 */
  readonly bufferMessagesMax?: number | undefined;
  /** Bytes not yet acknowledged; at this many sends wait, in call order. @default 16 MiB */
  readonly bufferBytesMax?: number | undefined;
  /** Sends that may wait for room; one more is refused with `BUFFER_FULL`. @default 10_000 */
  readonly waitingMax?: number | undefined;
  /**
   * Time a send may take, in ms. Past it: `SEND_TIMEOUT` when it was not numbered (never appended), else
   * `OUTCOME_UNKNOWN` (its lane goes on).
   * @default 30_000
   */
  readonly sendTimeoutMs?: number | undefined;
  /** Batches of one lane on their way at once. @default 8 */
  readonly inFlightBatchesMax?: number | undefined;
}
export interface Producer<In, K extends Keying = Keying> extends AsyncDisposable {
  readonly name: string;
  /**
   * Sends a message; calls keep their order per key without `await`. Resolves with where it stands, once it is as
   * durable as asked. An unread rejection ends nothing: it reaches `events$` and the next `flush()`.
   * @throws (as rejection) `SCHEMA_FAILED` `SCHEMA_ASYNC` `KEY_INVALID` `MESSAGE_TOO_LARGE` `TOPIC_UNKNOWN`
   * `BUFFER_FULL` `QUEUE_FULL` `SEND_TIMEOUT` `SEND_ABORTED` `OUTCOME_UNKNOWN` `PREDECESSOR_FAILED` `PRODUCER_FENCED`
   * `DURABILITY_UNAVAILABLE` `FORBIDDEN` `CLOSED`
   */
  send(body: In, ...args: SendArgs<K>): Promise<Receipt>;
  /** Resolves when there is room for one more send without waiting. */
  ready(options?: WaitOptions): Promise<void>;
  /**
   * Resolves when every send called before has its receipt.
   * @throws `FLUSH_FAILED` with the failures nobody had looked at since the last flush.
   */
  flush(options?: WaitOptions): Promise<void>;
  /** Flushes, for at most `timeoutMs`, then ends. Sends called later are refused with `CLOSED`. */
  close(options?: CloseOptions): Promise<void>;
}
