import type { Dice } from "../chance/dice.ts";
import type { FaultPlan } from "./fault-plan.ts";

/** The kinds that any run may have; a planned run has more. */
export const USUAL_KINDS = [
  "kill",
  "leave",
  "freeze",
  "cut",
  "halfOpen",
  "partition",
  "slowLink",
  "slowStore",
  "failStore",
  "takeOver",
  "outlive",
  "wallJump",
  "powerLoss",
  "fillStore",
] as const satisfies readonly FaultPlan["kind"][];
export type UsualKind = (typeof USUAL_KINDS)[number];

/** What is drawn from, for each fault that one run's times and names decide; ms. */
export interface FaultRanges {
  readonly killedMs: readonly number[];
  readonly leftMs: readonly number[];
  /** @default whoever was drawn */
  readonly leavers?: readonly string[];
  readonly frozenMs: readonly number[];
  readonly partitionedMs: readonly number[];
  readonly directions: readonly ("in" | "out" | "both")[];
  readonly takenOverMs: readonly number[];
  readonly outlivers: readonly string[];
  readonly outlivedMs: readonly number[];
  readonly jumpsMs: (target: string) => readonly number[];
}

/** A fault of this kind. Draws in one order, whatever the ranges: a seed keeps its plan. */
export function drawFault(
  dice: Dice,
  kind: UsualKind,
  { atMs, target }: { readonly atMs: number; readonly target: string },
  ranges: FaultRanges,
): FaultPlan {
  switch (kind) {
    case "kill":
      return { atMs, kind, target, downMs: dice.pick(ranges.killedMs), silent: dice.chance(0.3) };
    case "leave": {
      const leaver = ranges.leavers === undefined ? target : dice.pick(ranges.leavers);
      return { atMs, kind, target: leaver, downMs: dice.pick(ranges.leftMs) };
    }
    case "freeze":
      return {
        atMs,
        kind,
        target,
        forMs: dice.pick(ranges.frozenMs),
        clockStops: dice.chance(0.3),
        deliveriesFirst: dice.chance(0.5),
      };
    case "cut":
      return { atMs, kind, target };
    case "halfOpen":
      return { atMs, kind, target, blind: dice.pick(["dialler", "listener", "both"] as const) };
    case "partition":
      return { atMs, kind, target, direction: dice.pick(ranges.directions), forMs: dice.pick(ranges.partitionedMs) };
    case "slowLink":
      return { atMs, kind, target, factor: dice.pick([10, 50, 200]), forMs: dice.pick([1_000, 4_000]) };
    case "slowStore":
      return { atMs, kind, eachMs: dice.pick([5, 50, 400]), forMs: dice.pick([500, 2_500]) };
    case "failStore":
      return { atMs, kind, rate: dice.pick([0.02, 0.2, 1]), forMs: dice.pick([100, 1_000]) };
    case "takeOver":
      return { atMs, kind, wakesAfterMs: dice.pick(ranges.takenOverMs) };
    case "outlive":
      return { atMs, kind, target: dice.pick(ranges.outlivers), wakesAfterMs: dice.pick(ranges.outlivedMs) };
    case "wallJump":
      return { atMs, kind, target, byMs: dice.pick(ranges.jumpsMs(target)) };
    case "powerLoss":
      return { atMs, kind, downMs: dice.pick([0, 300, 2_000]), lostShare: dice.pick([1, 1, 0.5]) };
    case "fillStore":
      return { atMs, kind, forMs: dice.pick([500, 2_000, 5_000]) };
  }
}
