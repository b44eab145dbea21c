import type { ErrorCode, LinkCode, LinkEnd } from "@seriatim/actors/client";

/** What both sides speak after the upgrade. Another version gets another name. */
export const SUBPROTOCOL = "seriatim.v1";
/**
 * Offered, beside `SUBPROTOCOL`, by a dialling side that is not shown HTTP statuses (a browser's
 * WebSocket). When the link is refused, the server picks this one, says why in the close code, and
 * ends; no frame is ever taken from such a connection. Whoever does not offer it gets the status.
 */
export const SUBPROTOCOL_REFUSAL = "seriatim.refusal";
/** Where a platform allows no headers, the token travels as a subprotocol entry, which the server never echoes. */
const TOKEN_PREFIX = "seriatim.token.";
/** Carries the error code of a refused upgrade beside its HTTP status. */
export const ERROR_HEADER = "seriatim-error";

/** Why an upgrade is refused: the HTTP status, and the close code for those who offered `SUBPROTOCOL_REFUSAL`. */
export const REFUSALS = {
  UNAUTHENTICATED: { status: 401, closeCode: 4401 },
  FORBIDDEN: { status: 403, closeCode: 4403 },
  VERSION_UNSUPPORTED: { status: 426, closeCode: 4426 },
  LIMIT_EXCEEDED: { status: 503, closeCode: 4503 },
  UNAVAILABLE: { status: 503, closeCode: 4504 },
  PROTOCOL_VIOLATION: { status: 400, closeCode: 4400 },
} as const satisfies Partial<Record<ErrorCode, { status: number; closeCode: number }>>;
export type RefusalCode = keyof typeof REFUSALS;

const codes = Object.keys(REFUSALS) as RefusalCode[];
/**
 * The error code of a refusal as a dialling side of Node sees it.
 * Without our header somebody else answered, a proxy for example.
 */
export function refusalOfStatus(status: number, header: unknown): RefusalCode {
  const named = codes.find((code) => code === header);
  if (named !== undefined) return named;
  if (status === 401 || status === 407) return "UNAUTHENTICATED";
  if (status === 403) return "FORBIDDEN";
  if (status === 426) return "VERSION_UNSUPPORTED";
  if (status === 429) return "LIMIT_EXCEEDED";
  return "UNAVAILABLE";
}
export const refusalOfCloseCode = (closeCode: number): RefusalCode =>
  codes.find((code) => REFUSALS[code].closeCode === closeCode) ?? "UNAVAILABLE";

export function tokenToEntry(token: string): string {
  const bytes = new TextEncoder().encode(token);
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return TOKEN_PREFIX + btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
/** The token among the subprotocols a client offered; `null` when there is none, or none that can be read. */
export function tokenFromEntries(entries: readonly string[]): string | null {
  const entry = entries.find((offered) => offered.startsWith(TOKEN_PREFIX));
  if (entry === undefined) return null;
  try {
    const binary = atob(entry.slice(TOKEN_PREFIX.length).replaceAll("-", "+").replaceAll("_", "/"));
    return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(binary, (char) => char.charCodeAt(0)));
  } catch {
    return null;
  }
}

/**
 * Close codes as a `LinkCode` sets them. A platform's WebSocket may only send 1000 and 3000 to 4999,
 * so it says 4001 for 1001, 4009 for 1009, 4011 for 1011 and 4013 for 1013; both sides understand both.
 */
export const CLOSE_CODES: Readonly<Record<LinkCode, { readonly standard: number; readonly platform: number }>> = {
  normal: { standard: 1000, platform: 1000 },
  violation: { standard: 4400, platform: 4400 },
  tooLarge: { standard: 1009, platform: 4009 },
  overloaded: { standard: 1013, platform: 4013 },
  unavailable: { standard: 1001, platform: 4001 },
  internal: { standard: 1011, platform: 4011 },
  unauthenticated: { standard: 4401, platform: 4401 },
};
const LINK_CODES: Readonly<Record<number, LinkCode>> = {
  1000: "normal",
  1001: "unavailable",
  1002: "violation",
  1003: "violation",
  1005: "normal", // closed politely, without a code
  1007: "violation",
  1008: "violation",
  1009: "tooLarge",
  1011: "internal",
  1012: "unavailable",
  1013: "overloaded",
  4001: "unavailable",
  4009: "tooLarge",
  4011: "internal",
  4013: "overloaded",
  4400: "violation",
  4401: "unauthenticated",
};
export function linkEndOf(closeCode: number, reason: string): LinkEnd {
  const code = LINK_CODES[closeCode];
  if (code !== undefined) return { code, reason };
  if (closeCode === 1006) return { code: "lost", reason: reason === "" ? "the connection broke" : reason };
  return { code: "lost", reason: `closed with code ${closeCode}${reason === "" ? "" : `: ${reason}`}` };
}

/** A close frame has room for 123 bytes of text; a longer one is cut between characters. */
export function clipReason(reason: string): string {
  if (reason.length <= 41) return reason; // at most 3 bytes for each UTF-16 unit
  const { read } = new TextEncoder().encodeInto(reason, new Uint8Array(123));
  return reason.slice(0, read);
}

/** A URL for people and logs: without credentials and query, which may hold secrets. */
export function redacted(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname === "/" ? "" : pathname}`;
}
