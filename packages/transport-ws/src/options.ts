import { optionInvalid, type Transport } from "@seriatim/actors/client";
import type { WebSocketConstructor } from "./platform-socket.ts";

/** What both ends of a link may be told. */
export interface WsLinkOptions {
  /**
   * How often a ping asks whether the peer is still there, in ms, at least 10; two
   * unanswered ones end the link as `lost`. A platform's own WebSocket (browsers, Deno,
   * Bun) cannot ask: there the other side's pings and the protocol's heartbeats find out.
   * @default 10_000
   */
  readonly pingMs?: number | undefined;
  /**
   * Bytes that may wait for a peer that does not read.
   * Beyond it for `overloadedAfterMs`, or at eight times as many at once, the link ends as `overloaded`.
   * @default 8 MiB
   */
  readonly bufferedBytesMax?: number | undefined;
  /** Grace period of a peer that does not read, in ms. @default 10_000 */
  readonly overloadedAfterMs?: number | undefined;
  /**
   * Wait before a reconnect: the first, and the longest of those that double from it, in ms, before jitter.
   * @default 100 and 5_000
   */
  readonly backoff?: { readonly initialMs?: number | undefined; readonly maxMs?: number | undefined } | undefined;
}

/** For a side that only dials. */
export interface WsDialOptions extends WsLinkOptions {
  /** `ws://` or `wss://`; of several, each dial tries them in turn, the one that worked last first, 5 s each. */
  readonly url: string | readonly string[];
  readonly port?: undefined;
  /**
   * Certificate authorities to trust instead of the built-in ones (PEM). Node only; elsewhere the platform's decide.
   */
  readonly tls?: { readonly ca?: string | Uint8Array | undefined } | undefined;
  /** The WebSocket to use. @default `ws` in Node, the platform's own elsewhere */
  readonly WebSocket?: WebSocketConstructor | undefined;
}

/** For a side that listens; it also dials: itself. */
export interface WsListenOptions extends WsLinkOptions {
  /** 0 takes a free one: see the listener's `address`. */
  readonly port: number;
  readonly url?: undefined;
  /**
   * Address to listen on. One that is not loopback, without `tls` and without `behindProxy`, is warned about.
   * @default "127.0.0.1"
   */
  readonly host?: string | undefined;
  /**
   * Origins (`https://shop.example`) whose pages may connect, compared exactly; others are refused (`FORBIDDEN`).
   * A request without an Origin does not come from a browser and is not concerned.
   * @default none
   */
  readonly origins?: readonly string[] | undefined;
  /** Private key and certificate chain, PEM; makes it `wss://`. @default none */
  readonly tls?: { readonly key: string | Uint8Array; readonly cert: string | Uint8Array } | undefined;
  /**
   * So many proxies of ours are in front, one behind the other (`true`: one): they end TLS, and each adds an entry to
   * `X-Forwarded-For`, of which that of the outermost is the peer's address. An entry that is no address counts with
   * all others like it as one peer; `Forwarded` is not read. Do not set it where clients can connect past the proxy.
   * @default false
   */
  readonly behindProxy?: boolean | number | undefined;
  /**
   * Links open or being opened at once; one more is refused (`LIMIT_EXCEEDED`). The last tenth is for principals
   * that have fewer than a hundredth of them: nobody takes every place alone (loopback is not concerned).
   * @default 10_000
   */
  readonly connectionsMax?: number | undefined;
  /** The same, of one address (IPv6: of one /64 network). @default 1_000, loopback: no limit */
  readonly connectionsPerAddressMax?: number | undefined;
  /**
   * Attempts to connect per second of one address, after a first 10 s worth at once;
   * more are refused (`LIMIT_EXCEEDED`).
   * @default 100, loopback: no limit
   */
  readonly connectsPerSecondMax?: number | undefined;
  /** Frames a peer may send per second, pings included; more are read later. @default 200_000 */
  readonly framesPerSecondMax?: number | undefined;
  /** Bytes a peer may send per second; more are read later. @default 1 GiB */
  readonly bytesPerSecondMax?: number | undefined;
  /** Time from the connection to the complete upgrade request, in ms. @default 10_000 */
  readonly handshakeTimeoutMs?: number | undefined;
  /** Time the authenticator may take, in ms; past it the link is refused (`UNAVAILABLE`). @default 5_000 */
  readonly authenticateTimeoutMs?: number | undefined;
  /** Hears what an operator should know. @default the logger of the system */
  readonly onWarning?: ((text: string, data: object) => void) | undefined;
}

const POSITIVE = ["pingMs", "bufferedBytesMax", "overloadedAfterMs"] as const;
const LISTEN_POSITIVE = [
  "connectionsMax",
  "connectionsPerAddressMax",
  "connectsPerSecondMax",
  "framesPerSecondMax",
  "bytesPerSecondMax",
  "handshakeTimeoutMs",
  "authenticateTimeoutMs",
] as const;

/** @throws `OPTION_INVALID` */
export function checkOptions(options: WsDialOptions | WsListenOptions): void {
  if ((options.url === undefined) === (options.port === undefined))
    throw optionInvalid("url", 'given, or "port", and not both', options.url);
  for (const name of POSITIVE) checkPositive(name, options[name]);
  const { initialMs, maxMs } = backoffOf(options);
  checkPositive("backoff.initialMs", initialMs);
  checkPositive("backoff.maxMs", maxMs);
  if (maxMs < initialMs) throw optionInvalid("backoff.maxMs", "at least backoff.initialMs", maxMs);
  if (options.port === undefined) {
    for (const url of urlsOf(options)) checkUrl(url);
    if (urlsOf(options).length === 0) throw optionInvalid("url", "at least one URL", options.url);
    return;
  }
  if (!Number.isInteger(options.port) || options.port < 0 || options.port > 65_535)
    throw optionInvalid("port", "an integer from 0 to 65535", options.port);
  for (const name of LISTEN_POSITIVE) checkPositive(name, options[name]);
  const { behindProxy = false } = options;
  if (typeof behindProxy !== "boolean" && !(Number.isInteger(behindProxy) && behindProxy >= 1 && behindProxy <= 10))
    throw optionInvalid("behindProxy", "true, false, or a number of proxies from 1 to 10", behindProxy);
  for (const origin of options.origins ?? [])
    if (!URL.canParse(origin) || new URL(origin).origin !== origin)
      throw optionInvalid("origins", 'origins such as "https://shop.example", without a path', origin);
}
/** The longest time a platform's timer can wait; a longer one fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;
/** Pings do not come faster than heartbeats may. */
const PING_MS_MIN = 10;
function checkPositive(option: string, value: unknown): void {
  if (value === undefined) return;
  if (!option.endsWith("Ms")) {
    if (typeof value !== "number" || !(value > 0)) throw optionInvalid(option, "a number above 0", value);
    return;
  }
  const least = option === "pingMs" ? PING_MS_MIN : 1;
  if (typeof value !== "number" || !(value >= least && value <= TIMER_MS_MAX))
    throw optionInvalid(option, `a number of ms from ${least} to ${TIMER_MS_MAX}`, value);
}
function checkUrl(url: string): void {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed === null || (parsed.protocol !== "ws:" && parsed.protocol !== "wss:") || parsed.hash !== "")
    throw optionInvalid("url", "a ws:// or wss:// URL without a fragment", url);
}

export const urlsOf = (options: WsDialOptions): readonly string[] =>
  typeof options.url === "string" ? [options.url] : options.url;

/** Proxies of ours in front. */
export const proxiesOf = ({ behindProxy = false }: WsListenOptions): number => Number(behindProxy);

/** Doubles from the first to the second. */
export function backoffOf(options: WsLinkOptions): NonNullable<Transport["backoff"]> {
  const { initialMs = 100, maxMs = Math.max(5_000, initialMs) } = options.backoff ?? {};
  return { initialMs, maxMs };
}
export const linkSettingsOf = (options: WsLinkOptions) => ({
  pingMs: options.pingMs ?? 10_000,
  bufferedBytesMax: options.bufferedBytesMax ?? 8 * 1024 * 1024,
  overloadedAfterMs: options.overloadedAfterMs ?? 10_000,
});
