// Texts of others in texts of ours: how they are shown to people, and how long they may be.

/** Characters that our texts quote of somebody else's text, at most. */
export const QUOTED_MAX = 100;
const CUT = "…";
const CUT_BYTES = 3;

/**
 * What writes to a terminal, breaks a line, turns the direction of a text or cannot be seen; and halves of characters.
 */
const UNSHOWN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;
const EACH_UNSHOWN = new RegExp(UNSHOWN.source, "gu");
const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * Rule 41: a text as people may be shown it: control characters, line ends, what turns the direction of writing and
 * what cannot be seen appear as escapes (`\n`, `\u001b`), so that nobody's name, key or reason forges a line of a log
 * or writes to a terminal. What has been through it once stays as it is.
 */
export const shown = (text: string): string => (UNSHOWN.test(text) ? text.replace(EACH_UNSHOWN, escaped) : text);
function escaped(character: string): string {
  const code = character.codePointAt(0) as number;
  return SHORT[character] ?? (code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, "0")}`);
}

/** Somebody else's text within one of ours: shown, in quotation marks, its first 100 characters. */
export const quoted = (text: string, max = QUOTED_MAX): string => `"${shown(clipped(text, max))}"`;
/** The first characters of a text; the last of them is `…` where some are missing. */
export function clipped(text: string, max = QUOTED_MAX): string {
  if (text.length <= max) return text;
  const end = max - CUT.length;
  return `${text.slice(0, isPairAt(text, end - 1) ? end - 1 : end)}${CUT}`;
}

/**
 * The text, or as much of it as `bytesMax` bytes of UTF-8 hold, cut between characters and marked with `…`; what is cut
 * off is not kept in memory.
 */
export function cutToBytes(text: string, bytesMax: number): string {
  if (text.length * 3 <= bytesMax || (text.length <= bytesMax && utf8Bytes(text) <= bytesMax)) return text;
  const bytes = new Uint8Array(bytesMax - CUT_BYTES);
  const { written } = encoder.encodeInto(text, bytes);
  return `${decoder.decode(bytes.subarray(0, written))}${CUT}`;
}
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Bytes of a text in UTF-8. */
export function utf8Bytes(text: string): number {
  let bytes = 0;
  // a pair of surrogates is two units and four bytes
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    bytes += unit < 0x80 ? 1 : unit < 0x800 ? 2 : isPairAt(text, at) ? 4 : 3;
    if (isPairAt(text, at)) at++;
  }
  return bytes;
}
const isPairAt = (text: string, at: number): boolean => (text.codePointAt(at) ?? 0) > 0xffff;
