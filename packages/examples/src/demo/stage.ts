import type { Client } from "@seriatim/actors";
import type { LogEvent, OutsideWorld } from "@seriatim/rig";
import { type ConsumerStatus, NO_CONSUMER_STATUS, NO_PRODUCER_STATUS, type ProducerStatus } from "./roles.ts";
import type { RunSettings } from "./settings.ts";

export const BROKER = "broker";

/**
 * Where a run takes place: real processes over WebSocket, or one process over memory links.
 * Targets are names: `broker`, `consumer-2`.
 */
export interface Stage {
  /** What handlers write to. */
  readonly world: OutsideWorld;
  /** What strikes here: `kill` and `freeze` as they are done on this stage. */
  readonly means: {
    readonly kill: { readonly fault: "kill" | "close"; readonly text: string };
    readonly freeze: { readonly fault: "pause"; readonly text: string };
  };
  /** Rejects when something ended that nobody had told to. */
  readonly failure: Promise<never>;
  /** The broker, then everyone else. */
  start(): Promise<void>;
  /** Incarnations that are not up yet, or not ended yet although they were told to. */
  readonly awaited: readonly string[];
  /** Producers may send up to this share of their events. */
  allow(upTo: number): void;
  /**
   * Makes the consumer's next message take `ms` longer;
   * resolves once it has one in hand, with its id, or with `null` when none came by.
   */
  occupy(consumer: string, ms: number, patienceMs: number): Promise<string | null>;
  kill(target: string): Promise<void>;
  /** Starts the next incarnation of what was killed. */
  restart(target: string): Promise<void>;
  pause(target: string): void;
  resume(target: string): void;
  /** The present incarnation: `consumer-2#1`. */
  incarnation(target: string): string;
  producers(): ProducerStatus;
  consumers(): ConsumerStatus;
  /** A client of the driver's own, to ask the broker with. */
  client(): Promise<Client>;
  /** Orderly, and within that time or not: producers and consumers first. */
  closeMembers(timeoutMs: number): Promise<void>;
  /** Orderly: the rest. */
  close(timeoutMs: number): Promise<void>;
  /** At once; nothing is left running. Idempotent. */
  destroy(): Promise<void>;
}

/** What both stages are made from. */
export interface StageOptions {
  readonly settings: RunSettings;
  readonly consumers: number;
  readonly shares: readonly (readonly LogEvent[])[];
  readonly historyDir: string;
  readonly dataPath: string;
  /** For files that only this run needs. */
  readonly workDir: string;
}

export const producerNames = (options: StageOptions): string[] =>
  options.shares.map((_, index) => `producer-${index + 1}`);
export const consumerNames = (options: StageOptions): string[] =>
  Array.from({ length: options.consumers }, (_, index) => `consumer-${index + 1}`);
export const historyFile = (dir: string, name: string, incarnation: number): string =>
  `${dir}/${name}.${incarnation}.jsonl`;

export const addProducers = (all: readonly ProducerStatus[]): ProducerStatus =>
  all.reduce(
    (sum, one) => ({
      sent: sum.sent + one.sent,
      acknowledged: sum.acknowledged + one.acknowledged,
      refused: sum.refused + one.refused,
      done: sum.done && one.done,
    }),
    { ...NO_PRODUCER_STATUS, done: true },
  );
export const addConsumers = (all: readonly ConsumerStatus[]): ConsumerStatus =>
  all.reduce(
    (sum, one) => ({ handled: sum.handled + one.handled, failed: sum.failed + one.failed }),
    NO_CONSUMER_STATUS,
  );
