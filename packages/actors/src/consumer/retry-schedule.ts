import { isMessagingError, textOf } from "../message/errors.ts";
import { cutFailure } from "../protocol/cut-texts.ts";
import type { FailureInfo } from "../protocol/frames.ts";

export interface RetrySettings {
  /** `Infinity`: never exhausted. */
  readonly attempts: number;
  readonly initialMs: number;
  readonly factor: number;
  readonly maxMs: number;
  readonly jitter: number;
}

/** How long a failed message waits before its next attempt, or that there is none. */
export class RetrySchedule {
  readonly #retry: RetrySettings;
  readonly #random: () => number;

  constructor(retry: RetrySettings, random: () => number) {
    this.#retry = retry;
    this.#random = random;
  }
  get attempts(): number {
    return this.#retry.attempts;
  }
  /** Ms to wait after `attempts` failed ones, the last with `error`; `null`: exhausted. */
  waitMs(attempts: number, error: unknown): number | null {
    if (attempts >= this.#retry.attempts || isFinal(error)) return null;
    const { jitter } = this.#retry;
    const full = backoffMs(this.#retry, attempts);
    const wait = full * (1 - jitter * this.#random());
    const afterMs = read(error, "afterMs");
    return typeof afterMs === "number" && afterMs > wait ? afterMs : wait;
  }
}
/** Ms to wait after `attempts` failed ones, before jitter. */
function backoffMs({ initialMs, factor, maxMs }: RetrySettings, attempts: number): number {
  if (initialMs === 0) return 0; // the power of a long series of attempts is Infinity, and 0 times that is no number
  return Math.min(maxMs, initialMs * factor ** (attempts - 1));
}
/**
 * `retryable: false` on anything thrown. But our own `CLOSED`
 * is about the client that goes away, not about the message.
 */
const isFinal = (error: unknown): boolean => read(error, "retryable") === false && !isMessagingError(error, "CLOSED");
/** A property of anything, for what throws when it is looked at, too. */
function read(value: unknown, property: string): unknown {
  try {
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[property] : undefined;
  } catch {
    return undefined;
  }
}

/** What was thrown, as plain text, cut to what is sent and kept of it; anything can be thrown. */
export function failureInfo(error: unknown): FailureInfo {
  const name = read(error, "name");
  const message = read(error, "message");
  const code = read(error, "code");
  return cutFailure({
    name: typeof name === "string" ? name : "Error",
    message: typeof message === "string" ? message : textOf(error),
    code: typeof code === "string" ? code : null,
  });
}
