import type { Allocation } from "../contracts/allocation.ts";
import { murmur3 } from "../message/route.ts";

const utf8 = new TextEncoder();
const nameHash = (member: string): number => murmur3(utf8.encode(member));
/**
 * How much a member (by the hash of its name) wants a queue: 29 bits, so that a place in a list fits beside it into
 * one number.
 */
function weight(hash: number, queue: number): number {
  let mixed = hash ^ Math.imul(queue + 1, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 3;
}
const VIRTUAL_NODES = 16;

/**
 * Which member gets which queue, best first (rule 18): a pure function of the members' names and the topic's whole
 * list of queues, so that brokers that see the same members make the same plan without talking. The first of each
 * ranking is the plan; the others follow, in order, when an offer is not taken.
 *
 * - `sticky`: rendezvous hashing (Thaler and Ravishankar, 1998) with bounded load: shares differ by one at most, and
 *   few queues move when a member comes or goes.
 * - `average`, `circle`, `consistent-hash`: as Apache RocketMQ's strategies of these names.
 */
export function allocate(
  strategy: Allocation,
  queues: readonly number[],
  names: readonly string[],
): Map<number, readonly string[]> {
  const members = [...names].sort();
  const owners = strategies[strategy](queues, members);
  const hashes = new Map(members.map((member) => [member, nameHash(member)] as const));
  const plan = new Map<number, readonly string[]>();
  for (const queue of queues) {
    const owner = owners.get(queue);
    const others: { readonly member: string; readonly weight: number }[] = [];
    for (const [member, hash] of hashes) if (member !== owner) others.push({ member, weight: weight(hash, queue) });
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
  // the weight of each pair and its place in one number, so that 100,000s of them are sorted without comparing objects
  const pairs = queues.length * members.length;
  const wishes = new Float64Array(pairs);
  members.forEach((member, column) => {
    const hash = nameHash(member);
    queues.forEach((queue, row) => {
      const place = row * members.length + column;
      wishes[place] = weight(hash, queue) * pairs + (pairs - 1 - place);
    });
  });
  wishes.sort();
  for (let wish = pairs - 1; wish >= 0; wish--) {
    const place = pairs - 1 - (wishes[wish]! % pairs);
    const queue = queues[Math.floor(place / members.length)]!;
    const member = members[place % members.length]!;
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
  new Map(
    members.length === 0
      ? []
      : queues.map((queue, index) => [queue, members[index % members.length] as string] as const),
  );
const consistentHash: Strategy = (queues, members) => {
  const ring = members.flatMap((member) =>
    Array.from({ length: VIRTUAL_NODES }, (_, node) => ({ at: weight(nameHash(member), -2 - node), member })),
  );
  ring.sort((a, b) => a.at - b.at || (a.member < b.member ? -1 : 1));
  return new Map(
    ring.length === 0
      ? []
      : queues.map((queue) => {
          const at = weight(0, queue);
          return [queue, (ring.find((node) => node.at >= at) ?? (ring[0] as { member: string })).member] as const;
        }),
  );
};
const strategies: Readonly<Record<Allocation, Strategy>> = {
  sticky,
  average,
  circle,
  "consistent-hash": consistentHash,
};
