import type {
  AbandonedEvent,
  AbortedEvent,
  DeadLetteredEvent,
  DiscardedEvent,
  FailedEvent,
  GrantedEvent,
  HandledEvent,
  HandlingEvent,
  LostEvent,
  ParkedEvent,
  RedrivenEvent,
  ReleasedEvent,
  SettledEvent,
  SettleRefusedEvent,
  SoughtEvent,
} from "../history-event.ts";

/** Lines of one group about one message. */
export type ConsumptionLine =
  | HandlingEvent
  | HandledEvent
  | FailedEvent
  | AbortedEvent
  | AbandonedEvent
  | SettledEvent
  | SettleRefusedEvent
  | DeadLetteredEvent
  | ParkedEvent
  | RedrivenEvent
  | DiscardedEvent;

/** Lines about a committed change of a subscription. */
export type ChangeLine =
  | GrantedEvent
  | ReleasedEvent
  | SettledEvent
  | DeadLetteredEvent
  | ParkedEvent
  | RedrivenEvent
  | DiscardedEvent
  | SoughtEvent;

/** What one process did as a member of one group on one topic, in the order in which it did it. */
export interface Flow {
  readonly process: string;
  readonly topic: string;
  readonly group: string;
  readonly lines: FlowLine[];
}
export type FlowLine =
  | GrantedEvent
  | ReleasedEvent
  | LostEvent
  | HandlingEvent
  | HandledEvent
  | FailedEvent
  | AbandonedEvent
  | SettledEvent;

/** Ordered topics have leases; their epochs begin above 0. */
export function isLeased<L extends { readonly epoch?: number | null | undefined }>(line: L): line is Leased<L> {
  return typeof line.epoch === "number" && line.epoch !== 0;
}
export type Leased<L> = L & { readonly epoch: number };
