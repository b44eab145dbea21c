import type { createClient } from "@seriatim/actors";
import type { HistoryWriter, WorldWrite, WriteOutcome } from "@seriatim/rig";
import type { RunSettings } from "./settings.ts";

/** What the processes of a run are: their roles know nothing of whether they run alone or share one process. */
export type Role = "broker" | "producer" | "consumer";

/** What a role is handed to work with. */
export interface RoleSetting {
  /** Name without incarnation: `consumer-2`. */
  readonly name: string;
  readonly settings: RunSettings;
  readonly history: HistoryWriter;
  /** How it reaches the broker, and whatever else its client should be made of. */
  readonly modules: Parameters<typeof createClient>[0]["modules"];
}

export interface ProducerStatus {
  /** Sends called. */
  readonly sent: number;
  /** Receipts. */
  readonly acknowledged: number;
  readonly refused: number;
  /** All of its share is called and answered. */
  readonly done: boolean;
}
export interface ConsumerStatus {
  readonly handled: number;
  readonly failed: number;
}
export const NO_PRODUCER_STATUS: ProducerStatus = { sent: 0, acknowledged: 0, refused: 0, done: false };
export const NO_CONSUMER_STATUS: ConsumerStatus = { handled: 0, failed: 0 };

/** How handlers reach the outside world. */
export type WriteToWorld = (write: WorldWrite) => Promise<WriteOutcome>;

export interface RunningBroker {
  close(options: { readonly timeoutMs: number }): Promise<void>;
}
export interface RunningProducer {
  readonly status: ProducerStatus;
  /** It may send up to this share of its events. */
  allow(upTo: number): void;
  close(options: { readonly timeoutMs: number }): Promise<void>;
}
export interface RunningConsumer {
  readonly status: ConsumerStatus;
  /** The next message it handles takes `ms` longer; resolves with the message's id once it is in hand. */
  occupy(ms: number): Promise<string>;
  /** Takes `occupy` back, if nothing has come by. */
  relax(): void;
  close(options: { readonly timeoutMs: number }): Promise<void>;
}
