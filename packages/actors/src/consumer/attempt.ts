import type { SendOptions } from "../contracts/options.ts";
import type { Epoch } from "../message/brands.ts";
import { MessagingError } from "../message/errors.ts";
import type { Keying, Topic } from "../message/topic.ts";
import type { Entry } from "./entry.ts";

/** Why an attempt was told to stop: its time was up; its lease is over; or its worker (a revoke, a close) cannot wait for it any longer. */
export type AbortCause = "timeout" | "lease" | "stop";
/** How an attempt ended for whoever took it as a delivery. */
export type Outcome = "acked" | "failed" | "lost";
export interface Emit {
  readonly topic: Topic<unknown, unknown, Keying, boolean>;
  readonly body: unknown;
  readonly options: (SendOptions & { readonly key?: string }) | undefined;
}
/** Who runs attempts. */
export interface AttemptHost {
  readonly group: string;
  /** Reads the clock: is this attempt still the one that counts? @throws `STALE_EPOCH` `HANDLER_TIMEOUT` `CLOSED` */
  assertLive(attempt: Attempt): void;
  heartbeat(attempt: Attempt): void;
  /** `released`: put back, as if it had not been started. */
  end(attempt: Attempt, how: "done" | "failed" | "released", error?: unknown): void;
}

/** One handler call, or one delivery somebody took: from its start until it has ended or was abandoned. Told apart by (epoch, offset, number). */
export class Attempt {
  readonly entry: Entry;
  readonly number: number;
  readonly epoch: Epoch;
  readonly host: AttemptHost;
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
  #controller: AbortController | null = null;
  #reason: unknown = null;

  constructor(host: AttemptHost, entry: Entry, epoch: Epoch, timeoutAt: number) {
    this.host = host;
    this.entry = entry;
    this.number = entry.attempts + 1;
    this.epoch = epoch;
    this.timeoutAt = timeoutAt;
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
  emit(emitted: Emit): void {
    this.host.assertLive(this);
    if (this.emits === null) throw handlingOver(this);
    if (this.emits === NOTHING) this.emits = [emitted];
    else this.emits.push(emitted);
  }
}
/** What an attempt has come to stays so: one that has timed out has failed, also when its worker stops then; under a lost lease nothing counts. */
const WEIGHTS: Readonly<Record<AbortCause, number>> = { stop: 0, timeout: 1, lease: 2 };
const NOTHING: Emit[] = [];

export const handlingOver = (attempt: Attempt): MessagingError<"CLOSED"> =>
  new MessagingError("CLOSED", `attempt ${attempt.number} at message ${attempt.entry.offset} has ended`);

/** What a handler gets beside its message. Getters, so that `({ emit, signal })` works and nothing is made that is not asked for. */
export class AttemptContext {
  readonly #attempt: Attempt;

  constructor(attempt: Attempt) {
    this.#attempt = attempt;
  }
  get group(): string {
    return this.#attempt.host.group;
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
    return () => attempt.host.heartbeat(attempt);
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
