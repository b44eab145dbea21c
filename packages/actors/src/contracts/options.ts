import { duration } from "../message/duration.ts";
import type { Keying } from "../message/topic.ts";
import type { Inspect } from "./actors.ts";

export interface WaitOptions {
  /** Stops the waiting, not what is waited for. */
  readonly signal?: AbortSignal | undefined;
}
export interface CloseOptions {
  /**
   * How long to wait for what is under way, in ms; then it is given up. Handlers that
   * run then have their signals fired and `handlerGraceMs` more; leases that cannot
   * be given back (the broker does not answer) take up to 2 s more. @default 30_000
   */
  readonly timeoutMs?: number | undefined;
}

export interface SendOptions {
  /**
   * The message's own id: a second message with the same id within the topic's `idWindowMs` is not appended, its
   * receipt is the first one's.
   */
  readonly id?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Delayed messages are not available yet: a value is refused with `OPTION_INVALID`. */
  readonly deliverAtMs?: number | undefined;
  /** Takes the message back while it has not left (`SEND_ABORTED`). */
  readonly signal?: AbortSignal | undefined;
}
export type SendArgs<K extends Keying> = K extends "given"
  ? [options: SendOptions & { readonly key: string }]
  : [options?: SendOptions];

/** How long a close waits. @throws `OPTION_INVALID` */
export function closeTimeout(timeoutMs: number | undefined): number {
  return duration("timeoutMs", timeoutMs, 30_000, 0);
}

export interface ClientSettings {
  /** Name in leases and logs. @default random */
  readonly name?: string | undefined;
  /** Shown to the broker's authenticator; a function is asked anew at each reconnect. */
  readonly token?: string | (() => string | Promise<string>) | undefined;
  /** Time the first connection may take, ms. Later losses reconnect for ever. @default 10_000 */
  readonly connectTimeoutMs?: number | undefined;
  readonly inspect?: Inspect | undefined;
}
