import type { Observable } from "rxjs";
import type { Allocation } from "../contracts/allocation.ts";
import type { CloseOptions, SendArgs, WaitOptions } from "../contracts/options.ts";
import type { Epoch } from "../message/brands.ts";
import type { Message } from "../message/message.ts";
import type { Keying, Topic } from "../message/topic.ts";

/** What a handler gets beside its message. */
export interface Context {
  readonly group: string;
  /** From 1; survives handover and restart. */
  readonly attempt: number;
  /** Fires when the lease or the time is lost: stop, what comes after counts for nothing. */
  readonly signal: AbortSignal;
  /**
   * The lease's epoch, to be written beside what the handler writes:
   * a later holder's is larger, for the same topic, group and key.
   */
  readonly fence: Epoch;
  /** The message comes from what was set aside. */
  readonly redriven: boolean;
  /**
   * Sends a message together with the settling of this one: after the handler ended well, before it is settled. A
   * failed attempt emits nothing. A handling that is repeated repeats its emits under the same ids, so they are
   * appended once within the target's `idWindowMs`.
   */
  emit<In, Out, K extends Keying, O extends boolean>(topic: Topic<In, Out, K, O>, body: In, ...args: SendArgs<K>): void;
  /** Starts `handlerTimeoutMs` anew. */
  heartbeat(): void;
}
export type UnorderedContext = Omit<Context, "fence">;
export type ContextOf<O extends boolean> = O extends true ? Context : UnorderedContext;
/** Returning acks; throwing fails the attempt. */
export type Handler<Body, C = Context> = (message: Message<Body>, context: C) => Promise<void> | void;
/** One handler per event type. */
export type HandlerMap<Body, C> = [Body] extends [{ readonly type: string }]
  ? { readonly [Type in Body["type"]]: Handler<Extract<Body, { readonly type: Type }>, C> }
  : never;

export interface Retry {
  /** Attempts in all, from 1; `Infinity` is allowed. @default 12 (unordered: 16) */
  readonly attempts?: number | undefined;
  /** Wait before the second attempt, ms. @default 100 (unordered: 10_000) */
  readonly initialMs?: number | undefined;
  /** Each wait is this many times the one before. @default 2 */
  readonly factor?: number | undefined;
  /** Longest wait, ms. @default 30_000 (unordered: 7_200_000) */
  readonly maxMs?: number | undefined;
  /** Share of the wait that is random, from 0 to 1. @default 0.2 */
  readonly jitter?: number | undefined;
}
interface ConsumerCommon {
  /** Groups consume independently; members of one share the queues. */
  readonly group: string;
  /** The holder in leases, unique among the living members. @default the client's name */
  readonly name?: string | undefined;
  /** Different keys of a queue handled side by side; the same key never is. @default 1 (unordered: 20) */
  readonly concurrency?: number | undefined;
  readonly retry?: Retry | undefined;
  /**
   * Time one handler call may take, ms; past it its signal aborts and the attempt has failed.
   * @default 60_000 (unordered: 900_000)
   */
  readonly handlerTimeoutMs?: number | undefined;
  /**
   * Time an aborted handler has to end, ms; past it the lease is taken anew and the handler abandoned.
   * @default 5_000
   */
  readonly handlerGraceMs?: number | undefined;
  /** Messages delivered and not settled, per queue. @default 256 */
  readonly inFlightMax?: number | undefined;
  /** Bytes delivered and not settled, per queue. @default 16 MiB */
  readonly inFlightBytesMax?: number | undefined;
  /** Where a new group begins. @default "earliest" */
  readonly startAt?: "earliest" | "latest" | { readonly timestampMs: number } | undefined;
}
export interface OrderedConsumerOptions extends ConsumerCommon {
  /** What happens to a message whose attempts are exhausted. @default "park" */
  readonly exhausted?: "park" | "dead-letter" | "halt" | undefined;
  /** How long a dead holder blocks a queue, ms. @default 10_000 */
  readonly leaseTtlMs?: number | undefined;
  /** How long a rebalance waits for the attempt in hand, ms. @default 30_000 */
  readonly revokeTimeoutMs?: number | undefined;
  /** Which member gets which queue. @default "sticky" (fewest moves) */
  readonly allocation?: Allocation | undefined;
}
export interface UnorderedConsumerOptions extends ConsumerCommon {
  readonly exhausted?: "dead-letter" | undefined;
}
export type ConsumerOptions<O extends boolean = true> = O extends true
  ? OrderedConsumerOptions
  : UnorderedConsumerOptions;

/** One message in hand, to be settled by whoever took it. */
export interface Delivery<Body, C = Context> {
  readonly message: Message<Body>;
  readonly context: C;
  /**
   * Runs the handler and acks or fails by how it ends. Never rejects.
   * `lost`: the lease ended first, so nothing was settled.
   */
  handle(handler: Handler<Body, C>): Promise<"acked" | "failed" | "lost">;
  /** Resolves when the broker confirmed it. Rejects with `STALE_EPOCH` when the lease has ended. */
  ack(): Promise<void>;
  /** The attempt has failed: retried in place, or set aside when it was the last. */
  fail(error: unknown): Promise<void>;
}
/** Consumes in one of three forms, once: `run`, `deliveries$`, or `for await`. */
export interface Consumer<Body, C = Context> extends AsyncDisposable, AsyncIterable<Delivery<Body, C>> {
  readonly name: string;
  readonly group: string;
  /**
   * Handles messages until closed; resolves then.
   * Rejects when it has failed for good (`FORBIDDEN`, `GROUP_SETTINGS_DIFFER`, …).
   */
  run(handler: Handler<Body, C> | HandlerMap<Body, C>): Promise<void>;
  /** Emits only what may run now (P5): the next message of a key comes after the last was settled. */
  readonly deliveries$: Observable<Delivery<Body, C>>;
  /** Resolves once joined. */
  ready(options?: WaitOptions): Promise<void>;
  /** Resolves once everything appended to the topic before the call is settled or set aside by the group. */
  caughtUp(options?: WaitOptions): Promise<void>;
  /** Stops starting messages; leases stay. */
  pause(): void;
  resume(): void;
  /**
   * Finishes the messages in hand (for at most `timeoutMs`, then
   * their signals abort), releases the leases, leaves the group.
   */
  close(options?: CloseOptions): Promise<void>;
}
