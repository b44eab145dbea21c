import { murmur3 } from "../message/route.ts";

export type Allocation = "sticky" | "average" | "circle" | "consistent-hash";

const utf8 = new TextEncoder();
const weight = (member: string, queue: number): number => murmur3(utf8.encode(`${member}\n${queue}`));
const VIRTUAL_NODES = 16;

/**
 * Which member gets which queue, best first: a pure function of the members' names and the topic's whole list of queues, so that brokers that see the same members
 * make the same plan without talking. The first of each ranking is the plan; the others follow, in order, when an offer is not taken.
 *
 * - `sticky`: rendezvous hashing (Thaler and Ravishankar, 1998) with bounded load: shares differ by one at most, and few queues move when a member comes or goes.
 * - `average`, `circle`, `consistent-hash`: as Apache RocketMQ's strategies of these names.
 */
export function allocate(strategy: Allocation, queues: readonly number[], names: readonly string[]): Map<number, readonly string[]> {
  const members = [...names].sort();
  const owners = strategies[strategy](queues, members);
  const plan = new Map<number, readonly string[]>();
  for (const queue of queues) {
    const owner = owners.get(queue);
    const others = members.filter((member) => member !== owner).map((member) => ({ member, weight: weight(member, queue) }));
    others.sort((a, b) => b.weight - a.weight || (a.member < b.member ? -1 : 1));
    plan.set(queue, owner === undefined ? [] : [owner, ...others.map(({ member }) => member)]);
  }
  return plan;
}
type Strategy = (queues: readonly number[], members: readonly string[]) => Map<number, string>;

const sticky: Strategy = (queues, members) => {
  const owners = new Map<number, string>();
  if (members.length === 0) return owners;
  const share = Math.floor(queues.length / members.length);
  let larger = queues.length % members.length;
  const load = new Map<string, number>(members.map((member) => [member, 0]));
  const wishes = queues.flatMap((queue) => members.map((member) => ({ queue, member, weight: weight(member, queue) })));
  wishes.sort((a, b) => b.weight - a.weight || a.queue - b.queue || (a.member < b.member ? -1 : 1));
  for (const { queue, member } of wishes) {
    if (owners.has(queue)) continue;
    const has = load.get(member) as number;
    if (has > share || (has === share && larger === 0)) continue;
    if (has === share) larger--;
    owners.set(queue, member);
    load.set(member, has + 1);
  }
  return owners;
};
const average: Strategy = (queues, members) => {
  const owners = new Map<number, string>();
  const share = Math.floor(queues.length / members.length);
  const larger = queues.length % members.length;
  let at = 0;
  members.forEach((member, index) => {
    const count = share + (index < larger ? 1 : 0);
    for (const queue of queues.slice(at, at + count)) owners.set(queue, member);
    at += count;
  });
  return owners;
};
const circle: Strategy = (queues, members) =>
  new Map(members.length === 0 ? [] : queues.map((queue, index) => [queue, members[index % members.length] as string] as const));
const consistentHash: Strategy = (queues, members) => {
  const ring = members.flatMap((member) => Array.from({ length: VIRTUAL_NODES }, (_, node) => ({ at: weight(member, -1 - node), member })));
  ring.sort((a, b) => a.at - b.at || (a.member < b.member ? -1 : 1));
  return new Map(
    ring.length === 0
      ? []
      : queues.map((queue) => {
          const at = weight("", queue);
          return [queue, (ring.find((node) => node.at >= at) ?? (ring[0] as { member: string })).member] as const;
        }),
  );
};
const strategies: Readonly<Record<Allocation, Strategy>> = { sticky, average, circle, "consistent-hash": consistentHash };
