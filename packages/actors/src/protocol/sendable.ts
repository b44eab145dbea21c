import type { ErrorData, WireError } from "../message/errors.ts";
import { cutToBytes } from "../message/text.ts";
import { TEXT_BYTES_MAX, withCutFailure, withCutReason } from "./cut-texts.ts";
import type { Frame } from "./frames.ts";
import { ERROR_DEPTH_MAX, FORBIDDEN_KEYS } from "./violation.ts";

/** Characters of an error's data, as JSON; larger data stays at home. */
export const ERROR_DATA_SENT_MAX = 65_536;

/**
 * The frame as it may travel. Errors are what user code threw, and reasons what people say: their texts can be of any length and their data anything, and neither may
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
