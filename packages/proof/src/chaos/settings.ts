import { topic, typed } from "@seriatim/actors";

/** What every process of a round must know; plain data, sent to each child. */
export interface RoundSettings {
  readonly topic: string;
  readonly queues: number;
  readonly seed: number;
  readonly leaseTtlMs: number;
  readonly attempts: number;
  /** Share of attempts that fail. */
  readonly failRate: number;
  /** Ids of messages that fail until they are redriven. */
  readonly poison: readonly string[];
  /** Messages a second of each producer. */
  readonly ratePerProducer: number;
  /** Capacity of the broker's store; `null`: the disk decides. */
  readonly storeBytesMax: number | null;
}
export const LEASE_TTL_MS = 3_000;

/** Both groups get every message; they differ in how many keys of a queue they handle side by side. */
export const GROUPS = [
  { name: "billing", concurrency: 1 },
  { name: "shipping", concurrency: 4 },
] as const;
export type GroupName = (typeof GROUPS)[number]["name"];

export interface ChaosBody {
  readonly key: string;
  readonly ordinal: number;
  readonly fields: Readonly<Record<string, string>>;
  /** Fills the store, where that is how it gets full. */
  readonly padding?: string;
}
/** The topic, the same in every process. */
export const chaosTopic = (settings: Pick<RoundSettings, "topic" | "queues">) =>
  topic(settings.topic, {
    schema: typed<ChaosBody>(),
    key: (body) => body.key,
    queues: settings.queues,
    groups: GROUPS.map(({ name }) => name),
  });

/** Some wait for the disk, some have a name that fences who had it before. */
export const PRODUCERS = [
  { name: "producer-1", durability: "flushed", stableName: true },
  { name: "producer-2", durability: "synced", stableName: true },
  { name: "producer-3", durability: "flushed", stableName: false },
] as const;
export const CONSUMERS = ["consumer-1", "consumer-2", "consumer-3"] as const;
export const BROKER = "broker";
