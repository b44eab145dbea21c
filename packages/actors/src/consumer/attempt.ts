import type { SendOptions } from "../contracts/options.ts";
import type { Epoch } from "../message/brands.ts";
import { MessagingError } from "../message/errors.ts";
import type { Keying, Topic } from "../message/topic.ts";
import type { ConsumerLease } from "./consumer-lease.ts";
import type { Entry } from "./entry.ts";

/**
 * Why an attempt was told to stop: its time is up; its lease
 * is over; its worker (a revoke, a close) can wait no longer.
 */
export type AbortCause = "timeout" | "lease" | "stop";
/** How an attempt ended for whoever took it as a delivery. */
export type Outcome = "acked" | "failed" | "lost";
export interface Emit {
  readonly topic: Topic<unknown, unknown, Keying, boolean>;
  readonly body: unknown;
  readonly options: (SendOptions & { readonly key?: string }) | undefined;
}
/** `released`: put back, as if it had not been started. */
export type AttemptEnd = "done" | "failed" | "released";

/**
 * One handler call, or one delivery that somebody took: from its start until it has ended or was abandoned.
 * Told apart by epoch, offset and number.
 */
export class Attempt {
  readonly entry: Entry;
  readonly number: number;
  readonly epoch: Epoch;
  readonly lease: ConsumerLease;
  /** `over`: ended or abandoned; whatever it still says is ignored. */
  phase: "running" | "aborted" | "over" = "running";
  cause: AbortCause | null = null;
  /** Its place among those that run. */
  place = -1;
  /** When its time is up. */
  timeoutAt: number;
  /** Once aborted: when it is abandoned. */
  graceAt = Number.POSITIVE_INFINITY;
  /** What its handler has emitted, in order; `null` once it is on its way (nothing can be added). */
  emits: Emit[] | null = NOTHING;
  onOutcome: ((outcome: Outcome, error?: unknown) => void) | null = null;
  readonly #ended: (attempt: Attempt, how: AttemptEnd, error?: unknown) => void;
  #controller: AbortController | null = null;
  #reason: unknown = null;

  /** `now`: the monotonic clock as just read. `ended`: runs when its taker says how it ends. */
  constructor(
    lease: ConsumerLease,
    entry: Entry,
    now: number,
    ended: (attempt: Attempt, how: AttemptEnd, error?: unknown) => void,
  ) {
    this.lease = lease;
    this.entry = entry;
    this.number = entry.attempts + 1;
    this.epoch = lease.epoch;
    this.timeoutAt = now + lease.scope.settings.handlerTimeoutMs;
    this.#ended = ended;
  }
  /** Made when first asked for: most handlers never do, and it costs more than all the rest of an attempt. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.cause !== null) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }
  abort(cause: AbortCause, graceAt: number, reason: unknown): void {
    if (this.cause === null) this.graceAt = graceAt;
    this.phase = "aborted";
    if (this.cause === null || WEIGHTS[cause] > WEIGHTS[this.cause]) this.cause = cause;
    this.#reason ??= reason;
    this.#controller?.abort(this.#reason);
  }
  end(how: AttemptEnd, error?: unknown): void {
    this.#ended(this, how, error);
  }
  emit(emitted: Emit): void {
    this.#assertLive();
    if (this.emits === null) throw this.#overError;
    if (this.emits === NOTHING) this.emits = [emitted];
    else this.emits.push(emitted);
  }
  heartbeat(): void {
    this.#assertLive();
    const { runtime, settings } = this.lease.scope;
    if (this.phase === "running") this.timeoutAt = runtime.now() + settings.handlerTimeoutMs;
  }

  /** Reads the clock: is this attempt still the one that counts? @throws `STALE_EPOCH` `HANDLER_TIMEOUT` `CLOSED` */
  #assertLive(): void {
    if (this.cause === "timeout") throw this.timeoutError;
    if (this.cause === "lease") throw this.staleError;
    if (this.phase === "over") throw this.#overError;
    if (!this.lease.isAlive()) throw this.staleError;
  }
  get staleError(): MessagingError {
    return this.lease.staleEpoch(this.epoch);
  }
  get timeoutError(): MessagingError<"HANDLER_TIMEOUT"> {
    const { offset } = this.entry;
    const timeoutMs = this.lease.scope.settings.handlerTimeoutMs;
    return new MessagingError(
      "HANDLER_TIMEOUT",
      `attempt ${this.number} at message ${offset} took longer than ${timeoutMs} ms`,
      { data: { offset, attempt: this.number, timeoutMs } },
    );
  }
  get #overError(): MessagingError<"CLOSED"> {
    return new MessagingError("CLOSED", `attempt ${this.number} at message ${this.entry.offset} has ended`);
  }
}
/**
 * The heavier cause counts: what has timed out has failed, also
 * when its worker stops then; under a lost lease nothing counts.
 */
const WEIGHTS: Readonly<Record<AbortCause, number>> = { stop: 0, timeout: 1, lease: 2 };
const NOTHING: Emit[] = [];

/**
 * What a handler gets beside its message. Getters: `({ emit,
 * signal })` works, and nothing is made that is not asked for.
 */
export class AttemptContext {
  readonly #attempt: Attempt;

  constructor(attempt: Attempt) {
    this.#attempt = attempt;
  }
  get group(): string {
    return this.#attempt.lease.scope.settings.group;
  }
  get attempt(): number {
    return this.#attempt.number;
  }
  get redriven(): boolean {
    return this.#attempt.entry.redriven !== null;
  }
  get signal(): AbortSignal {
    return this.#attempt.signal;
  }
  get emit(): (topic: unknown, body: unknown, options?: unknown) => void {
    const attempt = this.#attempt;
    return (topic, body, options) => attempt.emit({ topic, body, options } as Emit);
  }
  get heartbeat(): () => void {
    const attempt = this.#attempt;
    return () => attempt.heartbeat();
  }
}
/** Under a lease there is a fence. */
export class FencedContext extends AttemptContext {
  readonly fence: Epoch;
  constructor(attempt: Attempt) {
    super(attempt);
    this.fence = attempt.epoch;
  }
}
