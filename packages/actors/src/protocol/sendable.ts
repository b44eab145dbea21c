import type { ErrorData, WireError } from "../message/errors.ts";
import type { FailureInfo, Frame } from "./frames.ts";
import { ERROR_DEPTH_MAX, FORBIDDEN_KEYS } from "./violation.ts";

/** Characters of an error's message that travel; a longer one is cut. */
export const ERROR_TEXT_SENT_MAX = 8_192;
/** Same, of a failure's name and code. */
const FAILURE_NAME_SENT_MAX = 128;
/** Characters of an error's data, as JSON; larger data stays at home. */
const ERROR_DATA_SENT_MAX = 65_536;

/**
 * The frame as it may travel. Errors are what user code threw: their texts can be of any length and their data anything, and neither may
 * make a peer refuse the frame or end the link.
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
      return { ...frame, error: sendableFailure(frame.error) };
    default:
      return frame;
  }
}
const sendableError = (error: WireError): WireError => ({
  code: error.code,
  message: cut(error.message, ERROR_TEXT_SENT_MAX),
  data: plainData(error.data),
});
const sendableFailure = (error: FailureInfo): FailureInfo => ({
  name: cut(error.name, FAILURE_NAME_SENT_MAX),
  message: cut(error.message, ERROR_TEXT_SENT_MAX),
  code: error.code === null ? null : cut(error.code, FAILURE_NAME_SENT_MAX),
});
const cut = (text: string, max: number): string => (text.length <= max ? text : `${text.slice(0, max - 1)}…`);

/** The data as JSON would carry it; without what JSON cannot carry, and empty when that is all of it. */
function plainData(data: ErrorData): ErrorData {
  try {
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
const deeperThan = (value: unknown, depth: number): boolean =>
  typeof value === "object" &&
  value !== null &&
  (depth === 0 || Object.values(value).some((inner) => deeperThan(inner, depth - 1)));
