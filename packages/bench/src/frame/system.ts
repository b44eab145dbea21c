import type { Attack, Attacked } from "../cost/attack-orders.ts";
import type { Latency } from "./latency.ts";
import type { Message, Outgoing } from "./message.ts";

/** What every process of a run is told. */
export interface Load {
  /** Those that are measured. */
  readonly messages: number;
  readonly bytes: number;
  readonly keys: number;
  readonly queues: number;
  /** Sends not yet acknowledged. */
  readonly window: number;
  /** One message in flight per queue. */
  readonly strict: boolean;
  /** Messages per second; 0: as fast as the window allows. */
  readonly perSecond: number;
  /** Messages before those that are measured, of the same processes, on the same keys. */
  readonly warmUp: number;
  /** Processes that share the queues. */
  readonly consumers: number;
  /** Messages more that wait in front of the consumer all the time; 0: it is there from the start, and keeps up. */
  readonly standing: number;
  /** A process is killed on the way, and messages it had in hand may be handled again. */
  readonly repeats: boolean;
  /** How long a dead consumer blocks its queues, ms. Ours only. */
  readonly leaseTtlMs: number;
  /** Connections that do nothing. Ours only. */
  readonly idle: number;
  /** Producers of the one process, round the keys. Ours only. */
  readonly producers: number;
}
/** What a row gets that says nothing else. */
export const LOAD = {
  window: 1_024,
  strict: false,
  perSecond: 0,
  consumers: 1,
  standing: 0,
  repeats: false,
  leaseTtlMs: 10_000,
  idle: 0,
  producers: 1,
} as const satisfies Partial<Load>;

/** Those that are sent in all. */
export const sentOf = ({ warmUp, messages, standing }: Load): number => warmUp + messages + standing;

/**
 * Where the server listens (a port or an address),
 * a folder that is removed after the run, and what the row asks of its system.
 */
export interface At {
  readonly address: string;
  readonly folder: string;
  readonly variant: string;
}
export interface Sender {
  /** Must not wait. Tells the message when it is acknowledged, or that it failed. */
  send(message: Outgoing): void;
  close(): Promise<void>;
}
export interface Receiver {
  /** With several consumers: resolves when each has queues of its own, as it will keep them. */
  shared?(): Promise<void>;
  /**
   * Resolves when all that was handled is acknowledged;
   * with several consumers, when all that was sent is, by whichever.
   */
  settled(): Promise<void>;
  /** For systems without a handler: reads back what was stored and takes it, after the clock has stopped. */
  readBack?(): void;
  close(): Promise<void>;
}
export type Take = (message: Message) => void;

/** What a part measured of itself. */
export interface Probed {
  readonly latency?: Latency;
  readonly figures?: Readonly<Record<string, number>>;
}
/** A system under test, as its processes see it. */
export interface System {
  /**
   * Only ours and the bare limit: the broker is a process of the bench.
   * It listens on the port in `at.address`, or on any when that is empty.
   */
  serve?(load: Load, at: At): Promise<{ readonly address: string; close(): Promise<void> }>;
  sender?(load: Load, at: At): Promise<Sender>;
  receiver?(load: Load, at: At, take: Take): Promise<Receiver>;
  /** Both ends in one process. */
  embedded?(load: Load, at: At, take: Take): Promise<{ readonly sender: Sender; readonly receiver: Receiver }>;
  /** Measures a part of the system by itself, with what the row asks for. */
  probe?(load: Load, at: At): Promise<Probed>;
  /** Does what it is told to the server. */
  attacker?(load: Load, at: At): Promise<(attack: Attack) => Promise<Attacked>>;
  /** `load.idle` connections that do nothing. */
  idlers?(load: Load, at: At): Promise<{ close(): Promise<void> }>;
}
/** The queue of a key, where the system does not choose it itself. */
export const queueOf = (key: number, load: Load): number => key % load.queues;
