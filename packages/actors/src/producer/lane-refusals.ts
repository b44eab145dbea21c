import { Refusals } from "../link/refusals.ts";
import type { MessagingError } from "../message/errors.ts";
import type { ProducerScope } from "./producer-scope.ts";

/**
 * First wait after a batch was refused that may pass, if the queue does not say how long,
 * ms; doubles with each in a row.
 */
const RETRY_MS = 50;
const RETRY_MS_MAX = 2_000;
/** The same when the lane itself is refused. */
const OPEN_PACE = { initialMs: 100, maxMs: 10_000 };

/**
 * How the queue refused a batch or the lane itself. `passing`: it may take it later. `outOfSequence`: it expects
 * another number. `unknown`: it does not know this producer (any more).
 */
export type RefusalKind = "passing" | "outOfSequence" | "fenced" | "unknown" | "final";
export interface Refusal {
  readonly kind: RefusalKind;
  readonly error: MessagingError;
  /** How long to wait before trying again. */
  readonly retryMs: number;
}

/** What one lane is refused, and how long it waits after each. */
export class LaneRefusals {
  readonly #scope: ProducerScope;
  readonly #opening: Refusals;
  /** Of batches, in a row. */
  #passing = 0;

  constructor(scope: ProducerScope, queue: number) {
    this.#scope = scope;
    this.#opening = new Refusals(scope.environment, { topic: scope.topic.name, queue, group: null }, OPEN_PACE);
  }
  refused(error: MessagingError, retryAfterMs: number | null = null): Refusal {
    const kind = kindOf(error);
    if (kind === "passing") this.#passing++;
    const wait = retryAfterMs ?? Math.min(RETRY_MS * 2 ** Math.min(this.#passing - 1, 10), RETRY_MS_MAX);
    return { kind, error, retryMs: wait * (0.8 + 0.4 * this.#scope.environment.runtime.random()) };
  }
  /** A batch was taken. */
  taken(): void {
    this.#passing = 0;
  }
  /** The lane was refused for now: how long to wait, ms. */
  openingRefused(error: MessagingError): number {
    return this.#opening.again("lane.open", error);
  }
  /** It was opened, or there is another link to open it on. */
  openingOver(): void {
    this.#opening.over();
  }
}

function kindOf(error: MessagingError): RefusalKind {
  switch (error.code) {
    case "PRODUCER_FENCED":
      return "fenced";
    case "PRODUCER_UNKNOWN":
      return "unknown";
    case "OUT_OF_SEQUENCE":
      return "outOfSequence";
    default:
      return error.retryable ? "passing" : "final";
  }
}
