import type { Durability } from "@seriatim/actors/client";
import type { RunPlan } from "../engine/fault-plan.ts";

/**
 * Everything a run does, as plain data: made from a seed, printed when it fails, made smaller by the shrinker. Times
 * are ms of virtual time since the start.
 */
export interface Plan extends RunPlan {
  readonly topics: readonly TopicPlan[];
  readonly producers: readonly ProducerPlan[];
  readonly consumers: readonly ConsumerPlan[];
  readonly load: { readonly messages: number; readonly overMs: number };
  readonly orders: readonly OrderPlan[];
  /** How long phase 2 may take until everything is drained. */
  readonly healWithinMs: number;
}
export interface TopicPlan {
  readonly name: string;
  readonly queues: number;
  readonly ordered: boolean;
  readonly keys: number;
  readonly settledByAll: boolean;
  readonly idWindowMs: number;
  readonly parkedMessagesMax: number;
  readonly groups: readonly GroupPlan[];
}
export interface GroupPlan {
  readonly name: string;
  readonly exhausted: "park" | "dead-letter" | "halt";
  readonly concurrency: number;
  readonly attempts: number;
  readonly leaseTtlMs: number;
  readonly handlerTimeoutMs: number;
  readonly handlerGraceMs: number;
  readonly inFlightMax: number;
  readonly revokeTimeoutMs: number;
  /** Longest a handler works, ms; some take no time at all. */
  readonly workMs: number;
  readonly failRate: number;
  /** Share of messages that fail whatever one does, until phase 2. */
  readonly poisonRate: number;
  /** Share of attempts that hang; half of them ignore their signal too. */
  readonly hangRate: number;
  /**
   * Share of messages that kill the process which handles them, the first `killsMax` times, or until someone has them
   * run again.
   */
  readonly killerRate: number;
  readonly killsMax: number;
  readonly startAt: "earliest" | "latest";
  /** Nobody joins before. */
  readonly joinsAtMs: number;
  /** The topic its handlers emit into, one message for each. */
  readonly emitsTo: string | null;
}
export interface ProducerPlan {
  readonly name: string;
  readonly durability: Durability;
  /** Names itself towards the queues, so that a new incarnation fences the old one. */
  readonly stableName: boolean;
  readonly sendTimeoutMs: number;
  readonly bufferMessagesMax: number;
  /**
   * Sends what has no receipt again, under its id. If not, what fails is given up, and only its lane keeps a message
   * from being appended twice.
   */
  readonly resends: boolean;
}
export interface ConsumerPlan {
  readonly name: string;
  readonly memberships: readonly { readonly topic: string; readonly group: string }[];
  /** When it starts first. */
  readonly startsAtMs: number;
}
/** What a person does while traffic goes on, to whatever is set aside then. */
export interface OrderPlan {
  readonly atMs: number;
  readonly order: "redrive" | "discard" | "skip" | "retry" | "replace";
  readonly topic: string;
  readonly group: string;
  /** Which of the entries listed then. */
  readonly pick: number;
  /**
   * From `atMs` on the next answer for this member about something it sets aside is lost with its link, and the order
   * is given of that, before the member is back.
   */
  readonly unheardBy?: string;
}
