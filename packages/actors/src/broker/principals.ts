import type { Authenticator } from "../contracts/auth.ts";
import type { Logger } from "../contracts/logger.ts";
import type { ListenOptions, Principal } from "../contracts/transport.ts";
import { MessagingError } from "../message/errors.ts";
import type { Runtime } from "../runtime/runtime.ts";

const ID_LENGTH_MAX = 1_024;
/** One line of the log in so much time, ms: whoever has no token can bring it about. */
const LOG_MS = 60_000;

/**
 * The authenticator as transports ask it: what it answers is a principal whose token has not expired, or nobody comes
 * in. `false` and `undefined` say no, as `null` does; anything else is a fault of its own (`UNAVAILABLE`). What is
 * neither a principal nor `null` is logged.
 */
export function principalsOf(
  authenticator: Authenticator,
  { runtime, logger }: { readonly runtime: Runtime; readonly logger: Logger },
): ListenOptions["authenticate"] {
  let loggedAt = Number.NEGATIVE_INFINITY;
  return async (token, signal) => {
    const found: unknown = await authenticator.authenticate(token, signal);
    if (found === null) return null;
    const fault = faultOf(found);
    if (fault === null) {
      const principal = found as Principal;
      return (principal.expiresAtMs ?? Number.POSITIVE_INFINITY) > runtime.wallNow() ? principal : null;
    }
    if (runtime.now() - loggedAt >= LOG_MS) {
      loggedAt = runtime.now();
      logger.log("error", `authenticate must return a principal or null, ${fault}: nobody comes in`, {});
    }
    if (found === undefined || found === false) return null;
    throw new MessagingError("UNAVAILABLE", "whose token this is could not be found out; try again");
  };
}
/** What is wrong with it as a principal: only types and lengths, since what it holds may be secret. */
function faultOf(found: unknown): string | null {
  if (typeof found !== "object" || found === null) return `found ${typeof found}`;
  const { id, expiresAtMs } = found as { readonly id?: unknown; readonly expiresAtMs?: unknown };
  if (typeof id !== "string") return `found an "id" of type ${typeof id}`;
  if (id.length === 0 || id.length > ID_LENGTH_MAX)
    return `found an "id" of ${id.length} characters: it has 1 to ${ID_LENGTH_MAX}`;
  if (expiresAtMs !== undefined && !Number.isFinite(expiresAtMs))
    return `found an "expiresAtMs" of type ${typeof expiresAtMs} that is no number of ms since 1970`;
  return null;
}
