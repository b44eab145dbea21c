import type { Right } from "../contracts/auth.ts";
import type { Principal } from "../contracts/transport.ts";
import { MessagingError } from "../message/errors.ts";
import { quoted } from "../message/text.ts";
import { untraced } from "../message/untraced.ts";
import { logThrown } from "../protocol/own-fault.ts";
import type { AnyOf } from "../protocol/questions/rights.ts";
import type { BrokerScope } from "./broker-scope.ts";

/**
 * What the authorizer answers. Only `true` allows: a promise would otherwise count as a yes, whatever it becomes.
 * @throws `UNAVAILABLE` when the authorizer throws, or answers with anything but true or false
 */
export function isAllowed(
  scope: Pick<BrokerScope, "authorizer" | "runtime" | "logger">,
  path: string,
  principal: Principal,
  right: Right,
): boolean {
  try {
    const allowed: unknown = scope.authorizer.authorize(principal, right);
    if (typeof allowed === "boolean") return allowed;
    void Promise.resolve(allowed).catch(() => {}); // nobody waits for it, so its rejection must not end the process
    throw new TypeError(`authorize must return true or false, found ${typeof allowed}: it cannot be async`);
  } catch (error) {
    const { runtime, logger } = scope;
    const reference = logThrown({ at: "broker", path, runtime, logger }, error, "the authorizer threw", { ...right });
    throw new MessagingError(
      "UNAVAILABLE",
      `whether this is allowed could not be found out; try again (the log of the broker has the reason under reference "${reference}")`,
      { data: { reference } },
    );
  }
}

/** What is told to whoever has none of the rights that would do. */
export function forbidden({ id }: Principal, any: AnyOf): MessagingError<"FORBIDDEN"> {
  const [first, ...others] = any;
  const or = others.length === 0 ? "" : `, and has no other right to it (${others.map(({ verb }) => verb).join(", ")})`;
  const data = others.length === 0 ? { ...first } : { ...first, anyOf: any };
  return untraced(() => new MessagingError("FORBIDDEN", `${quoted(id)} may not ${inWords(first)}${or}`, { data }));
}
function inWords(right: Right): string {
  const topic = right.topic === null ? "this broker" : `topic ${quoted(right.topic)}`;
  switch (right.verb) {
    case "produce":
      return `produce to ${topic}${as(right.producer)}`;
    case "consume":
      return `consume ${topic}${inGroup(right.group)}${as(right.consumer)}`;
    case "observe":
      return `observe ${topic}${inGroup(right.group)}`;
    case "read":
      return `read what is set aside of ${topic}${inGroup(right.group)}`;
    case "manage":
      return `manage ${topic}`;
  }
}
const as = (name: string | null): string => (name === null ? "" : ` as ${quoted(name)}`);
const inGroup = (group: string | null): string => (group === null ? "" : ` in group ${quoted(group)}`);
