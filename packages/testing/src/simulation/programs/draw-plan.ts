import { Dice } from "../chance/dice.ts";
import { describeRun } from "../engine/describe-run.ts";
import { drawFault, type FaultRanges, USUAL_KINDS, type UsualKind } from "../engine/draw-fault.ts";
import type { FaultPlan, RunPlan } from "../engine/fault-plan.ts";

/** What may go wrong in a simulation; docs/testing.md says what each is. */
export type SimulatedFault = "crash" | Exclude<UsualKind, "kill">;
/** What users call this fault. */
export const nameOfFault = ({ kind }: Pick<FaultPlan, "kind">): SimulatedFault =>
  kind === "kill" ? "crash" : (kind as Exclude<UsualKind, "kill">);
export const SIMULATED_FAULTS: readonly SimulatedFault[] = USUAL_KINDS.map((kind) => nameOfFault({ kind }));
const kindOf = (name: SimulatedFault): UsualKind => (name === "crash" ? "kill" : name);
/**
 * Power loss takes what was only flushed, which is what producers ask for unless told otherwise: whoever wants it says
 * so.
 */
export const USUAL_FAULTS = SIMULATED_FAULTS.filter((name) => name !== "powerLoss");

const ONCE: ReadonlySet<SimulatedFault> = new Set(["takeOver", "outlive"]);

/** What one seed of a user's simulation is made of. */
export interface SimulationPlan extends RunPlan {
  readonly processes: readonly { readonly name: string; readonly kind: string; readonly startsAtMs: number }[];
  readonly faultsForMs: number;
}

/** Expands a seed: a random subset of the faults ("swarm"), so that each combination has its turn. */
export function drawPlan(
  seed: number,
  of: {
    /** By name of the process: its kind. */
    readonly processes: ReadonlyMap<string, string>;
    readonly faults: readonly SimulatedFault[];
    readonly faultsForMs: number;
    readonly heartbeatMs: number;
  },
): SimulationPlan {
  const dice = new Dice(seed);
  const { faultsForMs, heartbeatMs } = of;
  const processes = [...of.processes].map(([name, kind]) => ({
    name,
    kind,
    startsAtMs: dice.pick([0, 0, 0, 1]) * dice.whole(0, Math.floor(faultsForMs / 2)),
  }));
  const broker = { heartbeatMs, commitMs: dice.pick([0, 0, 1, 5]), syncMs: dice.pick([0, 2, 20]) };
  const network = {
    delayMs: dice.pick([0, 1, 5]),
    jitterMs: dice.pick([0, 2, 20]),
    pingTimeoutMs: dice.pick([4_000, 12_000]),
  };
  const targets = ["broker", ...of.processes.keys()];
  const ranges = { ...RANGES, outlivers: targets.slice(1) };
  const drawn = of.faults.filter(() => dice.chance(0.4));
  const kinds = drawn.length > 0 || of.faults.length === 0 ? drawn : [dice.pick(of.faults)];
  const faults = kinds
    .flatMap((name) =>
      Array.from({ length: ONCE.has(name) ? 1 : dice.whole(1, 4) }, () => {
        const atMs = Math.floor(dice.random() ** 2 * faultsForMs); // more of them early, while there is more going on
        return drawFault(dice, kindOf(name), { atMs, target: dice.pick(targets) }, ranges);
      }),
    )
    .sort((a, b) => a.atMs - b.atMs);
  return { seed, broker, network, processes, faults, faultsForMs };
}

/** Long enough for leases of the usual heartbeat. */
const RANGES: Omit<FaultRanges, "outlivers"> = {
  killedMs: [50, 500, 4_000],
  leftMs: [100, 2_000],
  frozenMs: [500, 3_000, 15_000],
  partitionedMs: [300, 3_000, 15_000],
  directions: ["in", "out", "both"],
  takenOverMs: [200, 3_000, 10_000],
  outlivedMs: [100, 1_000, 10_000],
  // message ids are remembered by the broker's wall clock: an hour ahead, and they are forgotten, as promised
  jumpsMs: (target) => [-3_600_000, -2_000, 1_500, ...(target === "broker" ? [] : [3_600_000])],
};

/** In lines, for people. With `needed`: a star at each fault without which the seed passes. */
export const describeSimulation = (plan: SimulationPlan, needed: readonly FaultPlan[] | null): string =>
  describeRun(plan, {
    about: `faults for ${plan.faultsForMs} ms${needed === null ? "" : ", those it takes to fail marked *"}`,
    lines: plan.processes.map(({ name, startsAtMs }) => `  ${name} from ${startsAtMs} ms`),
    marked: needed ?? [],
    nameOf: nameOfFault,
  });
