import type { SendingEvent } from "../history-event.ts";
import type { Identity } from "./history-model.ts";

/**
 * The `sending` lines whose message may have been appended: those that got a receipt, an unknown outcome, or no answer
 * before their process ended.
 * A `refused` with `notAppended` speaks for every `sending` of its process since the answer before it.
 */
export function possibleAttempts(identity: Identity): SendingEvent[] {
  const possible: SendingEvent[] = [];
  const unanswered = new Map<string, SendingEvent[]>();
  for (const line of identity.sends) {
    const pending = unanswered.get(line.process) ?? [];
    if (line.type === "sending") unanswered.set(line.process, [...pending, line]);
    else {
      unanswered.delete(line.process);
      if (line.type === "sent" || line.outcome !== "notAppended") possible.push(...pending);
    }
  }
  for (const pending of unanswered.values()) possible.push(...pending);
  return possible;
}

/** Whether its senders were told, for each attempt, that it was not appended. */
export function isSaidToBeNowhere(identity: Identity): boolean {
  const wasRefused = identity.sends.some((line) => line.type === "refused" && line.outcome === "notAppended");
  return wasRefused && possibleAttempts(identity).length === 0;
}
