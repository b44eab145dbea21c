import type { Runtime } from "../runtime/runtime.ts";
import type { GroupSubscription } from "../subscription/group-subscription.ts";
import { holderOf, isSameHolder } from "../subscription/holder.ts";
import type { Lease } from "../subscription/lease.ts";
import type { MemberPort } from "../subscription/member-port.ts";

/** An offer that nobody took passes on to the next member after this long. */
const OFFER_MS = 3_000;
/**
 * Offers that are open at once: a lease counts from when its holder asked for it, so thousands asked for in one
 * breath would be half over when they are answered.
 */
const OFFERS_MAX = 512;

/** Of each queue the members that may have it, best first. */
export type Plan = ReadonlyMap<number, readonly string[]>;
interface Offer {
  readonly port: MemberPort;
  /** Its place in the queue's ranking. */
  readonly rank: number;
  readonly atMs: number;
}
interface OfferingGroup {
  readonly runtime: Runtime;
  readonly subscriptions: ReadonlyMap<number, GroupSubscription>;
  readonly members: ReadonlyMap<string, MemberPort>;
  /** An offer could not be passed on; it is tried again. */
  readonly failed: (error: unknown) => void;
}

/**
 * Which members of a group are asked to take which free queues.
 *
 * ```
 * free ── offer ──▶ asked ── granted (taken) ──▶ gone from here
 *            ▲        │ nobody took it in 3 s: the next of the ranking
 *            └─ waits ◀┘ ◀── 512 are asked already
 * ```
 */
export class Offers {
  readonly #group: OfferingGroup;
  #plan: Plan = new Map();
  readonly #asked = new Map<number, Offer>();
  /** Free queues that are offered when other offers have been taken up, each with the rank of whom to ask first. */
  readonly #waiting = new Map<number, number>();
  #timer: unknown = null;

  constructor(group: OfferingGroup) {
    this.#group = group;
  }
  /** Goes by this plan from now on. What its owners have been asked already stands. */
  follow(plan: Plan): void {
    const { members, subscriptions } = this.#group;
    this.#plan = plan;
    this.#waiting.clear();
    for (const [queue, { port, atMs }] of [...this.#asked]) {
      const owner = plan.get(queue)?.[0];
      const stands =
        owner !== undefined && members.get(owner) === port && subscriptions.get(queue)?.lease?.isVacant === true;
      if (stands) this.#asked.set(queue, { port, rank: 0, atMs });
      else this.#asked.delete(queue);
    }
  }
  isAsked(queue: number): boolean {
    return this.#asked.has(queue);
  }
  /** The queue is somebody's, or free again: nobody is asked any more. */
  taken(queue: number): void {
    this.#asked.delete(queue);
  }
  /** Offers what nobody was offered, and again what went to this member over a link that has ended. */
  again(name: string): void {
    for (const [queue, ranking] of this.#plan) {
      const offer = this.#asked.get(queue);
      if (offer === undefined || ranking[offer.rank] === name) this.offer(queue, offer?.rank);
    }
  }
  /** Offers a free queue to the member that the plan names, or to the next one when that one did not answer. */
  offer(queue: number, rank = 0): void {
    this.#waiting.delete(queue);
    const lease = this.#group.subscriptions.get(queue)?.lease ?? null;
    const ranking = this.#plan.get(queue) ?? [];
    if (lease === null || ranking.length === 0) return;
    if (lease.isQuarantined) this.#offerBack(queue, lease);
    if (!lease.isVacant) return;
    if (this.#asked.size >= OFFERS_MAX && !this.#asked.has(queue)) {
      this.#waiting.set(queue, rank);
      return;
    }
    const { members, runtime } = this.#group;
    const turns = ranking.map((_, step) => (rank + step) % ranking.length);
    const reachable = turns.filter((at) => members.get(ranking[at] as string)?.open === true);
    // one that has fallen silent would not answer: it is asked when nobody else is there
    const at = reachable.find((turn) => members.get(ranking[turn] as string)?.silent === false) ?? reachable[0];
    if (at === undefined) return;
    const port = members.get(ranking[at] as string) as MemberPort;
    this.#asked.set(queue, { port, rank: at, atMs: runtime.now() });
    port.send({ type: "lease.offered", member: port.member, queue });
    this.#watch();
  }
  /** Only the instance that held it before the restart may come in now. */
  #offerBack(queue: number, { holder }: Lease): void {
    if (holder === null) return;
    const port = this.#group.members.get(holder.member);
    if (port?.open === true && isSameHolder(holder, holderOf(port)))
      port.send({ type: "lease.offered", member: port.member, queue });
  }
  /** Offers what waits, as far as there is room. */
  more(): void {
    for (const [queue, rank] of this.#waiting) {
      if (this.#asked.size >= OFFERS_MAX) return;
      try {
        this.offer(queue, rank);
      } catch (error) {
        this.#waiting.set(queue, rank); // the next time round
        throw error;
      }
    }
  }
  /** One timer for all offers. */
  #watch(): void {
    if (this.#timer !== null || this.#asked.size + this.#waiting.size === 0) return;
    this.#timer = this.#group.runtime.setTimeout(() => {
      this.#timer = null;
      try {
        this.#passOn();
      } catch (error) {
        this.#group.failed(error);
      } finally {
        this.#watch();
      }
    }, OFFER_MS / 3);
  }
  /** What was not taken up in time is offered to the next. */
  #passOn(): void {
    const now = this.#group.runtime.now();
    for (const [queue, { rank, atMs }] of [...this.#asked]) {
      if (now - atMs < OFFER_MS) continue;
      this.#asked.delete(queue);
      this.#waiting.set(queue, rank + 1); // behind those that nobody was offered yet
    }
    this.more();
  }
  /** Nothing is offered any more. */
  close(): void {
    this.follow(new Map());
    if (this.#timer !== null) this.#group.runtime.clearTimeout(this.#timer);
    this.#timer = null;
  }
}
