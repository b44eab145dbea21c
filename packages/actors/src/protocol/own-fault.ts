import { InternalError, isMessagingError, type MessagingError, textOf } from "../message/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Logger } from "../system/contracts.ts";

/** The end of a link at which something of ours threw. */
export interface FaultyEnd {
  readonly at: "broker" | "client";
  /** Which link, for the log. */
  readonly path: string;
  readonly runtime: Runtime;
  readonly logger: Logger;
}

/**
 * Rule 40: a fault harms one link. Logs what was thrown, with its stack, and gives the error that the link ends with: the peer learns the reference and nothing else, since what was thrown may hold anything.
 * @param doing what was going on, in a few words: the frame that was handled, the answer that was written
 */
export function ownFault({ at, path, runtime, logger }: FaultyEnd, thrown: unknown, doing: string): InternalError {
  const reference = runtime.id();
  const fault = new InternalError(at, reference, { cause: thrown });
  const said = thrown instanceof Error ? String(thrown) : textOf(thrown);
  const stack = thrown instanceof Error ? (thrown.stack ?? said) : said;
  const text = `${path}: a fault of our own at ${doing} ends the link; please report this line`;
  logger.log("error", text, { code: fault.code, reference, doing, error: said, stack });
  return fault;
}
/** Whether it is the peer that broke the protocol; anything else that is thrown while a frame is handled, and is no refusal, is a fault of ours. */
export const brokeProtocol = (thrown: unknown): thrown is MessagingError<"PROTOCOL_VIOLATION"> =>
  isMessagingError(thrown, "PROTOCOL_VIOLATION");
