import { cutToBytes, utf8Bytes } from "../message/text.ts";
import type { FailureInfo } from "./field-checks.ts";
import type { Ask } from "./frames/asking.ts";

/** Rule 41: bytes of a text that comes with a failure, an order or an error, as it is sent and kept. */
export const TEXT_BYTES_MAX = 8 * 1024;
/** Same, of a failure's name and code. */
const NAME_BYTES_MAX = 128;

/** A failure as it is sent and kept: its texts are what user code threw, of any length. */
export function cutFailure(
  failure: FailureInfo,
  textBytesMax: number = TEXT_BYTES_MAX,
  nameBytesMax: number = NAME_BYTES_MAX,
): FailureInfo {
  const name = cutToBytes(failure.name, nameBytesMax);
  const message = cutToBytes(failure.message, textBytesMax);
  const code = failure.code === null ? null : cutToBytes(failure.code, nameBytesMax);
  const isWhole = name === failure.name && message === failure.message && code === failure.code;
  return isWhole ? failure : { name, message, code };
}
/** Bytes of its texts. */
export const failureBytes = ({ name, message, code }: FailureInfo): number =>
  utf8Bytes(name) + utf8Bytes(message) + (code === null ? 0 : utf8Bytes(code));

/**
 * The frame with a failure of no more than is kept: cut before it is sent, and again by who takes it, which does not
 * know who sent it.
 */
export function withCutFailure<F extends { readonly error: FailureInfo }>(frame: F): F {
  const error = cutFailure(frame.error);
  return error === frame.error ? frame : { ...frame, error };
}
/** Same, with the reason of an order, which is a person's. */
export function withCutReason(frame: Ask): Ask {
  const { question } = frame;
  if (!("reason" in question)) return frame;
  const reason = cutToBytes(question.reason, TEXT_BYTES_MAX);
  return reason === question.reason ? frame : { ...frame, question: { ...question, reason } };
}
