import type { ErrorData, WireError } from "../message/errors.ts";
import { cutToBytes } from "../message/text.ts";
import { TEXT_BYTES_MAX, withCutFailure, withCutReason } from "./cut-texts.ts";
import type { Frame } from "./frames.ts";
import { ERROR_DATA_SENT_MAX, ERROR_DEPTH_MAX, FORBIDDEN_KEYS } from "./violation.ts";

/**
 * The frame as it may travel. Errors are what user code threw, and reasons what people say: their texts can be of any
 * length and their data anything, and neither may make a peer refuse the frame or end the link.
 */
export function sendable(frame: Frame): Frame {
  switch (frame.type) {
    case "goodbye":
      return frame.error === null ? frame : { ...frame, error: sendableError(frame.error) };
    case "refused":
    case "batch.refused":
    case "settle.refused":
      return { ...frame, error: sendableError(frame.error) };
    case "aside.put":
      return withCutFailure(frame);
    case "ask":
      return withCutReason(frame);
    default:
      return frame;
  }
}
const sendableError = (error: WireError): WireError => ({
  code: error.code,
  message: cutToBytes(error.message, TEXT_BYTES_MAX),
  data: plainData(error.data),
});

/** The data as JSON would carry it; without what JSON cannot carry, and empty when that is all of it. */
function plainData(data: ErrorData): ErrorData {
  try {
    if (isPlain(data, ERROR_DEPTH_MAX, { left: PLAIN_CHARACTERS_MAX })) return data;
    const json = JSON.stringify(data, (name, value: unknown) =>
      FORBIDDEN_KEYS.has(name) ? undefined : typeof value === "bigint" ? String(value) : value,
    );
    if (json === undefined || json.length > ERROR_DATA_SENT_MAX) return {};
    const plain: unknown = JSON.parse(json);
    return typeof plain === "object" && plain !== null && !Array.isArray(plain) && !deeperThan(plain, ERROR_DEPTH_MAX)
      ? (plain as ErrorData)
      : {};
  } catch {
    // a cycle, or a getter that throws
    return {};
  }
}
/** Data of so many characters is no longer as JSON than what is sent, whatever has to be escaped in it. */
const PLAIN_CHARACTERS_MAX = ERROR_DATA_SENT_MAX / 8;
/** Whether JSON would carry it as it is. What our own errors tell is: only what others threw takes the long way. */
function isPlain(value: unknown, depth: number, characters: { left: number }): boolean {
  characters.left -= typeof value === "string" ? value.length + 1 : 1;
  if (characters.left < 0) return false;
  if (value === null || typeof value === "string" || typeof value === "boolean") return true;
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
  if (typeof value !== "object" || depth === 0) return false;
  if (Array.isArray(value)) return value.every((item) => isPlain(item, depth - 1, characters));
  if (Object.getPrototypeOf(value) !== Object.prototype) return false;
  return Object.entries(value).every(([name, item]) => {
    characters.left -= name.length;
    return name !== "toJSON" && !FORBIDDEN_KEYS.has(name) && isPlain(item, depth - 1, characters);
  });
}
const deeperThan = (value: unknown, depth: number): boolean =>
  typeof value === "object" &&
  value !== null &&
  (depth === 0 || Object.values(value).some((inner) => deeperThan(inner, depth - 1)));
