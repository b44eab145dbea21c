import type { Observable } from "rxjs";

/** Who is at the other end, as the authenticator told. The authorizer is handed the same object. */
export interface Principal {
  /** Not empty, at most 1,024 characters. What a client began (producers, consumers, leases) belongs to it. */
  readonly id: string;
  /**
   * Until when the token is good, ms since 1970 by the broker's wall clock. The link ends then (`UNAUTHENTICATED`), and
   * a client of ours dials again with what its `token` gives.
   * @default for as long as the link lasts
   */
  readonly expiresAtMs?: number;
}

/**
 * One open connection that carries whole frames, in order, each at most once. Nothing is promised once it has ended:
 * a frame that was sent may or may not have arrived.
 */
export interface Link {
  /**
   * Frames of the peer, in order. One subscriber; frames that arrive before it subscribes are kept. Completes when
   * the link has ended (either side's `close`, or a loss); a loss never errors it: `ended` tells why.
   */
  readonly frames$: Observable<Uint8Array>;
  /**
   * Holds back: from now on `frames$` emits nothing, until `resume`. Frames that come meanwhile stay with the link,
   * in order. A transport that can stops reading its peer, so that only what it had read already stays here; one that
   * cannot ends the link as `overloaded` at a bound of its own. Who is not read is not heard either: a link may
   * notice that the peer has ended it only after `resume`. This side's `close` and `abort` end it as ever.
   * Idempotent, also from inside `frames$`; after the end it does nothing.
   */
  pause(): void;
  /** Goes on where `pause` held back: first with what stayed with the link, never from inside the call. Idempotent. */
  resume(): void;
  /**
   * Takes one frame, in order. Never throws and never blocks: after
   * the end it does nothing. The bytes are the link's from then on.
   */
  send(frame: Uint8Array): void;
  /** Bytes taken by `send` that the peer's side has not been handed yet. The sender holds back at its own bound. */
  readonly bufferedBytes: number;
  /**
   * Calls `drained` once, as soon as no more than `bytes` wait (see `bufferedBytes`), also when they do already, and
   * also when the link ends: whoever holds back always goes on. Never from inside a call of the link.
   */
  whenDrained(bytes: number, drained: () => void): void;
  /**
   * Ends the link, after what was sent has been handed over (bounded
   * in time). `code` and `reason` reach the peer. Idempotent.
   */
  close(code?: LinkCode, reason?: string): void;
  /** Ends the link at once; what was sent may be lost. */
  abort(): void;
  /** Why it ended; resolves when `frames$` completes, never rejects. */
  readonly ended: Promise<LinkEnd>;
}
/** How a link ended: the code the closing side gave, or `lost` when nobody said goodbye. */
export interface LinkEnd {
  readonly code: LinkCode | "lost";
  readonly reason: string;
}
/**
 * `normal`: done. `violation`: the peer broke the protocol. `tooLarge`: a frame over the limit. `overloaded`: it does
 * not read, or sends too much. `unavailable`: shutting down. `internal`: the closing side came upon a fault of its own.
 * `unauthenticated`: the token it was opened with has expired.
 */
export type LinkCode =
  | "normal"
  | "violation"
  | "tooLarge"
  | "overloaded"
  | "unavailable"
  | "internal"
  | "unauthenticated";

/** A link as the listening side gets it: already authenticated. */
export interface IncomingLink extends Link {
  readonly principal: Principal;
  /** For people and logs: where it came from. */
  readonly remote: string;
}

export interface DialOptions {
  /** Gives up dialling; has no effect on a link once it is open. */
  readonly signal: AbortSignal;
  /** Handed to the other side's authenticator before anything else travels. */
  readonly token: string | null;
  /** Largest frame this side accepts, in bytes; a larger one ends the link with `tooLarge`. @default 4 MiB */
  readonly frameBytesMax?: number;
}
export interface ListenOptions {
  /**
   * Asked before a link opens; `null` refuses it (`UNAUTHENTICATED` at the dialling side). Its signal fires at the
   * transport's deadline. What it rejects with is told to nobody: see `tokenUnchecked`.
   */
  readonly authenticate: (token: string | null, signal: AbortSignal) => Promise<Principal | null>;
  readonly frameBytesMax?: number;
}
export interface Listener extends AsyncDisposable {
  /**
   * Links as they open; never errors; completes when the listener
   * has closed. Links opened before it is subscribed are kept.
   */
  readonly links$: Observable<IncomingLink>;
  /** Where it listens, in the words its dialling side takes: a URL, or the name of an in-memory hub. */
  readonly address: string;
  /** Stops accepting; with `links: true` ends every link it accepted, too (as `unavailable`). Idempotent. */
  close(options?: { readonly links?: boolean }): Promise<void>;
}

/** How links come to be. An implementation proves itself with `transportCompliance`. */
export interface Transport {
  /**
   * Opens a link. Rejects with `UNAUTHENTICATED` (token refused), `FORBIDDEN` (origin refused), `VERSION_UNSUPPORTED`
   * (other subprotocol), `LIMIT_EXCEEDED`, `UNAVAILABLE` (nobody listens; retryable) or the signal's reason.
   */
  dial(options: DialOptions): Promise<Link>;
  /**
   * Opens a listener; absent where a transport can only dial. Rejects with `UNAVAILABLE` and a clear text, for example
   * for a port in use.
   */
  listen?(options: ListenOptions): Promise<Listener>;
  /** Wait before the n-th reconnect (from 0), in ms, before jitter. @default 100 doubling to 5,000 */
  readonly backoff?: { readonly initialMs: number; readonly maxMs: number };
}
export const FRAME_BYTES_MAX = 4 * 1024 * 1024;
