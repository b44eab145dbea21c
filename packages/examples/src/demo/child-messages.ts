import type { WriteAnswer, WriteQuestion } from "@seriatim/rig";
import type { ConsumerStatus, ProducerStatus, Role } from "./roles.ts";
import type { RunSettings } from "./settings.ts";

/** What a child process is to be. */
export interface ChildSpec {
  readonly role: Role;
  readonly name: string;
  readonly incarnation: number;
  readonly settings: RunSettings;
  readonly historyFile: string;
  readonly port: number;
  /** Broker: the data folder. */
  readonly dataPath: string;
  /** Producer: its share of the log, one event a line. */
  readonly eventsFile: string;
}

/** Driver to child. */
export type Order =
  | { readonly type: "allow"; readonly upTo: number }
  | { readonly type: "occupy"; readonly ms: number }
  | { readonly type: "relax" }
  | WriteAnswer;

/** Child to driver. */
export type Tell =
  | { readonly type: "ready" }
  | { readonly type: "producer"; readonly status: ProducerStatus }
  | { readonly type: "consumer"; readonly status: ConsumerStatus }
  | { readonly type: "occupied"; readonly id: string }
  | WriteQuestion;
