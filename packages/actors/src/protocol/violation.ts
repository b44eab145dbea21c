import { MessagingError } from "../message/errors.ts";
import { clipped, quoted } from "../message/text.ts";

/** Frames that a packet may hold. Those that our own code sends hold at most half as many. */
export const FRAMES_MAX = 8_192;
/** Keys that no decoded object may carry: they reach prototypes where such an object is copied or merged. */
export const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);
/** Objects and arrays inside each other, at most, in a packet. The deepest frame has 9. */
export const DEPTH_MAX = 64;
/** Same, of the data that an error carries. */
export const ERROR_DEPTH_MAX = 16;
/** Characters of an error's data, as JSON; larger data stays at home. */
export const ERROR_DATA_SENT_MAX = 65_536;
/** Characters of an object's key, at most. */
export const OBJECT_KEY_MAX = 1_024;

/**
 * What a peer gets that sent something that is not of this protocol. `frame` is `packet` where no frame could be
 * told.
 */
export const violation = (
  frame: string,
  field: string,
  expected: string,
  found: string,
): MessagingError<"PROTOCOL_VIOLATION"> =>
  new MessagingError(
    "PROTOCOL_VIOLATION",
    `${frame === "packet" ? "packet" : `frame "${frame}"`}${field === "" ? "" : `, field ${quoted(field)}`}: expected ${expected}, found ${found}`,
    { data: { frame, field: clipped(field), expected, found } },
  );

export const tooManyFrames = (): MessagingError<"PROTOCOL_VIOLATION"> =>
  violation("packet", "", `at most ${FRAMES_MAX} frames`, "more");

/** A value in a few words, never more than a line of it. */
export function describeFound(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string")
    return value.length > 40 ? `a string of ${value.length} characters` : JSON.stringify(value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" ? "a function" : String(value);
}
