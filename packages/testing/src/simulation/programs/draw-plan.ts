import { Dice } from "../chance/dice.ts";
import type { BrokerPlan, FaultPlan, NetworkPlan } from "../engine/fault-plan.ts";

type FaultKind = FaultPlan["kind"];

/** What users call each fault, and which kind of the planned ones it is. `pauseConsumer` is none of them: it takes an app that knows its consumers. */
const KINDS = {
  crash: "kill",
  leave: "leave",
  freeze: "freeze",
  cut: "cut",
  halfOpen: "halfOpen",
  partition: "partition",
  slowLink: "slowLink",
  slowStore: "slowStore",
  failStore: "failStore",
  takeOver: "takeOver",
  outlive: "outlive",
  wallJump: "wallJump",
  powerLoss: "powerLoss",
  fillStore: "fillStore",
} as const satisfies Readonly<Record<string, FaultKind>>;

/** What may go wrong in a simulation; docs/testing.md says what each is. */
export type SimulatedFault = keyof typeof KINDS;
export const SIMULATED_FAULTS = Object.keys(KINDS) as readonly SimulatedFault[];
/** Power loss takes what was only flushed, which is what producers ask for unless told otherwise: whoever wants it says so. */
export const USUAL_FAULTS = SIMULATED_FAULTS.filter((name) => name !== "powerLoss");
const NAMES = new Map(Object.entries(KINDS).map(([name, kind]) => [kind as FaultKind, name]));

const ONCE: ReadonlySet<SimulatedFault> = new Set(["takeOver", "outlive"]);

/** What one seed of a user's simulation is made of. */
export interface SimulationPlan {
  readonly seed: number;
  readonly broker: BrokerPlan;
  readonly network: NetworkPlan;
  readonly processes: readonly { readonly name: string; readonly kind: string; readonly startsAtMs: number }[];
  readonly faults: readonly FaultPlan[];
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
  const drawn = of.faults.filter(() => dice.chance(0.4));
  const kinds = drawn.length > 0 || of.faults.length === 0 ? drawn : [dice.pick(of.faults)];
  const faults = kinds
    .flatMap((name) =>
      Array.from({ length: ONCE.has(name) ? 1 : dice.whole(1, 4) }, () =>
        drawFault(dice, KINDS[name], targets, faultsForMs),
      ),
    )
    .sort((a, b) => a.atMs - b.atMs);
  return { seed, broker, network, processes, faults, faultsForMs };
}

function drawFault(
  dice: Dice,
  kind: (typeof KINDS)[SimulatedFault],
  targets: readonly string[],
  overMs: number,
): FaultPlan {
  const atMs = Math.floor(dice.random() ** 2 * overMs); // more of them early, while there is more going on
  const target = dice.pick(targets);
  switch (kind) {
    case "kill":
      return { atMs, kind, target, downMs: dice.pick([50, 500, 4_000]), silent: dice.chance(0.3) };
    case "leave":
      return { atMs, kind, target, downMs: dice.pick([100, 2_000]) };
    case "freeze":
      return {
        atMs,
        kind,
        target,
        forMs: dice.pick([500, 3_000, 15_000]),
        clockStops: dice.chance(0.3),
        deliveriesFirst: dice.chance(0.5),
      };
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
        forMs: dice.pick([300, 3_000, 15_000]),
      };
    case "slowLink":
      return { atMs, kind, target, factor: dice.pick([10, 50, 200]), forMs: dice.pick([1_000, 4_000]) };
    case "slowStore":
      return { atMs, kind, eachMs: dice.pick([5, 50, 400]), forMs: dice.pick([500, 2_500]) };
    case "failStore":
      return { atMs, kind, rate: dice.pick([0.02, 0.2, 1]), forMs: dice.pick([100, 1_000]) };
    case "takeOver":
      return { atMs, kind, wakesAfterMs: dice.pick([200, 3_000, 10_000]) };
    case "outlive":
      return { atMs, kind, target: dice.pick(targets.slice(1)), wakesAfterMs: dice.pick([100, 1_000, 10_000]) };
    case "powerLoss":
      return { atMs, kind, downMs: dice.pick([0, 300, 2_000]), lostShare: dice.pick([1, 1, 0.5]) };
    case "fillStore":
      return { atMs, kind, forMs: dice.pick([500, 2_000, 5_000]) };
    case "wallJump": {
      // message ids are remembered by the broker's wall clock: an hour ahead, and they are forgotten, as promised
      const byMs = target === "broker" ? [-3_600_000, -2_000, 1_500] : [-3_600_000, -2_000, 1_500, 3_600_000];
      return { atMs, kind, target, byMs: dice.pick(byMs) };
    }
  }
}

/** In lines, for people. With `needed`: a star at each fault without which the seed passes. */
export function describeSimulation(plan: SimulationPlan, needed: readonly FaultPlan[] | null): string {
  const lines = [
    `seed ${plan.seed}: faults for ${plan.faultsForMs} ms${needed === null ? "" : ", those it takes to fail marked *"}`,
    `  broker ${fields(plan.broker)}`,
    `  network ${fields(plan.network)}`,
    ...plan.processes.map(({ name, startsAtMs }) => `  ${name} from ${startsAtMs} ms`),
    ...plan.faults.map((fault) => {
      const { atMs, kind, ...rest } = fault;
      return `${needed?.includes(fault) === true ? "*" : " "} at ${atMs} ms: ${NAMES.get(kind) ?? kind} ${fields(rest)}`;
    }),
  ];
  return lines.map((line) => line.trimEnd()).join("\n");
}
/** What users call this fault. */
export const nameOfFault = ({ kind }: FaultPlan): SimulatedFault => NAMES.get(kind) as SimulatedFault;

const fields = (of: object): string =>
  Object.entries(of)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(" ");
