import type { Observable } from "rxjs";
import type { Consumer, ConsumerOptions, ContextOf } from "../consumer/consumer-api.ts";
import type { Actors } from "../contracts/actors.ts";
import type { SystemEvent } from "../contracts/events.ts";
import type { CloseOptions } from "../contracts/options.ts";
import type { Message } from "../message/message.ts";
import type { Keying, Topic, TopicSpec } from "../message/topic.ts";
import type { Producer, ProducerOptions } from "../producer/producer-api.ts";
import type { FailureInfo } from "../protocol/frames.ts";
import type {
  Description,
  Explanation,
  GroupDescription,
  QueueAccount,
  TopicDescription,
} from "../protocol/questions.ts";

export interface Client extends AsyncDisposable {
  readonly name: string;
  producer<In, Out, K extends Keying, O extends boolean>(
    topic: Topic<In, Out, K, O>,
    options?: ProducerOptions,
  ): Producer<In, K>;
  consumer<In, Out, K extends Keying, O extends boolean>(
    topic: Topic<In, Out, K, O>,
    options: ConsumerOptions<O>,
  ): Consumer<Out, ContextOf<O>>;
  /** Why a key is not moving, in a sentence, from the same state that decides. */
  explain<In, Out, O extends boolean>(topic: Topic<In, Out, Keying, O>, key: string): Promise<Explanation>;
  describe(): Promise<Description>;
  describe(topic: TopicSpec): Promise<TopicDescription>;
  describe(topic: TopicSpec, of: { readonly group: string }): Promise<GroupDescription>;
  readonly admin: Admin;
  /** Hot, never replays or errors, completes at close, costs nothing unobserved. */
  readonly events$: Observable<SystemEvent>;
  readonly actors: Actors;
  close(options?: CloseOptions): Promise<void>;
}

/* ---------- administration ---------- */

export interface Because {
  /** For people who read the events; cut to 8 KiB in UTF-8. */
  readonly reason: string;
}
/**
 * A message that was set aside. `body` is the parsed body, or the raw decoded one when the schema refuses it (that may
 * be why it is here). Whoever may not `read` gets neither body nor headers: `withheld` says so.
 */
export type SetAsideMessage<Body> = Omit<Message<Body>, "body"> &
  ({ readonly withheld: false; readonly body: Body } | { readonly withheld: true; readonly body: undefined });
export type SetAsideEntry<Body> = (
  | { readonly kind: "parked"; readonly key: string; readonly behind: number }
  | { readonly kind: "dead-letter"; readonly key: string | null; readonly behind: 0 }
  | { readonly kind: "halted"; readonly key: string | null; readonly behind: 0 }
) & {
  readonly entry: string;
  readonly message: SetAsideMessage<Body>;
  readonly sinceMs: number;
  readonly attempts: number;
  readonly error: FailureInfo;
};
/**
 * What a group has set aside in a topic. To see it needs the right to `observe` or to `manage`, its bodies that to
 * `read`; orders need `manage`.
 */
export interface SetAside<In, Out> {
  list(options?: { readonly limit?: number; readonly after?: string }): AsyncIterable<SetAsideEntry<Out>>;
  /** The messages of a parked key, in order, head first. */
  peek(key: string, options?: { readonly limit?: number }): Promise<readonly SetAsideMessage<Out>[]>;
  /** Runs the message again; what waits behind it follows when it succeeds. */
  retry(entry: string, because: Because): Promise<void>;
  /** Gives the message up; what waits behind it runs. */
  skip(entry: string, because: Because): Promise<void>;
  /** Runs another body in its place. */
  replace(entry: string, body: In, because: Because): Promise<void>;
  /** Runs all that waits of a key, in order, before anything newer. */
  redrive(key: string, because: Because): Promise<{ readonly redriven: number }>;
  /** Gives up all that waits of a key. */
  discard(key: string, because: Because): Promise<{ readonly discarded: number }>;
}
export interface Admin {
  /** Adds a topic to the broker; a no-op when it is there with the same settings. @throws `TOPIC_MISMATCH` */
  declare(topic: TopicSpec): Promise<void>;
  setAside<In, Out, K extends Keying, O extends boolean>(
    topic: Topic<In, Out, K, O>,
    of: { readonly group: string },
  ): SetAside<In, Out>;
  /** Every offset of every queue in exactly one class (P9). */
  account(topic: TopicSpec, of: { readonly group: string }): Promise<readonly QueueAccount[]>;
  /**
   * A producer's name, or that of a group's consumer, is the first principal's that comes from then on. What has it now
   * goes on until it ends or another takes it over. A no-op where it is nobody's. Needs the right to manage.
   * @throws `FORBIDDEN` `OPTION_INVALID` (nobody has joined the group) `VERSION_UNSUPPORTED` (a broker of before)
   */
  releaseName(topic: TopicSpec, of: NamedPart, because: Because): Promise<void>;
}
export type NamedPart = { readonly producer: string } | { readonly group: string; readonly consumer: string };
