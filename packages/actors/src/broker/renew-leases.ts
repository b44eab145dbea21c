import type { Link } from "../contracts/transport.ts";
import type { Heartbeat, HeartbeatAnswered } from "../protocol/frames.ts";
import type { Admitted } from "./instances.ts";
import type { SessionMembers } from "./session-members.ts";

/** Renews what a heartbeat lists, gives back what it does not, and says what is over (rule 5). */
export function renewLeases(
  frame: Heartbeat,
  members: SessionMembers,
  client: Admitted,
  link: Link,
): HeartbeatAnswered {
  const renewed: HeartbeatAnswered["renewed"][number][] = [];
  const ended: HeartbeatAnswered["ended"][number][] = [];
  const listed = new Set<unknown>();
  for (const lease of frame.leases) {
    const at = members.subscription(lease);
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
  for (const subscription of [...client.held()]) {
    if (listed.has(subscription) || listed.has(`${subscription.scope.place.queue}:${subscription.currentEpoch}`))
      continue;
    const isOnThisLink = subscription.isOn(link);
    const wasSeen = subscription.grant !== 0 && subscription.grant <= frame.grantsSeen;
    if (!isOnThisLink || wasSeen) subscription.end("released");
  }
  return { type: "heartbeat.answered", beat: frame.beat, renewed, ended };
}
