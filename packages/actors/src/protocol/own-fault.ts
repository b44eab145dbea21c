import type { Logger } from "../contracts/logger.ts";
import { InternalError, isMessagingError, type MessagingError, textOf } from "../message/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** The end of a link at which something threw. */
export interface FaultyEnd {
  readonly at: "broker" | "client";
  /** Which link, for the log. */
  readonly path: string;
  readonly runtime: Runtime;
  readonly logger: Logger;
}

/**
 * Rule 40: a fault harms one link. Logs what was thrown, with its stack, and gives the error that the link ends with:
 * the peer learns the reference and nothing else, since what was thrown may hold anything.
 * @param doing what was going on, in a few words: the frame that was handled, the answer that was written
 */
export function ownFault(end: FaultyEnd, thrown: unknown, doing: string): InternalError {
  const text = `a fault of our own at ${doing} ends the link; please report this line`;
  const reference = logThrown(end, thrown, text, { code: "INTERNAL", doing });
  return new InternalError(end.at, reference, { cause: thrown });
}
/**
 * Rule 41: logs what was thrown with all that is known of it, and says under which reference: a peer may be told
 * that, and nothing else of it.
 */
export function logThrown({ path, runtime, logger }: FaultyEnd, thrown: unknown, text: string, data: object): string {
  const reference = runtime.id();
  logger.log("error", `${path}: ${text}`, { reference, ...data, ...detailsOf(thrown) });
  return reference;
}
/**
 * Whether it is the peer that broke the protocol; anything else that is thrown while a frame is handled, and is no
 * refusal, is a fault of ours.
 */
export const brokeProtocol = (thrown: unknown): thrown is MessagingError<"PROTOCOL_VIOLATION"> =>
  isMessagingError(thrown, "PROTOCOL_VIOLATION");

/** Errors that are looked at behind one another. */
const CAUSES_MAX = 8;
interface Details {
  readonly error: string;
  readonly stack: string;
  /** Of an error of ours. */
  readonly about?: object;
}
/** All that is known of what was thrown, and of what is behind it. */
function detailsOf(thrown: unknown): Details & { readonly causes?: readonly Details[] } {
  const causes: Details[] = [];
  for (let at = causeOf(thrown); at !== undefined && causes.length < CAUSES_MAX; at = causeOf(at))
    causes.push(ownDetailsOf(at));
  return { ...ownDetailsOf(thrown), ...(causes.length === 0 ? {} : { causes }) };
}
function ownDetailsOf(thrown: unknown): Details {
  try {
    const error = thrown instanceof Error ? String(thrown) : textOf(thrown);
    const stack = thrown instanceof Error ? (thrown.stack ?? error) : error;
    return { error, stack, ...(isMessagingError(thrown) ? { about: thrown.data } : {}) };
  } catch {
    return { error: textOf(thrown), stack: "" }; // it throws when it is looked at
  }
}
function causeOf(thrown: unknown): unknown {
  try {
    return thrown instanceof Error ? thrown.cause : undefined;
  } catch {
    return undefined;
  }
}
