import type { Limited } from "../protocol/frames.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { RateMet } from "./rates.ts";

/** How often a client is told that it is read later, and how often the log, ms. */
const NOTIFIED_MS = 1_000;
const LOGGED_MS = 60_000;

/**
 * Tells the client of a link, and whoever runs the broker, that it has met a limit: now and then, however often it
 * does.
 */
export class LimitNotice {
  readonly #runtime: Runtime;
  readonly #notify: (frame: Limited) => void;
  readonly #log: (text: string, data: object) => void;
  #notifiedAt = Number.NEGATIVE_INFINITY;
  #loggedAt = Number.NEGATIVE_INFINITY;

  /** `log`: says of whom. */
  constructor(runtime: Runtime, notify: (frame: Limited) => void, log: (text: string, data: object) => void) {
    this.#runtime = runtime;
    this.#notify = notify;
    this.#log = log;
  }
  met({ limit, max, waitMs }: RateMet): void {
    const now = this.#runtime.now();
    if (now - this.#notifiedAt >= NOTIFIED_MS) {
      this.#notifiedAt = now;
      this.#notify({ type: "limited", limit, max, retryInMs: Math.max(waitMs, NOTIFIED_MS) });
    }
    if (now - this.#loggedAt < LOGGED_MS) return;
    this.#loggedAt = now;
    this.#log(`sends more than ${limit} (${max}) allows, and is read later`, { limit, max });
  }
}
