import { InternalError, MessagingError } from "../message/errors.ts";

/** How a link ended. `error` is `null` when this side closed it. */
export interface LinkOver {
  readonly error: MessagingError | null;
}
/** What requests under way, and those to come, fail with once it has ended. */
export const linkGone = (cause: MessagingError | null): MessagingError<"UNAVAILABLE"> =>
  new MessagingError("UNAVAILABLE", "the link to the broker has ended", cause === null ? {} : { cause });
/** What the other side's end of a link means here. */
export function lost(code: string, reason: string): MessagingError {
  if (code === "internal") return new InternalError("broker", reason);
  if (code === "violation")
    return new MessagingError("PROTOCOL_VIOLATION", `the broker ended the link: ${reason || "protocol violation"}`);
  if (code === "unauthenticated")
    return new MessagingError("UNAUTHENTICATED", `the broker ended the link: ${reason || "the token has expired"}`);
  if (code === "tooLarge" || code === "overloaded")
    return new MessagingError("LIMIT_EXCEEDED", `the broker ended the link (${code}): ${reason}`);
  return new MessagingError(
    "UNAVAILABLE",
    `the link to the broker was ${code === "lost" ? "lost" : `ended (${code})`}${reason === "" ? "" : `: ${reason}`}`,
  );
}
