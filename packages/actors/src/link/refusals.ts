import type { SystemEvent } from "../contracts/events.ts";
import type { MessagingError } from "../message/errors.ts";
import { Backoff } from "../runtime/backoff.ts";
import type { ClientEnvironment } from "./client-environment.ts";

type Refused = Extract<SystemEvent, { readonly type: "request.refused" }>;
/** Whose requests these are. */
type Place = Pick<Refused, "topic" | "queue" | "group">;
/** One line of the log in so much time, ms: the rest is on `events$`. */
const LOG_MS = 60_000;

/**
 * What the broker refuses and may take later: waits longer and longer for it, tells each refusal on `events$`, and the
 * logger now and then.
 */
export class Refusals {
  readonly #environment: Pick<ClientEnvironment, "runtime" | "events" | "logger">;
  readonly #place: Place;
  readonly #backoff: Backoff;
  #loggedAt = Number.NEGATIVE_INFINITY;

  constructor(
    environment: Pick<ClientEnvironment, "runtime" | "events" | "logger">,
    place: Place,
    pace: { readonly initialMs: number; readonly maxMs: number },
  ) {
    this.#environment = environment;
    this.#place = place;
    this.#backoff = new Backoff(environment.runtime, pace);
  }
  /** How long to wait before it is asked again, ms: at most `mostMs`. */
  again(request: Refused["request"], error: MessagingError, mostMs = Number.POSITIVE_INFINITY): number {
    const retryInMs = Math.min(this.#backoff.next(), mostMs);
    this.report(request, error, retryInMs);
    return retryInMs;
  }
  /** It was taken, or there is a new link to ask on. */
  over(): void {
    this.#backoff.reset();
  }
  /** `againInMs`: `null` when it is the broker that will ask again. */
  report(request: Refused["request"], error: MessagingError, againInMs: number | null): void {
    const retryInMs = againInMs === null ? null : Math.round(againInMs);
    const { runtime, events, logger } = this.#environment;
    const { topic, queue, group } = this.#place;
    events.emit({ type: "request.refused", request, topic, queue, group, code: error.code, error, retryInMs });
    if (runtime.now() - this.#loggedAt < LOG_MS) return;
    this.#loggedAt = runtime.now();
    const of = `topic "${topic}"${queue === null ? "" : `, queue ${queue}`}${group === null ? "" : `, group "${group}"`}`;
    const next = retryInMs === null ? "" : `; tried again in ${retryInMs} ms, and later for as long as it takes`;
    logger.log("warn", `the broker refuses "${request}" of ${of} (${error.code}): ${error.message}${next}`, {
      code: error.code,
      refusals: this.#backoff.failures,
      retryInMs,
      ...error.data,
    });
  }
}
