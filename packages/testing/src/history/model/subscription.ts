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
  StateEvent,
} from "../history-event.ts";
import type { QueueLog, Stored } from "./queue-log.ts";

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

/** One message in one group. */
export interface Consumption {
  readonly stored: Stored;
  readonly subscription: Subscription;
  readonly lines: ConsumptionLine[];
}

/** One group on one queue: its leases, its changes, and its last reading from the store. */
export interface Subscription {
  readonly log: QueueLog;
  readonly group: string;
  readonly grants: GrantedEvent[];
  readonly changes: ChangeLine[];
  readonly sought: SoughtEvent[];
  readonly consumptions: Consumption[];
  /** Everyone with lines about it. */
  readonly processes: Set<string>;
  state: StateEvent | undefined;
}

/** Ordered topics have leases; their epochs begin above 0. */
export function isLeased<L extends { readonly epoch?: number | null | undefined }>(line: L): line is Leased<L> {
  return typeof line.epoch === "number" && line.epoch !== 0;
}
export type Leased<L> = L & { readonly epoch: number };

export function linesOf<Type extends ConsumptionLine["type"]>(
  consumption: Consumption | undefined,
  type: Type,
): Extract<ConsumptionLine, { type: Type }>[] {
  const found: Extract<ConsumptionLine, { type: Type }>[] = [];
  for (const line of consumption?.lines ?? []) if (isOfType(line, type)) found.push(line);
  return found;
}
function isOfType<Type extends ConsumptionLine["type"]>(
  line: ConsumptionLine,
  type: Type,
): line is Extract<ConsumptionLine, { type: Type }> {
  return line.type === type;
}

/** Handlings that ended well and count: what an abandoned attempt still says is refused by its own consumer. */
export function countedHandled(consumption: Consumption | undefined): HandledEvent[] {
  const abandoned = linesOf(consumption, "abandoned");
  return linesOf(consumption, "handled").filter(
    (line) =>
      !abandoned.some(
        (each) =>
          each.process === line.process &&
          each.epoch === line.epoch &&
          each.attempt === line.attempt &&
          each.n < line.n,
      ),
  );
}
