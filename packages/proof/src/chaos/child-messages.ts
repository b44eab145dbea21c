import type { WriteAnswer, WriteQuestion } from "@seriatim/rig";
import type { RoundSettings } from "./settings.ts";

export type Role = "broker" | "producer" | "consumer";

/** What a child process is to be. */
export interface ChildSpec {
  readonly role: Role;
  readonly name: string;
  readonly incarnation: number;
  readonly settings: RoundSettings;
  readonly historyFile: string;
  /** The broker's own, or the one of the proxy in front of it. */
  readonly port: number;
  /** Broker: the data folder. */
  readonly dataPath: string;
  /** Producer: its share of the log, one event a line, and which of them are acknowledged, one place a line. */
  readonly eventsFile: string;
  readonly outboxFile: string;
}

/** Driver to child. */
export type Order =
  /** Producer: send up to this share of the events. */
  | { readonly type: "allow"; readonly upTo: number }
  /** Producer: bytes to add to each body. */
  | { readonly type: "pad"; readonly bytes: number }
  /** Consumer: start no more messages, or go on. */
  | { readonly type: "rest"; readonly resting: boolean }
  /** Consumer: handlers fail no more. */
  | { readonly type: "calm" }
  | WriteAnswer;

export interface ProducerStatus {
  readonly acknowledged: number;
  /** Sends that failed and are tried again under the same id. */
  readonly refused: number;
  /** Whether a lane waits because its queue or its store has no room. */
  readonly blocked: boolean;
}
/** Child to driver. */
export type Tell =
  | { readonly type: "ready" }
  | { readonly type: "producer"; readonly status: ProducerStatus }
  | WriteQuestion;
