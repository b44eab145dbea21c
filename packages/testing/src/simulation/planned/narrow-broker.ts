import { Dice } from "../chance/dice.ts";
import { chance } from "../chance/trace-hash.ts";
import type { BrokerPlan } from "../engine/fault-plan.ts";

/** Some brokers handle a link in slices of a few frames, and let it send little more than it has to. Drawn for itself: the rest of a plan does not depend on it. */
export function narrowBroker(seed: number): Partial<BrokerPlan> {
  const dice = new Dice(Math.floor(chance(seed, "narrow broker") * 2 ** 32));
  if (!dice.chance(0.4)) return {};
  return {
    sliceFrames: dice.pick([1, 2, 5]),
    ...(dice.chance(0.5)
      ? { framesPerSecondMax: dice.pick([150, 400]), questionsPerSecondMax: dice.pick([5, 20]) }
      : {}),
  };
}
