import { seededRandom } from "../random.ts";
import type { ConsumerPlan, FaultPlan, GroupPlan, OrderPlan, Plan, ProducerPlan, TopicPlan } from "./plan.ts";

type FaultKind = FaultPlan["kind"];
const FAULT_KINDS: readonly FaultKind[] = [
  "kill",
  "leave",
  "freeze",
  "takeOver",
  "wallJump",
  "cut",
  "halfOpen",
  "partition",
  "slowLink",
  "slowStore",
  "failStore",
  "pauseConsumer",
];

/** Draws from one seeded stream. */
class Dice {
  readonly random: () => number;
  constructor(seed: number) {
    this.random = seededRandom(seed);
  }
  chance(share: number): boolean {
    return this.random() < share;
  }
  whole(from: number, to: number): number {
    return from + Math.floor(this.random() * (to - from + 1));
  }
  pick<T>(of: readonly T[]): T {
    return of[Math.floor(this.random() * of.length)] as T;
  }
}

/** Expands a seed: small systems, a load that keeps them busy, and a random subset of the faults ("swarm"), so that each combination has its turn. */
export function makePlan(seed: number): Plan {
  const dice = new Dice(seed);
  const heartbeatMs = dice.pick([300, 500, 1_000]);
  const topics = Array.from({ length: dice.pick([1, 1, 2]) }, (_, index) => topicPlan(dice, index, heartbeatMs));
  const producers = Array.from({ length: dice.whole(1, 3) }, (_, index) => producerPlan(dice, index));
  const overMs = dice.pick([6_000, 12_000, 20_000]);
  const consumers = Array.from({ length: dice.whole(1, 4) }, (_, index) => consumerPlan(dice, index, topics, overMs));
  const processes = ["broker", ...producers.map(({ name }) => name), ...consumers.map(({ name }) => name)];
  const consumerNames = consumers.map(({ name }) => name);
  // Places that a failed commit, or a broker that was outlived, takes back from `memory` receipts are given to others: a history has no words for that
  const noMemory = producers.every(({ durability }) => durability !== "memory");
  const kinds = FAULT_KINDS.filter(
    (kind) => dice.chance(0.35) && (noMemory || (kind !== "failStore" && kind !== "takeOver")),
  );
  const faults = kinds
    .flatMap((kind) =>
      Array.from({ length: dice.whole(1, kind === "takeOver" ? 1 : 4) }, () =>
        faultPlan(dice, kind, processes, consumerNames, overMs),
      ),
    )
    .sort((a, b) => a.atMs - b.atMs);
  // ids that are read back from the store are dated by the wall clock: after a jump of an hour and a restart they are forgotten, as promised
  const jumps = faults.some((fault) => fault.kind === "wallJump" && fault.target === "broker");
  return {
    seed,
    broker: { heartbeatMs, commitMs: dice.pick([0, 0, 1, 5]), syncMs: dice.pick([0, 2, 20]) },
    network: {
      delayMs: dice.pick([0, 1, 5]),
      jitterMs: dice.pick([0, 2, 20]),
      pingTimeoutMs: dice.pick([4_000, 12_000]),
    },
    topics: jumps ? topics.map((topic) => ({ ...topic, idWindowMs: 86_400_000 })) : topics,
    producers,
    consumers,
    load: { messages: dice.whole(300, 500), overMs },
    faults,
    orders: orderPlans(dice, topics, overMs),
    healWithinMs: 60_000,
  };
}

function topicPlan(dice: Dice, index: number, heartbeatMs: number): TopicPlan {
  return {
    name: `topic-${index}`,
    queues: dice.pick([1, 2, 4]),
    keys: dice.pick([2, 6, 20]),
    settledByAll: dice.chance(0.3),
    idWindowMs: 600_000,
    parkedMessagesMax: dice.chance(0.1) ? 3 : 1_000,
    groups: Array.from({ length: dice.pick([1, 1, 2]) }, (_, group) => groupPlan(dice, group, heartbeatMs)),
  };
}
function groupPlan(dice: Dice, index: number, heartbeatMs: number): GroupPlan {
  return {
    name: `group-${index}`,
    exhausted: dice.pick(["park", "park", "park", "dead-letter", "halt"]),
    concurrency: dice.pick([1, 1, 2, 8]),
    attempts: dice.whole(1, 4),
    leaseTtlMs: heartbeatMs * dice.whole(3, 6),
    handlerTimeoutMs: dice.pick([400, 1_500, 60_000]),
    handlerGraceMs: dice.pick([50, 300]),
    inFlightMax: dice.pick([1, 4, 16, 256]),
    revokeTimeoutMs: dice.pick([300, 3_000]),
    workMs: dice.pick([0, 5, 30, 120]),
    failRate: dice.pick([0, 0.02, 0.15]),
    poisonRate: dice.pick([0, 0, 0.01, 0.03]),
    hangRate: dice.pick([0, 0, 0.01]),
  };
}
function producerPlan(dice: Dice, index: number): ProducerPlan {
  return {
    name: `producer-${index}`,
    durability: dice.pick(["flushed", "flushed", "synced", "memory"]),
    stableName: dice.chance(0.5),
    sendTimeoutMs: dice.pick([800, 5_000, 30_000]),
    bufferMessagesMax: dice.pick([4, 64, 10_000]),
  };
}
function consumerPlan(dice: Dice, index: number, topics: readonly TopicPlan[], overMs: number): ConsumerPlan {
  const all = topics.flatMap(({ name, groups }) => groups.map((group) => ({ topic: name, group: group.name })));
  return {
    name: `consumer-${index}`,
    // the first one is in every group, so that each has a member
    memberships: index === 0 ? all : all.filter(() => dice.chance(0.8)),
    startsAtMs: index === 0 || dice.chance(0.6) ? 0 : dice.whole(0, overMs),
  };
}
function faultPlan(
  dice: Dice,
  kind: FaultKind,
  processes: readonly string[],
  consumers: readonly string[],
  overMs: number,
): FaultPlan {
  const atMs = dice.whole(300, overMs);
  const target = dice.pick(processes);
  switch (kind) {
    case "kill":
      return { atMs, kind, target, downMs: dice.pick([0, 50, 1_500, 5_000]), silent: dice.chance(0.3) };
    case "leave":
      return { atMs, kind, target: dice.pick(consumers), downMs: dice.pick([0, 500, 3_000]) };
    case "freeze":
      return {
        atMs,
        kind,
        target,
        forMs: dice.pick([200, 1_500, 4_000, 9_000]),
        clockStops: dice.chance(0.3),
        deliveriesFirst: dice.chance(0.5),
      };
    case "takeOver":
      return { atMs, kind, wakesAfterMs: dice.pick([200, 2_000, 6_000]) };
    case "wallJump":
      return { atMs, kind, target, byMs: dice.pick([-3_600_000, -2_000, 1_500, 5_000, 3_600_000]) };
    case "cut":
      return { atMs, kind, target };
    case "halfOpen":
      return { atMs, kind, target, blind: dice.pick(["dialler", "listener", "both"] as const) };
    case "partition":
      return {
        atMs,
        kind,
        target,
        direction: dice.pick(["in", "out", "both"] as const),
        forMs: dice.pick([300, 2_000, 6_000]),
      };
    case "slowLink":
      return { atMs, kind, target, factor: dice.pick([10, 50, 200]), forMs: dice.pick([1_000, 4_000]) };
    case "slowStore":
      return { atMs, kind, eachMs: dice.pick([5, 50, 400]), forMs: dice.pick([500, 2_500]) };
    case "failStore":
      return { atMs, kind, rate: dice.pick([0.02, 0.2, 1]), forMs: dice.pick([100, 1_000]) };
    case "pauseConsumer":
      return { atMs, kind, target: dice.pick(consumers), forMs: dice.pick([300, 3_000]) };
  }
}
function orderPlans(dice: Dice, topics: readonly TopicPlan[], overMs: number): OrderPlan[] {
  return Array.from({ length: dice.whole(0, 12) }, () => {
    const topic = dice.pick(topics);
    return {
      atMs: dice.whole(1_000, overMs),
      order: dice.pick(["redrive", "redrive", "retry", "discard", "skip", "replace"] as const),
      topic: topic.name,
      group: dice.pick(topic.groups).name,
      pick: dice.whole(0, 9),
    };
  }).sort((a, b) => a.atMs - b.atMs);
}
