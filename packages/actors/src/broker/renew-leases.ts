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
  for (const key of frame.leases) {
    const at = members.subscription(key);
    const lease = at?.subscription.lease ?? null;
    if (at === undefined || lease === null) {
      listed.add(`${key.queue}:${key.epoch}`); // neither renewed nor given back
      continue;
    }
    listed.add(lease);
    const ttlMs = lease.renew(at.port, key.epoch);
    if (ttlMs !== null) renewed.push({ ...key, ttlMs });
    // asked to resume, not answered yet: neither renewed nor over
    else if (lease.isOver(key.epoch)) ended.push({ ...key, current: lease.epoch });
  }
  for (const lease of [...client.held()]) {
    if (listed.has(lease) || listed.has(`${lease.ledger.scope.place.queue}:${lease.epoch}`)) continue;
    const wasSeen = lease.grant !== 0 && lease.grant <= frame.grantsSeen;
    if (!lease.isOn(link) || wasSeen) lease.end("released");
  }
  return { type: "heartbeat.answered", beat: frame.beat, renewed, ended };
}
