import { MessagingError } from "../message/errors.ts";
import type { PendingSend } from "./pending-send.ts";

export const aborted = (signal: AbortSignal): MessagingError =>
  new MessagingError("SEND_ABORTED", "the send was taken back before it left", { cause: signal.reason });
export const sendTimeout = (ms: number): MessagingError =>
  new MessagingError("SEND_TIMEOUT", `the message had not left after ${ms} ms; it was not appended`, {
    data: { timeoutMs: ms },
  });
export const outcomeUnknown = (cause: MessagingError): MessagingError =>
  cause.code === "OUTCOME_UNKNOWN"
    ? cause
    : new MessagingError(
        "OUTCOME_UNKNOWN",
        `the message was sent, and whether it was appended is not known: ${cause.message}`,
        { cause },
      );
export const predecessorFailed = (send: PendingSend): MessagingError =>
  new MessagingError(
    "PREDECESSOR_FAILED",
    `an earlier send of key ${JSON.stringify(send.key)} failed, so this one was not sent`,
    { data: { key: send.key } },
  );
