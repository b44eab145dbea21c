import { Dice } from "../chance/dice.ts";
import { chance } from "../chance/trace-hash.ts";
import type { BrokerPlan, FaultPlan } from "../engine/fault-plan.ts";
import { drawBulk, drawFaults, drawIntrusions, drawOwnFaults, drawRevocations } from "./draw-faults.ts";
import type { ConsumerPlan, GroupPlan, OrderPlan, Plan, ProducerPlan, TopicPlan } from "./plan.ts";
import { KILLS_ON, SCENARIO_MS, SCENARIOS, type Scenario } from "./scenarios.ts";

const ORDERS = ["redrive", "retry", "discard", "skip", "replace"] as const;
/** Longer than any run's faults. */
const PATIENT_MS = 30_000;
/** From the end of a lease with its process to the next: found out, offered, taken. */
const TAKEN_AGAIN_MS = 1_500;
/** Far from the seeds of anything else. */
const OWN_FAULTS = 2 ** 40;
const INTRUSIONS = 2 ** 41;
const BULK = 2 ** 42;
const REVOCATIONS = 2 ** 43;

/** Expands a seed: small systems, a load that keeps them busy, and faults that strike while it lasts. */
export function makePlan(seed: number): Plan {
  const dice = new Dice(seed);
  const scenario = scenarioOf(seed);
  const heartbeatMs = scenario === null ? dice.pick([300, 500, 1_000]) : scenario.heartbeatMs;
  const overMs = scenario === null ? dice.pick([6_000, 12_000, 20_000]) : SCENARIO_MS;
  const topics = scenario === null ? topicPlans(dice, heartbeatMs, overMs) : [scenarioTopic(dice, scenario)];
  const mayResend = !dice.chance(0.12);
  const producers = Array.from({ length: dice.whole(1, 3) }, (_, index) => ({
    ...producerPlan(dice, index, mayResend),
    ...scenario?.producer,
  }));
  const consumers = Array.from({ length: dice.whole(scenario === null ? 1 : 2, 4) }, (_, index) =>
    consumerPlan(dice, index, topics, scenario === null ? { share: 0.8, withinMs: overMs } : { share: 1, withinMs: 0 }),
  );
  const faults = [
    // a scenario has to be left room
    ...drawFaults(dice, { producers, consumers, overMs, heartbeatMs }).filter(
      () => scenario === null || dice.chance(0.3),
    ),
    ...(scenario?.faults(dice, { producers, consumers }) ?? []),
  ];
  const jumps = faults.some((fault) => fault.kind === "wallJump" && fault.target === "broker");
  const resends = producers.some((producer) => producer.resends);
  const losesPower = faults.some(({ kind }) => kind === "powerLoss");
  const plan: Plan = {
    seed,
    broker: {
      heartbeatMs,
      commitMs: dice.pick([0, 0, 1, 5]),
      syncMs: scenario?.syncMs ?? (losesPower ? dice.pick([10, 30, 60]) : dice.pick([0, 2, 20])),
      ...(scenario === null ? narrowBroker(seed) : {}),
    },
    network: {
      delayMs: scenario?.delayMs ?? dice.pick([0, 1, 5]),
      jitterMs: dice.pick([0, 2, 20]),
      pingTimeoutMs: dice.pick([4_000, 12_000]),
    },
    topics: topics.map((topic) => ({ ...topic, idWindowMs: idWindowMs(topic, topics, { resends, jumps }) })),
    // what the power takes, an application that did not wait for it sends anew behind what its lane still had: in the
    // order of its calls, which is not that of its messages
    producers: losesPower ? producers.map((each) => ({ ...each, sendTimeoutMs: PATIENT_MS })) : producers,
    consumers,
    load: { messages: dice.whole(500, 700), overMs },
    faults,
    orders: orderPlans(dice, topics, overMs),
    // scenarios have more to do than their load lasts
    healWithinMs: scenario !== null ? 120_000 : 60_000,
  };
  return {
    ...plan,
    healWithinMs: plan.healWithinMs + Math.ceil(leftToDoMs(plan)) + killedMs(plan),
    faults: [
      ...faults,
      ...cutsDuringOrders(dice, plan),
      ...drawOwnFaults(new Dice(seed + OWN_FAULTS), overMs),
      ...drawIntrusions(new Dice(seed + INTRUSIONS), overMs),
      ...drawBulk(new Dice(seed + BULK), overMs),
      ...drawRevocations(new Dice(seed + REVOCATIONS), { producers, consumers, overMs }),
    ].sort((a, b) => a.atMs - b.atMs),
    orders: [...plan.orders, ...unheardOrders(plan)],
  };
}
/** Every other seed plays a scenario, each in its turn. */
function scenarioOf(seed: number): Scenario | null {
  return seed % 2 === 0 ? (SCENARIOS[(seed / 2) % SCENARIOS.length] ?? null) : null;
}
/**
 * Some brokers handle a link in slices of a few frames, and let it send little more than it has to. Drawn for itself:
 * the rest of a plan does not depend on it.
 */
function narrowBroker(seed: number): Partial<BrokerPlan> {
  const dice = new Dice(Math.floor(chance(seed, "narrow broker") * 2 ** 32));
  if (!dice.chance(0.4)) return {};
  return {
    sliceFrames: dice.pick([1, 2, 5]),
    ...(dice.chance(0.5)
      ? { framesPerSecondMax: dice.pick([150, 400]), questionsPerSecondMax: dice.pick([5, 20]) }
      : {}),
  };
}
/** With nobody who resends by himself, ids need not be known for long: the sequences of lanes alone must do. */
function idWindowMs(
  { name }: TopicPlan,
  topics: readonly TopicPlan[],
  { resends, jumps }: { readonly resends: boolean; readonly jumps: boolean },
): number {
  const isEmittedInto = topics.some(({ groups }) => groups.some(({ emitsTo }) => emitsTo === name));
  if (!resends && !isEmittedInto) return 1;
  // ids that are read back from the store are dated by the wall clock: after a jump of an hour and a restart they are
  // forgotten, as promised
  return jumps ? 86_400_000 : 600_000;
}
/** The one topic, with one group, that a scenario is about. */
function scenarioTopic(dice: Dice, { heartbeatMs, topic, group }: Scenario): TopicPlan {
  const drawn = topicPlan(dice, 0, heartbeatMs, SCENARIO_MS);
  const groups = drawn.groups.slice(0, 1).map((each) => ({ ...each, ...group }));
  return { ...drawn, ...topic, groups };
}
/**
 * How long the slowest group is busy with a fair share of the messages, should all be left to the end of the load, one
 * after another in each queue.
 */
function leftToDoMs({ topics, load, network }: Plan): number {
  const share = load.messages / topics.length;
  const emitting = topics.flatMap(({ groups }) => groups.map(({ emitsTo }) => emitsTo));
  return Math.max(
    ...topics.flatMap(({ name, queues, groups }) => {
      const messages = (share * (1 + emitting.filter((target) => target === name).length)) / queues;
      return groups.map(({ workMs }) => messages * (workMs / 2 + 2 * network.delayMs + network.jitterMs));
    }),
  );
}
/**
 * Killers take their leases with them: five each, and more where several handlers run, since what stands before one is
 * blamed first; at the worst a lease for each
 * message of a queue (seeds 42001408, 42002207).
 */
function killedMs({ topics, load }: Plan): number {
  const each = topics.flatMap(({ queues, groups }) =>
    groups
      .filter(({ killerRate }) => killerRate > 0)
      .map(({ leaseTtlMs }) => Math.ceil(load.messages / topics.length / queues) * (leaseTtlMs + TAKEN_AGAIN_MS)),
  );
  return Math.max(0, ...each);
}
/**
 * Some members are away when a person deals with what they have just set aside. Drawn for itself: the rest of a plan
 * does not depend on it.
 */
function unheardOrders({ seed, consumers, load }: Plan): OrderPlan[] {
  const dice = new Dice(Math.floor(chance(seed, "unheard orders") * 2 ** 32));
  if (!dice.chance(0.4)) return [];
  return Array.from({ length: dice.whole(1, 4) }, () => {
    const { name, memberships } = dice.pick(consumers);
    return {
      atMs: dice.whole(300, load.overMs),
      unheardBy: name,
      order: dice.pick(ORDERS),
      ...dice.pick(memberships),
      pick: 0,
    };
  }).filter(({ topic }) => topic !== undefined); // it is in no group
}
/** Some orders lose their link before they are answered. */
function cutsDuringOrders(dice: Dice, { orders, network }: Plan): FaultPlan[] {
  const roundTripMs = 2 * (network.delayMs + network.jitterMs);
  return orders
    .filter(() => dice.chance(0.1))
    .map(({ atMs }) => ({ atMs: atMs + dice.whole(0, 2 * roundTripMs), kind: "cut", target: "broker" }));
}

function topicPlans(dice: Dice, heartbeatMs: number, overMs: number): TopicPlan[] {
  const topics = Array.from({ length: dice.pick([1, 1, 2]) }, (_, index) =>
    topicPlan(dice, index, heartbeatMs, overMs),
  );
  const [source, target] = topics;
  if (source === undefined || target === undefined || !dice.chance(0.6)) return topics;
  const groups = source.groups.map((group, index) => (index === 0 ? { ...group, emitsTo: target.name } : group));
  return [{ ...source, groups }, target];
}
function topicPlan(dice: Dice, index: number, heartbeatMs: number, overMs: number): TopicPlan {
  const ordered = !dice.chance(0.15);
  return {
    name: `topic-${index}`,
    queues: dice.pick([1, 2, 4]),
    ordered,
    keys: dice.pick([2, 6, 20]),
    settledByAll: dice.chance(0.5),
    idWindowMs: 600_000,
    parkedMessagesMax: dice.chance(0.1) ? 3 : 1_000,
    groups: Array.from({ length: dice.pick([1, 1, 2]) }, (_, group) =>
      groupPlan(dice, group, ordered, heartbeatMs, overMs),
    ),
  };
}
function groupPlan(dice: Dice, index: number, ordered: boolean, heartbeatMs: number, overMs: number): GroupPlan {
  const isLate = index > 0 && dice.chance(0.4);
  const hasKillers = dice.chance(0.1);
  return {
    name: `group-${index}`,
    exhausted: ordered ? dice.pick(["park", "park", "park", "dead-letter", "halt"]) : "dead-letter",
    concurrency: dice.pick([1, 1, 2, 8]),
    attempts: dice.whole(1, 4),
    leaseTtlMs: heartbeatMs * (hasKillers || dice.chance(0.3) ? 2 : dice.whole(3, 6)),
    handlerTimeoutMs: dice.pick(ordered ? [400, 1_500, 60_000] : [400, 1_500]),
    handlerGraceMs: dice.pick([50, 300, 8_000]),
    inFlightMax: dice.pick([1, 4, 16, 256]),
    revokeTimeoutMs: dice.pick([300, 3_000]),
    workMs: dice.pick([0, 5, 30, 120]),
    failRate: dice.pick([0, 0.02, 0.15]),
    poisonRate: dice.pick([0, 0, 0.01, 0.03]),
    hangRate: dice.pick([0, 0, 0.01]),
    killerRate: hasKillers ? 0.004 : 0,
    killsMax: dice.pick(ordered ? [2, 6, KILLS_ON] : [2, 5, 6]),
    startAt: isLate ? "latest" : "earliest",
    joinsAtMs: isLate ? dice.whole(overMs / 4, (overMs * 3) / 4) : 0,
    emitsTo: null,
  };
}
function producerPlan(dice: Dice, index: number, resends: boolean): ProducerPlan {
  return {
    name: `producer-${index}`,
    durability: dice.pick(["flushed", "flushed", "synced", "memory"]),
    stableName: dice.chance(0.5),
    sendTimeoutMs: dice.pick([800, 5_000, 30_000]),
    bufferMessagesMax: dice.pick([4, 64, 10_000]),
    resends,
  };
}
function consumerPlan(
  dice: Dice,
  index: number,
  topics: readonly TopicPlan[],
  joins: { readonly share: number; readonly withinMs: number },
): ConsumerPlan {
  const all = topics.flatMap(({ name, groups }) => groups.map((group) => ({ topic: name, group: group.name })));
  return {
    name: `consumer-${index}`,
    // the first one is in every group, so that each has a member
    memberships: index === 0 ? all : all.filter(() => dice.chance(joins.share)),
    startsAtMs: index === 0 || dice.chance(0.6) ? 0 : dice.whole(0, joins.withinMs),
  };
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
