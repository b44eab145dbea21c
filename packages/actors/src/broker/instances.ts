import { instanceKey } from "../log/owner.ts";
import { MessagingError } from "../message/errors.ts";
import type { GroupSubscription } from "../subscription/group-subscription.ts";
import type { HolderChange } from "../subscription/subscription-scope.ts";
import type { Session } from "./session.ts";
import { Shares } from "./shares.ts";

/** Instances of one principal whose link numbers are known, at most, beside those that hold something. */
export const LINKS_SEEN_MAX = 10_000;
/** Of all principals together. */
const LINKS_SEEN_IN_ALL_MAX = 100_000;

/**
 * The clients of a broker (rule 4). One is known by its principal *and* the instance it shows: whoever shows another's instance is a client of his own, and neither comes near what that one holds nor
 * locks it out. Link numbers are forgotten of such only as hold nothing, and of each principal by itself.
 */
export class Instances {
  readonly #live = new Map<string, Session>();
  readonly #held = new Map<string, Set<GroupSubscription>>();
  /** The highest link number of each, also after that link has ended: one that was overtaken on its way is refused. */
  readonly #links = new Shares<number>({
    eachMax: LINKS_SEEN_MAX,
    allMax: LINKS_SEEN_IN_ALL_MAX,
    isInUse: (key) => this.#live.has(key) || this.#held.has(key),
  });

  /** Closes older sessions of the instance; false when a newer link of it has been seen. */
  admit(session: Session): boolean {
    const { principal, linkNumber } = session;
    const key = instanceKey(session.instance, principal);
    const seen = this.#links.get(principal ?? "", key);
    if (seen !== undefined && seen >= linkNumber) return false;
    const older = this.#live.get(key);
    this.#live.set(key, session);
    this.#links.set(principal ?? "", key, linkNumber);
    older?.close(new MessagingError("CLOSED", "a newer link of the same client has taken this one's place"), "normal");
    return true;
  }
  ended(session: Session): void {
    const key = instanceKey(session.instance, session.principal);
    if (this.#live.get(key) === session) this.#live.delete(key);
  }
  heldBy({ instance, principal }: Pick<Session, "instance" | "principal">): Iterable<GroupSubscription> {
    return this.#held.get(instanceKey(instance, principal)) ?? [];
  }
  noteHolder(subscription: GroupSubscription, { holder, held: isHeld }: HolderChange): void {
    const key = instanceKey(holder.instance, holder.principal ?? null);
    const held = this.#held.get(key) ?? new Set();
    if (isHeld) held.add(subscription);
    else held.delete(subscription);
    if (held.size === 0) this.#held.delete(key);
    else this.#held.set(key, held);
  }
}
