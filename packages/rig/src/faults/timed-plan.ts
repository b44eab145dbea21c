import { type SeededRandom, seededRandom } from "../seeded-random.ts";

export const FAULT_KINDS = [
  "kill-consumer",
  "kill-producer",
  "kill-broker",
  "freeze-consumer",
  "freeze-producer",
  "freeze-broker",
  "cut",
  "cut-mid-frame",
  "hold",
  "hold-then-cut",
  "hold-one-way",
  "slow",
  "disk-full",
  "io-error",
  "restart-all",
  "rolling-restart",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface TimedFault {
  readonly kind: FaultKind;
  /** Since the beginning of its phase. */
  readonly atMs: number;
  /** Which of those it may strike: the n-th, counted round. */
  readonly victim: number;
  /** How long what was struck stays so: down, frozen, held, slow, full. */
  readonly forMs: number;
  /** Decides whatever else the kind leaves open, from 0 to 1. */
  readonly variant: number;
}
/** Faults strike for a while, then all is healed and progress is demanded. */
export interface PhasePlan {
  readonly lengthMs: number;
  /** In the order of time. */
  readonly faults: readonly TimedFault[];
}
export interface RoundPlan {
  /** From 1. */
  readonly round: number;
  readonly phases: readonly PhasePlan[];
}

/** How often a kind strikes in a phase that has it, and how long for, in ms. */
const HABITS: Readonly<
  Record<FaultKind, { readonly times: readonly [number, number]; readonly forMs: readonly [number, number] }>
> = {
  "kill-consumer": { times: [2, 3], forMs: [100, 2_000] },
  "kill-producer": { times: [2, 3], forMs: [100, 1_500] },
  "kill-broker": { times: [1, 2], forMs: [50, 1_500] },
  "freeze-consumer": { times: [1, 2], forMs: [3_300, 5_500] },
  "freeze-producer": { times: [1, 2], forMs: [3_300, 5_500] },
  "freeze-broker": { times: [1, 1], forMs: [3_300, 4_500] },
  cut: { times: [2, 4], forMs: [0, 0] },
  "cut-mid-frame": { times: [2, 3], forMs: [0, 0] },
  hold: { times: [1, 2], forMs: [300, 6_000] },
  "hold-then-cut": { times: [1, 2], forMs: [300, 6_000] },
  "hold-one-way": { times: [1, 2], forMs: [300, 6_000] },
  slow: { times: [1, 2], forMs: [2_000, 5_000] },
  "disk-full": { times: [1, 1], forMs: [1_500, 4_000] },
  "io-error": { times: [1, 1], forMs: [400, 1_200] },
  "restart-all": { times: [1, 1], forMs: [200, 1_500] },
  "rolling-restart": { times: [1, 1], forMs: [50, 400] },
};
const PHASES = 2;
const PHASE_MS = 14_000;
/** Few at a time, so that a phase has a character; small enough that two minutes see them all. */
const KINDS_PER_PHASE = 5;

/**
 * The rounds that a seed decides, without end. Kinds are dealt from a shuffled deck, so
 * that each comes up again before long; those that cannot be done on this machine are
 * left out when they are carried out, not here: a seed is the same plan everywhere.
 */
export function* planRounds(seed: number): Generator<RoundPlan, never> {
  const deck = dealer(seededRandom(seed, "chaos deck"));
  for (let round = 1; ; round++) {
    const random = seededRandom(seed, `chaos round ${round}`);
    const phases = Array.from({ length: PHASES }, () => planPhase(random, deck(KINDS_PER_PHASE)));
    yield { round, phases };
  }
}

function planPhase(random: SeededRandom, kinds: readonly FaultKind[]): PhasePlan {
  const faults: TimedFault[] = [];
  for (const kind of kinds) {
    const { times, forMs } = HABITS[kind];
    const count = times[0] + random.integer(times[1] - times[0] + 1);
    for (let n = 0; n < count; n++)
      faults.push({
        kind,
        atMs: Math.round(random.between(500, PHASE_MS - 2_000)),
        victim: random.integer(1_000),
        forMs: Math.round(random.between(...forMs)),
        variant: Number(random.next().toFixed(4)),
      });
  }
  return { lengthMs: PHASE_MS, faults: faults.toSorted((a, b) => a.atMs - b.atMs) };
}

/** Deals different kinds at a time; a kind comes again only when all have. */
function dealer(random: SeededRandom): (count: number) => FaultKind[] {
  let deck: FaultKind[] = [];
  return (count) => {
    const hand: FaultKind[] = [];
    while (hand.length < count) {
      if (deck.length === 0) deck = random.shuffled(FAULT_KINDS.filter((kind) => !hand.includes(kind))).concat(hand);
      hand.push(deck.shift() as FaultKind);
    }
    return hand;
  };
}

/** One line a phase: what strikes when, for how long. */
export const describePlan = ({ round, phases }: RoundPlan): string =>
  phases
    .map(({ faults }, index) => {
      const each = faults.map(({ kind, atMs, forMs }) => {
        const lasting = forMs === 0 ? "" : ` for ${(forMs / 1_000).toFixed(1)}`;
        return `${(atMs / 1_000).toFixed(1)} ${kind}${lasting}`;
      });
      return `round ${round}, phase ${index + 1}: ${each.join(" · ")}`;
    })
    .join("\n");
