import { limitExceeded, optionInvalid } from "../message/errors.ts";
import { quoted } from "../message/text.ts";
import type { QueueEnd } from "../protocol/questions.ts";
import type { Departure } from "../runtime/departure.ts";
import type { Group } from "./group.ts";
import { type Asker, RETRY_IN_MS } from "./question-turns.ts";
import { Quota } from "./quota.ts";

/** What a question that waits counts as, beside its ends. */
const QUESTION_ENDS = 16;
/** Ends that are waited for, at most: of one link, of one principal, of one group. */
const ENDS_MAX = { link: 131_072, principal: 524_288, group: 524_288 } as const;

/** Queues that are behind, and the ends they are waited for at: an entry of the same index in each. */
interface Ends {
  readonly queues: Uint16Array;
  readonly ends: Float64Array;
}

/**
 * Questions that wait until a group has come so far, for as long as it takes. A cursor never goes back, so each waits
 * at one queue after another: it costs that queue one entry, and a settle of any other nothing. Bounded by the number
 * of ends.
 */
export class ReachedWaits {
  readonly #links = new Quota(ENDS_MAX.link);
  readonly #principals = new Quota(ENDS_MAX.principal);
  readonly #groups = new Quota(ENDS_MAX.group);

  /**
   * Resolves once every queue has come to its end, or nobody waits any more (`departure`). Of several ends of one
   * queue the furthest counts. Keeps nothing of `asked`.
   * @throws `LIMIT_EXCEEDED` (`retryInMs`) when too much is waited for, `OPTION_INVALID` for a queue that the topic
   * does not have
   */
  wait(asker: Asker, group: Group, asked: readonly QueueEnd[], departure = asker.departure): Promise<void> {
    const ends = behind(group, asked);
    if (ends.queues.length === 0) return Promise.resolve();
    const { principal } = asker;
    const holders = [
      { quota: this.#links, holder: asker, limit: "endsMax", who: "this link waits" },
      { quota: this.#principals, holder: principal, limit: "principalEndsMax", who: `${quoted(principal)} waits` },
      {
        quota: this.#groups,
        holder: group,
        limit: "groupEndsMax",
        who: `group ${quoted(group.name)} is waited for`,
      },
    ];
    const cost = ends.queues.length + QUESTION_ENDS;
    const full = holders.find(({ quota, holder }) => !quota.hasRoom(holder, cost));
    if (full !== undefined)
      throw limitExceeded(
        full.limit,
        full.quota.max,
        `${full.who} at the ends of ${full.quota.max} queues`,
        "wait for less at once",
        RETRY_IN_MS,
      );
    for (const { quota, holder } of holders) quota.add(holder, cost);
    return oneAfterAnother(departure, group, ends).finally(() => {
      for (const { quota, holder } of holders) quota.add(holder, -cost);
    });
  }
}

/** Of what is asked for, what has not been reached. */
function behind(group: Group, asked: readonly QueueEnd[]): Ends {
  const furthest = new Map<number, number>();
  for (const { queue, end } of asked) {
    const subscription = group.subscription(queue);
    if (subscription === undefined) throw optionInvalid("ends", "ends of queues that the topic has", `queue ${queue}`);
    if (subscription.committedCursor < end) furthest.set(queue, Math.max(end, furthest.get(queue) ?? 0));
  }
  return { queues: Uint16Array.from(furthest.keys()), ends: Float64Array.from(furthest.values()) };
}
async function oneAfterAnother(departure: Departure, group: Group, { queues, ends }: Ends): Promise<void> {
  let isGone = false;
  for (let at = 0; at < queues.length && !isGone; at++) {
    const subscription = group.subscription(queues[at] as number);
    const end = ends[at] as number;
    if (subscription === undefined || subscription.committedCursor >= end) continue;
    await new Promise<void>((resolve) => {
      const cancel = subscription.whenReached(end, () => {
        stopWatching();
        resolve();
      });
      const stopWatching = departure.when(() => {
        isGone = true;
        cancel();
        resolve();
      });
    });
  }
}
