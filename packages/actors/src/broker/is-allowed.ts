import { MessagingError } from "../message/errors.ts";
import { logThrown } from "../protocol/own-fault.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Authorizer, Logger, Right } from "../system/contracts.ts";
import type { Principal } from "../transport/transport.ts";

/**
 * What the authorizer answers. Only `true` allows: a promise would otherwise count as a yes, whatever it becomes.
 * @throws `UNAVAILABLE` when the authorizer throws, or answers with anything but true or false
 */
export function isAllowed(
  host: { readonly authorizer: Authorizer; readonly runtime: Runtime; readonly logger: Logger },
  path: string,
  principal: Principal,
  right: Right,
): boolean {
  try {
    const allowed: unknown = host.authorizer.authorize(principal, right);
    if (typeof allowed === "boolean") return allowed;
    void Promise.resolve(allowed).catch(() => {}); // nobody waits for it, so its rejection must not end the process
    throw new TypeError(`authorize must return true or false, found ${typeof allowed}: it cannot be async`);
  } catch (error) {
    const { runtime, logger } = host;
    const reference = logThrown({ at: "broker", path, runtime, logger }, error, "the authorizer threw", { ...right });
    throw new MessagingError(
      "UNAVAILABLE",
      `whether this is allowed could not be found out; try again (the log of the broker has the reason under reference "${reference}")`,
      { data: { reference } },
    );
  }
}
