import { seededRandom } from "../seeded-random.ts";
import type { FaultKind } from "./timed-plan.ts";

/** A fault that strikes when the run has come so far. */
export interface MarkedFault {
  readonly kind: Extract<FaultKind, "kill-consumer" | "freeze-consumer" | "kill-broker">;
  /** Share of the events that must have been dealt with before it strikes, from 0 to 1. */
  readonly mark: number;
  /** Which of the consumers that hold a lease at that moment: the n-th, counted round. */
  readonly victim: number;
}

/** A third of the run each, with the first tenth to get going and the last fifth to recover. */
const WINDOWS: readonly (readonly [from: number, to: number])[] = [
  [0.12, 0.22],
  [0.38, 0.48],
  [0.66, 0.76],
];
const KINDS: readonly MarkedFault["kind"][] = ["kill-consumer", "freeze-consumer", "kill-broker"];

/**
 * Each kind once, in an order and at marks that the seed decides.
 * Progress, not time, sets them off, so they strike while there is work.
 */
export function planMarked(seed: number): MarkedFault[] {
  const random = seededRandom(seed, "faults");
  const kinds = random.shuffled(KINDS);
  return WINDOWS.map(([from, to], index) => ({
    kind: kinds[index] as MarkedFault["kind"],
    mark: Number(random.between(from, to).toFixed(3)),
    victim: random.integer(1_000),
  }));
}

/**
 * How much of the log producers may send beyond the next fault's mark:
 * enough that it strikes in the thick of it, at any rate.
 */
const HEADROOM = 0.1;
/** Share of the log that may be sent while `next` has not struck. */
export const allowedBefore = (next: MarkedFault | undefined): number =>
  next === undefined ? 1 : Math.min(1, next.mark + HEADROOM);
