import type { Observable } from "rxjs";
import type { InspectionEvent } from "xstate";
import type { Consumer, ConsumerOptions, ContextOf } from "../consumer/consumer-api.ts";
import type { Epoch, Offset } from "../message/brands.ts";
import type { ErrorCode, MessagingError } from "../message/errors.ts";
import type { Message } from "../message/message.ts";
import type { Keying, Topic, TopicSpec } from "../message/topic.ts";
import type { CloseOptions, Producer, ProducerOptions } from "../producer/producer-api.ts";
import type { FailureInfo } from "../protocol/frames.ts";
import type { QueueAccount } from "../protocol/questions.ts";
import type { Description, Explanation, GroupDescription, TopicDescription } from "../system/views.ts";

export interface ClientSettings {
  /** Name in leases and logs. @default random */
  readonly name?: string | undefined;
  /** Shown to the broker's authenticator; a function is asked anew at each reconnect. */
  readonly token?: string | (() => string | Promise<string>) | undefined;
  /** Time the first connection may take, ms. Later losses reconnect for ever. @default 10_000 */
  readonly connectTimeoutMs?: number | undefined;
  readonly inspect?: Inspect | undefined;
}
/** XState's own inspection events, outside semver; doubles the cost of machine events. */
export type Inspect = (event: InspectionEvent) => void;

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
 * A message that was set aside. `body` is the parsed body, or the raw decoded one when the schema refuses it (that may be why it is here). Whoever may not `read` gets neither body nor headers: `withheld` says so.
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
/** What a group has set aside in a topic. To see it needs the right to `observe` or to `manage`, its bodies that to `read`; orders need `manage`. */
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
   * A producer's name, or that of a group's consumer, is the first principal's that comes from then on. What has it now goes on until it ends or another takes it over. A no-op where it is nobody's. Needs the right to manage.
   * @throws `FORBIDDEN` `OPTION_INVALID` (nobody has joined the group) `VERSION_UNSUPPORTED` (a broker of before)
   */
  releaseName(topic: TopicSpec, of: NamedPart, because: Because): Promise<void>;
}
export type NamedPart = { readonly producer: string } | { readonly group: string; readonly consumer: string };

/* ---------- events and actors ---------- */

type At<Type extends string, Data = unknown> = Readonly<{ type: Type; atMs: number }> & Readonly<Data>;
type OnQueue = { topic: string; queue: number; group: string };
export type SystemEvent =
  | At<"link.opened", { broker: string }>
  /** `reference`, with `INTERNAL`: what the log at the faulty end has it under. */
  | At<"link.closed", { broker: string; code: ErrorCode | null; retryInMs: number | null; reference?: string }>
  /** The client sends more than the broker's limit of that name allows per second: it is read later, and asks nothing more for so long. */
  | At<"link.limited", { broker: string; limit: string; max: number; retryInMs: number }>
  | At<
      "request.refused",
      {
        request: "member.join" | "lane.open" | "lease.acquire" | "lease.raise" | "lease.release" | "aside.put";
        topic: string;
        queue: number | null;
        group: string | null;
        code: ErrorCode;
        /** Says which limit, if it is one, and what helps. */
        error: MessagingError;
        /** `null`: not by itself; the broker offers the lease again. */
        retryInMs: number | null;
      }
    >
  | At<"send.refused", { topic: string; key: string | null; code: ErrorCode }>
  | At<"producer.fenced", { producer: string; epoch: Epoch }>
  | At<"group.rebalanced", { topic: string; group: string; members: number; moved: number }>
  | At<"lease.granted", OnQueue & { epoch: Epoch }>
  | At<"lease.released", OnQueue & { epoch: Epoch }>
  | At<"lease.lost", OnQueue & { epoch: Epoch; reason: "expired" | "fenced" | "revoked" }>
  | At<
      "attempt.failed",
      OnQueue & { offset: Offset; key: string | null; attempt: number; error: unknown; retryInMs: number | null }
    >
  | At<"key.parked", OnQueue & { offset: Offset; key: string }>
  | At<"key.redriven", OnQueue & { key: string; reason: string; by: string }>
  | At<"key.discarded", OnQueue & { key: string; reason: string; by: string }>
  | At<
      "message.retried" | "message.skipped" | "message.replaced",
      OnQueue & { offset: Offset; key: string | null; reason: string; by: string }
    >
  /** `group`: of a consumer's name; `null` of a producer's. */
  | At<"name.released", { topic: string; group: string | null; name: string; reason: string; by: string }>
  | At<"message.deadLettered", OnQueue & { offset: Offset; key: string | null }>
  | At<"message.expired", OnQueue & { from: Offset; to: Offset }>
  | At<"queue.halted", OnQueue & { offset: Offset }>
  | At<"settle.refused", OnQueue & { epoch: Epoch; code: ErrorCode; messages: number }>;

/** The states of each kind of actor, as `list` shows and `watch` emits them: those of its machine. */
export interface ActorStates {
  broker: "starting" | "serving" | "draining" | "stopped" | "failed";
  session: "handshaking" | "open" | "closing" | "ended";
  queue: "recovering" | "active" | "full" | "closing" | "failed";
  subscription: "quarantined" | "vacant" | "leased.flowing" | "leased.suspended" | "leased.halted" | "revoking";
  group: "stable" | "rebalancing.settling" | "rebalancing.moving";
  connection: "connecting" | "handshaking" | "open" | "backingOff" | "closed";
  producer: "open" | "closing" | "closed";
  consumer: "open" | "closing" | "closed";
  lane: "idle" | "sending" | "rewinding" | "blocked" | "fenced";
  worker: "acquiring" | "waiting" | "handling" | "backingOff" | "settingAside" | "draining" | "released" | "lost";
}
export type ActorKind = keyof ActorStates;
export type ActorView<Kind extends ActorKind = ActorKind> = {
  [K in Kind]: { readonly kind: K; readonly path: string; readonly state: ActorStates[K]; readonly sinceMs: number };
}[Kind];
export interface Actors {
  list<Kind extends ActorKind = ActorKind>(kind?: Kind): readonly ActorView<Kind>[];
  /** Emits an actor's view at each change of its state. */
  watch<Kind extends ActorKind = ActorKind>(kind?: Kind): Observable<ActorView<Kind>>;
}
