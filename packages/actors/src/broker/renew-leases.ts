import type { Heartbeat, HeartbeatAnswered, LeaseKey } from "../protocol/frames.ts";
import type { GroupSubscription } from "../subscription/group-subscription.ts";
import type { MemberPort } from "../subscription/member-port.ts";

/** A link, as its heartbeats are judged. */
export interface BeatingLink {
  /** The subscription a lease is about, and the member's port; undefined while that member's join is still being answered. */
  find(lease: LeaseKey): { readonly subscription: GroupSubscription; readonly port: MemberPort } | undefined;
  /** All leases of the link's client here. */
  readonly held: Iterable<GroupSubscription>;
  readonly link: object;
}

/** Renews what a heartbeat lists, gives back what it does not, and says what is over (rule 5). */
export function renewLeases({ find, held, link }: BeatingLink, frame: Heartbeat): HeartbeatAnswered {
  const renewed: HeartbeatAnswered["renewed"][number][] = [];
  const ended: HeartbeatAnswered["ended"][number][] = [];
  const listed = new Set<unknown>();
  for (const lease of frame.leases) {
    const at = find(lease);
    if (at === undefined) {
      listed.add(`${lease.queue}:${lease.epoch}`); // neither renewed nor given back
      continue;
    }
    const { subscription, port } = at;
    listed.add(subscription);
    const ttlMs = subscription.renew(port, lease.epoch);
    if (ttlMs !== null) renewed.push({ ...lease, ttlMs });
    // asked to resume, not answered yet: neither renewed nor over
    else if (subscription.isOver(lease.epoch)) ended.push({ ...lease, current: subscription.currentEpoch });
  }
  for (const subscription of [...held]) {
    if (listed.has(subscription) || listed.has(`${subscription.scope.place.queue}:${subscription.currentEpoch}`))
      continue;
    const isOnThisLink = subscription.isOn(link);
    const wasSeen = subscription.grant !== 0 && subscription.grant <= frame.grantsSeen;
    if (!isOnThisLink || wasSeen) subscription.end("released");
  }
  return { type: "heartbeat.answered", beat: frame.beat, renewed, ended };
}
