/**
 * One line of a history: what one process did or learned, in the order in which it did. The union is closed over
 * `type`;
 * lines may carry fields beyond those named here, and readers ignore them.
 */
export type HistoryEvent =
  | StartEvent
  | EndEvent
  | SendingEvent
  | SentEvent
  | RefusedEvent
  | TailLostEvent
  | GrantedEvent
  | ReleasedEvent
  | LostEvent
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
  | DiscardedEvent
  | SoughtEvent
  | TransitionEvent
  | EmittedEvent
  | FaultEvent
  | StateEvent;
export type HistoryEventType = HistoryEvent["type"];

export type HistoryDurability = "memory" | "flushed" | "synced";
export type ExhaustedPolicy = "park" | "dead-letter" | "halt";

interface Line<Type extends string> {
  /** Name and incarnation of the writing process: `consumer-2#1`, after a restart `consumer-2#2`. */
  readonly process: string;
  /** Line number inside this process's history, from 0, without gaps. */
  readonly n: number;
  /** Ms since the Unix epoch, with fraction. For people and progress bounds only. */
  readonly at: number;
  readonly type: Type;
}

/** A queue's index in its topic, or a name where brokers number their queues on their own. */
export type QueueRef = number | string;

interface InQueue {
  readonly topic: string;
  readonly queue: QueueRef;
}
interface OfMessage {
  /** The sender's own id, unique in the input. `null`: it has none, or the writer does not know it. */
  readonly id: string | null;
  readonly key: string | null;
}
interface AtPlace extends InQueue, OfMessage {
  readonly offset: number;
  /**
   * Incarnation of the queue's log when the writer learned of the place. Left out or `null`: the writer does not know
   * it.
   */
  readonly logEpoch?: number | null | undefined;
}
interface InSubscription extends InQueue {
  readonly group: string;
}
interface OfLease extends InSubscription {
  readonly consumer: string;
  /** Epoch of the lease. `null` or 0: an unordered topic, which has no leases. */
  readonly epoch: number | null;
}
interface OfDelivery extends AtPlace, OfLease {}
interface OfAttempt extends OfDelivery {
  /** 1 for the first. */
  readonly attempt: number;
}
interface Committed {
  /** Number of this change in its subscription; lines of one change share it. */
  readonly revision: number;
}
/** Names of who asked, when it is not the holder of a lease. */
interface ByAnyone {
  readonly consumer?: string | null | undefined;
  readonly epoch?: number | null | undefined;
}

/**
 * What the rules need to know of how a process was set up. An array on `settings` gives different ones by topic and
 * group.
 */
export interface HistorySettings {
  /** Which topic or group these settings are for; left out: all. */
  readonly topic?: string | undefined;
  readonly group?: string | undefined;
  /** @default "park" */
  readonly exhausted?: ExhaustedPolicy | undefined;
  /** Handlers at once per queue. Left out: not held against it. */
  readonly concurrency?: number | undefined;
  /** @default "strict" */
  readonly failover?: "strict" | "available" | undefined;
  readonly durability?: HistoryDurability | undefined;
  readonly leaseTtlMs?: number | undefined;
  /** `null`: without end. */
  readonly attempts?: number | null | undefined;
  /** Where a new group begins; anything but `earliest` may leave older messages out. @default "earliest" */
  readonly startAt?: unknown;
  /** Bound for P8: how long after the last `heal` or `resume` the driver may take to find everything drained, ms. */
  readonly healWithinMs?: number | undefined;
}

/** First line of every process. Settings stand in `settings` or directly on the line. */
export interface StartEvent extends Line<"start">, Omit<HistorySettings, "topic" | "group"> {
  readonly role?: string | undefined;
  /** Whose it is, where brokers tell principals apart. */
  readonly principal?: string | undefined;
  readonly topics?: readonly string[] | undefined;
  readonly groups?: readonly string[] | undefined;
  readonly settings?: HistorySettings | readonly HistorySettings[] | undefined;
}
/** Last line of an orderly end. */
export interface EndEvent extends Line<"end"> {}

/** Producer, before the frame is sent. */
export interface SendingEvent extends Line<"sending">, OfMessage {
  readonly topic: string;
  /** Place among those this producer sends with its key, from 0, going on across its restarts. `null` without a key. */
  readonly ordinal: number | null;
  readonly durability: HistoryDurability;
  /** Left out: the process is the producer. */
  readonly producer?: string | undefined;
  /** Of a delayed message: P1 then goes by due time, and its ordinal is not compared. */
  readonly deliverAtMs?: number | null | undefined;
}
/**
 * Producer, when the receipt arrived; again when a lane with `memory` receipts had to send it once more: where it
 * stands since.
 */
export interface SentEvent extends Line<"sent">, AtPlace {
  readonly durability: HistoryDurability;
  /** Whether it had been appended before: then this receipt does not tell under which incarnation. */
  readonly duplicate?: boolean | undefined;
  readonly producer?: string | undefined;
  /** The lane's sequence number: with it `tailLost` names messages exactly, without it by their number. */
  readonly sequence?: number | undefined;
}
/** Producer, when the send failed for good. Lines without a known `code` and `outcome` break P11. */
export interface RefusedEvent extends Line<"refused">, OfMessage {
  readonly topic: string;
  readonly code?: string | undefined;
  readonly outcome?: "notAppended" | "unknown" | undefined;
  readonly producer?: string | undefined;
}
/** Producer: sequences that a crashed broker no longer has. Half-open: `from` is lost, `to` is not. */
export interface TailLostEvent extends Line<"tailLost">, InQueue {
  readonly from: number;
  readonly to: number;
}

/**
 * Consumer: a lease was granted, resumed or raised to a new epoch. Written before the first `handling` of that epoch.
 */
export interface GrantedEvent extends Line<"granted">, OfLease, Committed {
  readonly logEpoch?: number | null | undefined;
}
/** Consumer: the lease was given back. */
export interface ReleasedEvent extends Line<"released">, OfLease, Committed {}
/** Consumer: the lease was found expired or fenced. */
export interface LostEvent extends Line<"lost">, OfLease {}

/** Consumer, before the handler starts. */
export interface HandlingEvent extends Line<"handling">, OfAttempt {}
/** Consumer, when the handler ended well, before the settle is sent. */
export interface HandledEvent extends Line<"handled">, OfAttempt {}
/** Consumer, when the handler threw. */
export interface FailedEvent extends Line<"failed">, OfAttempt {
  readonly error?: unknown;
}
/** Consumer, when the handler's signal fired. The handling goes on until `handled`, `failed` or `abandoned`. */
export interface AbortedEvent extends Line<"aborted">, OfAttempt {
  readonly reason?: unknown;
}
/** Consumer, when the handler ignored its signal past the grace period. It may still be running. */
export interface AbandonedEvent extends Line<"abandoned">, OfAttempt {
  readonly reason?: unknown;
}
/** Consumer: the broker confirmed this settling. */
export interface SettledEvent extends Line<"settled">, OfDelivery, Committed {}
/** Consumer: the broker refused this settling. */
export interface SettleRefusedEvent extends Line<"settleRefused">, OfDelivery {
  readonly code?: string | undefined;
}

interface SetAside extends AtPlace, InSubscription, ByAnyone, Committed {}
export interface DeadLetteredEvent extends Line<"deadLettered">, SetAside {}
export interface ParkedEvent extends Line<"parked">, SetAside {}
export interface RedrivenEvent extends Line<"redriven">, SetAside {}
export interface DiscardedEvent extends Line<"discarded">, SetAside {}
/** Whoever asked: the cursor went `from` one offset `to` another. */
export interface SoughtEvent extends Line<"sought">, InSubscription, ByAnyone, Committed {
  readonly from: number;
  readonly to: number;
}

/** Workflow: a state was committed for `key`. Versions count from 1. */
export interface TransitionEvent extends Line<"transition"> {
  readonly key: string;
  readonly from: unknown;
  readonly to: unknown;
  readonly version: number;
  readonly topic?: string | undefined;
  readonly group?: string | undefined;
  /** The message that caused it. */
  readonly queue?: QueueRef | undefined;
  readonly offset?: number | undefined;
  readonly id?: string | null | undefined;
  readonly epoch?: number | null | undefined;
}
/** Workflow: message `id` is the emission number `index` of message `cause`. */
export interface EmittedEvent extends Line<"emitted"> {
  readonly cause: string;
  readonly index: number;
  readonly id: string;
  /** The topic it was emitted to. */
  readonly topic?: string | undefined;
}

/**
 * Whoever injects it. `target` is a full incarnation; `pause` and `resume` come in pairs. A fault whose name has
 * `power` in it may lose what was only flushed.
 */
export interface FaultEvent extends Line<"fault"> {
  readonly fault: string;
  readonly target?: string | null | undefined;
}

/** Half-open: `from` is in, `to` is not. */
export type HistoryRange = readonly [from: number, to: number] | { readonly from: number; readonly to: number };
/** Offsets one by one, as ranges, or as objects that have an offset. */
export type HistoryOffsets = readonly (number | HistoryRange | { readonly offset: number })[];

/** The driver, from the broker's store, when the run has drained: one line per topic, queue and group. */
export interface StateEvent extends Line<"state">, InSubscription {
  readonly start: number;
  /** One past the last offset. */
  readonly end: number;
  /** The first offset that is in no class but backlog. */
  readonly cursor: number;
  /** Settled above the cursor; those below it may be listed too. */
  readonly settledRanges: readonly HistoryRange[];
  readonly filtered: number | HistoryOffsets;
  readonly skipped: number | HistoryOffsets;
  readonly expired: number | HistoryOffsets;
  readonly deadLettered: HistoryOffsets;
  readonly parked: HistoryOffsets;
  readonly discarded: HistoryOffsets;
  readonly logEpoch: number;
  /** How many the store itself counts; compared with what the other fields give. */
  readonly settled?: number | undefined;
  readonly backlog?: number | undefined;
  readonly halted?: boolean | undefined;
  /** Of workflows: the stored snapshot of each key. */
  readonly snapshots?: Readonly<Record<string, HistorySnapshot>> | undefined;
}
export interface HistorySnapshot {
  readonly version: number;
  readonly state: unknown;
}
