import type { Durability } from "@seriatim/actors";

/** What a person chose on the command line. */
export interface DemoOptions {
  readonly producers: number;
  readonly consumers: number;
  readonly queues: number;
  readonly concurrency: number;
  readonly failRate: number;
  readonly poison: number;
  readonly exhausted: "park" | "dead-letter" | "halt";
  readonly faults: boolean;
  readonly transport: "ws" | "memory";
  readonly durability: Durability;
  /** Messages a second over all producers; `null`: chosen from the number of events. */
  readonly rate: number | null;
  readonly seed: number;
  readonly orders: number;
  /** Port of the broker; `null`: any free one. */
  readonly port: number | null;
  readonly input: { readonly file: string; readonly key: string; readonly time: string } | null;
  readonly out: string | null;
  readonly data: string | null;
  readonly json: boolean;
}

/** What every process of a run must know; plain data, so that it can be sent to a child process. */
export interface RunSettings {
  readonly topic: string;
  readonly queues: number;
  readonly group: string;
  readonly concurrency: number;
  readonly exhausted: DemoOptions["exhausted"];
  readonly attempts: number;
  readonly leaseTtlMs: number;
  readonly durability: Durability;
  readonly seed: number;
  readonly failRate: number;
  readonly poison: readonly string[];
  /** Messages a second of each producer. */
  readonly ratePerProducer: number;
}

export const GROUP = "fulfilment";
/** Short, so that one can watch a lease run out. */
export const LEASE_TTL_MS = 3_000;
export const ATTEMPTS = 5;

/**
 * Long enough for three faults to strike and heal while there is work; capped, so that large logs do not take minutes.
 */
const WITH_FAULTS_MS = { shortest: 24_000, longest: 36_000 };
const WITHOUT_FAULTS_MS = { shortest: 4_000, longest: 20_000 };

/** The rate at which the log is replayed, in messages a second over all producers. */
export function replayRate(options: Pick<DemoOptions, "rate" | "faults">, events: number): number {
  if (options.rate !== null) return options.rate;
  const { shortest, longest } = options.faults ? WITH_FAULTS_MS : WITHOUT_FAULTS_MS;
  const durationMs = Math.min(longest, Math.max(shortest, events / 2));
  return Math.max(1, Math.ceil((events * 1_000) / durationMs));
}

export function runSettings(
  options: DemoOptions,
  of: { readonly events: number; readonly poison: readonly string[]; readonly topic: string },
): RunSettings {
  return {
    topic: of.topic,
    queues: options.queues,
    group: GROUP,
    concurrency: options.concurrency,
    exhausted: options.exhausted,
    attempts: ATTEMPTS,
    leaseTtlMs: LEASE_TTL_MS,
    durability: options.durability,
    seed: options.seed,
    failRate: options.failRate,
    poison: of.poison,
    ratePerProducer: replayRate(options, of.events) / options.producers,
  };
}
