import { instanceKey, type Owner } from "../log/owner.ts";
import { MessagingError } from "../message/errors.ts";
import type { Hello } from "../protocol/frames.ts";
import type { Lease } from "../subscription/lease.ts";
import type { HolderChange } from "../subscription/subscription-scope.ts";
import { PrincipalCache } from "./principal-cache.ts";

/** Instances of one principal whose link numbers are known, at most, beside those that hold something. */
export const LINKS_SEEN_MAX = 10_000;
/** Of all principals together. */
const LINKS_SEEN_IN_ALL_MAX = 100_000;
/**
 * Instances that one opening of the data can tell apart; those after it share the last ordinal, and do not fence each
 * other by it. Leaves room for 2^23 openings.
 */
const ORDINALS_MAX = 2 ** 30;

/** A client that has come in, on the one link that counts. */
export interface Admitted {
  readonly instance: string;
  /** Whose it is, and all that is begun on it. */
  readonly principal: Owner;
  /** Of its instance: a higher one came later. */
  readonly ordinal: number;
  /** Leases that it has here. */
  held(): Iterable<Lease>;
  /** Its link has ended. */
  leave(): void;
}
/** Ends an older link of an instance. */
type Close = (error: MessagingError, code: "normal") => void;

/**
 * The clients of a broker (rule 4). One is known by its principal *and* the instance it shows: whoever shows
 * another's instance is a client of his own, and neither comes near what that one holds nor locks it out. Link
 * numbers are forgotten of such only as hold nothing, and of each principal by itself.
 */
export class Instances {
  readonly #logEpoch: number;
  #lastOrdinal: number;
  readonly #live = new Map<string, Close>();
  readonly #held = new Map<string, Set<Lease>>();
  /** The highest link number of each, also after that link has ended: one that was overtaken on its way is refused. */
  readonly #links = new PrincipalCache<number>({
    eachMax: LINKS_SEEN_MAX,
    allMax: LINKS_SEEN_IN_ALL_MAX,
    isInUse: (key) => this.#live.has(key) || this.#held.has(key),
  });

  /** `logEpoch`: which opening of the data this is. */
  constructor(logEpoch: number) {
    this.#logEpoch = logEpoch;
    this.#lastOrdinal = logEpoch * ORDINALS_MAX;
  }
  /** Lets the client in and closes older links of it; `null` when a newer one has been seen. */
  admit({ instance, link, ordinal }: Hello, principal: Owner, close: Close): Admitted | null {
    const key = instanceKey(instance, principal);
    const seen = this.#links.get(principal ?? "", key);
    if (seen !== undefined && seen >= link) return null;
    const older = this.#live.get(key);
    this.#live.set(key, close);
    this.#links.set(principal ?? "", key, link);
    older?.(new MessagingError("CLOSED", "a newer link of the same client has taken this one's place"), "normal");
    return {
      instance,
      principal,
      ordinal: this.#ordinalOf(ordinal),
      held: () => this.#held.get(key) ?? [],
      leave: () => {
        if (this.#live.get(key) === close) this.#live.delete(key);
      },
    };
  }
  /** The ordinal of an instance that shows this one. */
  #ordinalOf(shown: number | null): number {
    // one from later than now was given under an owner of the data that this broker knows nothing of, or with other
    // data
    if (shown !== null && shown <= this.#lastOrdinal) return shown;
    this.#lastOrdinal = Math.min(this.#lastOrdinal + 1, (this.#logEpoch + 1) * ORDINALS_MAX - 1);
    return this.#lastOrdinal;
  }
  noteHolder(lease: Lease, { holder, held: isHeld }: HolderChange): void {
    const key = instanceKey(holder.instance, holder.principal ?? null);
    const held = this.#held.get(key) ?? new Set();
    if (isHeld) held.add(lease);
    else held.delete(lease);
    if (held.size === 0) this.#held.delete(key);
    else this.#held.set(key, held);
  }
}
