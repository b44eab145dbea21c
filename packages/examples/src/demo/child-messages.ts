import type { ProjectionWrite, WriteOutcome } from "./projection.ts";
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
  | { readonly type: "begin"; readonly spec: ChildSpec }
  | { readonly type: "allow"; readonly upTo: number }
  | { readonly type: "occupy"; readonly ms: number }
  | { readonly type: "relax" }
  /** Answers to writes, in the order they were asked. */
  | { readonly type: "written"; readonly outcomes: readonly WriteOutcome[] }
  /** Another process is stopped and cannot see the driver go: should that happen, continue it. `null`: no longer. */
  | { readonly type: "guard"; readonly pid: number | null }
  | { readonly type: "close"; readonly timeoutMs: number };

/** Child to driver. */
export type Tell =
  | { readonly type: "ready" }
  | { readonly type: "producer"; readonly status: ProducerStatus }
  | { readonly type: "consumer"; readonly status: ConsumerStatus }
  | { readonly type: "occupied"; readonly id: string }
  | { readonly type: "write"; readonly writes: readonly ProjectionWrite[] }
  | { readonly type: "failed"; readonly code: string | null; readonly message: string }
  | { readonly type: "closed" };
