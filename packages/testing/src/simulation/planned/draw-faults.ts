import type { Dice } from "../chance/dice.ts";
import { drawFault as drawUsualFault, type FaultRanges } from "../engine/draw-fault.ts";
import type { FaultPlan } from "../engine/fault-plan.ts";
import type { ConsumerPlan, ProducerPlan } from "./plan.ts";

type FaultKind = Exclude<FaultPlan["kind"], "ownFault" | "intrude" | "bulk" | "revoke" | "shortTokens">;

/** In how many of the runs each kind has its turn, and how often in such a run at most. */
const FAULTS: readonly { readonly kind: FaultKind; readonly share: number; readonly most: number }[] = [
  { kind: "kill", share: 0.3, most: 4 },
  { kind: "leave", share: 0.3, most: 4 },
  { kind: "freeze", share: 0.3, most: 4 },
  { kind: "takeOver", share: 0.3, most: 1 },
  { kind: "wallJump", share: 0.3, most: 4 },
  { kind: "cut", share: 0.3, most: 4 },
  { kind: "halfOpen", share: 0.25, most: 4 },
  { kind: "partition", share: 0.35, most: 4 },
  { kind: "slowLink", share: 0.25, most: 4 },
  { kind: "slowStore", share: 0.25, most: 4 },
  { kind: "failStore", share: 0.3, most: 4 },
  { kind: "pauseConsumer", share: 0.25, most: 4 },
  { kind: "powerLoss", share: 0.15, most: 2 },
  { kind: "fillStore", share: 0.15, most: 2 },
  { kind: "restartShorterTtl", share: 0.12, most: 1 },
  { kind: "lostGrantAnswer", share: 0.2, most: 3 },
  { kind: "lateFrames", share: 0.2, most: 3 },
  { kind: "outlive", share: 0.25, most: 1 },
];

export interface Clients {
  readonly producers: readonly ProducerPlan[];
  readonly consumers: readonly ConsumerPlan[];
}
/** What faults strike, for how long, and what leases depend on. */
interface Target extends Clients {
  readonly overMs: number;
  readonly heartbeatMs: number;
}

/** A random subset of the faults ("swarm"), so that each combination has its turn; in the order of their times. */
export function drawFaults(dice: Dice, of: Target): FaultPlan[] {
  return FAULTS.filter(({ kind, share }) => dice.chance(share) && canStrike(kind, of))
    .flatMap(({ kind, most }) => Array.from({ length: dice.whole(1, most) }, () => drawFault(dice, kind, of)))
    .sort((a, b) => a.atMs - b.atMs);
}
function canStrike(kind: FaultKind, { producers }: Target): boolean {
  // Places that a failed commit, or a broker that was outlived, takes back from `memory` receipts are given to others:
  // a history has no words for that
  if (kind === "failStore" || kind === "fillStore" || kind === "takeOver")
    return producers.every(({ durability }) => durability !== "memory");
  return true;
}

function drawFault(dice: Dice, kind: FaultKind, of: Target): FaultPlan {
  const { producers, consumers, overMs, heartbeatMs } = of;
  const atMs = dice.whole(300, overMs);
  const consumerNames = consumers.map(({ name }) => name);
  const clients = [...producers.map(({ name }) => name), ...consumerNames];
  const target = dice.pick(["broker", ...clients]);
  switch (kind) {
    case "pauseConsumer":
      return { atMs, kind, target: dice.pick(consumerNames), forMs: dice.pick([300, 3_000]) };
    case "restartShorterTtl":
      return {
        atMs,
        kind,
        target: dice.pick(consumerNames),
        downMs: dice.pick([0, 100]),
        ttlMs: heartbeatMs * 2,
        forMs: heartbeatMs * dice.pick([3, 6]),
      };
    case "lostGrantAnswer":
      return { atMs, kind, target: dice.pick(consumerNames) };
    case "lateFrames":
      return {
        atMs,
        kind,
        target: dice.pick(clients),
        what: dice.pick(["tail", "tail", "hello"] as const),
        gatherMs: dice.pick([20, 200, 800]),
        lateMs: dice.pick([100, 600, 2_000]),
      };
    default: {
      const fault = drawUsualFault(dice, kind, { atMs, target }, rangesOf(of));
      if (fault.kind === "powerLoss") return { ...fault, onGrant: atMs % 2 === 0 };
      return fault.kind === "outlive" ? { ...fault, timersFirst: dice.chance(0.3) } : fault;
    }
  }
}
const rangesOf = ({ producers, consumers, heartbeatMs }: Target): FaultRanges => {
  const consumerNames = consumers.map(({ name }) => name);
  return {
    killedMs: [0, 50, 1_500, 5_000],
    leftMs: [0, 500, 3_000],
    leavers: consumerNames,
    frozenMs: [200, 1_500, 4_000, 9_000],
    // the last but one: longer than a short lease, and not so long that the link counts as silent
    partitionedMs: [300, 2_000, heartbeatMs * 3, 6_000],
    directions: ["in", "out", "out", "both"],
    takenOverMs: [200, 2_000, 6_000],
    outlivers: [...producers.filter(({ stableName }) => stableName).map(({ name }) => name), ...consumerNames],
    outlivedMs: [100, 1_000, 4_000],
    jumpsMs: () => [-3_600_000, -2_000, 1_500, 5_000, 3_600_000],
  };
};

/** Frames whose handling does something, and how many looks into each there are, about. */
const FAULTY = [
  ["topic.find", 2],
  ["lane.open", 10],
  ["batch.append", 10],
  ["member.join", 12],
  ["heartbeat", 4],
  ["lease.acquire", 6],
  ["lease.release", 8],
  ["credit", 5],
  ["settle", 8],
  ["aside.put", 12],
  ["ask", 4],
] as const;
/** Bugs of the broker's own in every fifth run, drawn from a stream of their own: all else of a seed stays as it is. */
export function drawOwnFaults(dice: Dice, overMs: number): FaultPlan[] {
  if (!dice.chance(0.2)) return [];
  return Array.from({ length: dice.whole(1, 4) }, () => {
    const [frame, looks] = dice.pick(FAULTY);
    return { atMs: dice.whole(300, overMs), kind: "ownFault", frame, look: dice.whole(1, looks) };
  });
}
/** In every third run somebody tries what is others', drawn in the same way. */
export function drawIntrusions(dice: Dice, overMs: number): FaultPlan[] {
  if (!dice.chance(0.35)) return [];
  return Array.from({ length: dice.whole(2, 8) }, () => ({ atMs: dice.whole(500, overMs), kind: "intrude" }));
}
/** Legal frames in bulk in every eighth run, likewise. */
export function drawBulk(dice: Dice, overMs: number): FaultPlan[] {
  if (!dice.chance(1 / 8)) return [];
  return Array.from({ length: dice.whole(1, 3) }, () => ({
    atMs: dice.whole(300, overMs),
    kind: "bulk",
    packets: dice.whole(1, 3),
    frames: dice.pick([100, 400, 1_500]),
  }));
}
/**
 * Rights that are revoked in every fifth run, tokens that expire in every tenth, drawn from a stream of their own, too.
 */
export function drawRevocations(
  dice: Dice,
  { producers, consumers, overMs }: Omit<Target, "heartbeatMs">,
): FaultPlan[] {
  if (dice.chance(0.1)) {
    const goodForMs = dice.pick([200, 1_500, 6_000]);
    return [{ atMs: dice.whole(0, overMs / 2), kind: "shortTokens", goodForMs, forMs: overMs }];
  }
  if (!dice.chance(0.2)) return [];
  const clients = [...producers, ...consumers].filter(() => dice.chance(0.5));
  return clients.map(({ name }) => ({
    atMs: dice.whole(300, overMs / 2),
    kind: "revoke",
    target: name,
    forMs: dice.pick([1_000, 6_000, 12_000]),
  }));
}
