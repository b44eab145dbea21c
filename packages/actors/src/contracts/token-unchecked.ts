import { isMessagingError } from "../message/errors.ts";

const REFERENCE = /^[0-9A-Za-z-]{1,64}$/;

/**
 * For a `Transport` whose `authenticate` has rejected: what the dialling side is told. Nothing of what it rejected
 * with, but the reference under which a broker has logged that.
 */
export function tokenUnchecked(error: unknown): string {
  const reference = isMessagingError(error) ? error.data["reference"] : undefined;
  const where =
    typeof reference === "string" && REFERENCE.test(reference)
      ? ` (why is in the broker's log, under reference "${reference}")` // all of it fits into a close reason
      : "";
  return `the token could not be checked${where}`;
}
