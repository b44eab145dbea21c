import type { ClientFrame } from "@seriatim/actors/internals";

/** What every run has, whoever its processes are, as plain data. Times are ms of virtual time since the start. */
export interface RunPlan {
  readonly seed: number;
  readonly broker: BrokerPlan;
  readonly network: NetworkPlan;
  readonly faults: readonly FaultPlan[];
}
export interface NetworkPlan {
  readonly delayMs: number;
  readonly jitterMs: number;
  /** When a side that nobody told finds out by itself that a link is dead. */
  readonly pingTimeoutMs: number;
}
export interface BrokerPlan {
  readonly heartbeatMs: number;
  /** What each commit takes, at most, when nothing is wrong with the store. */
  readonly commitMs: number;
  readonly syncMs: number;
  /** How much of one link it handles at once, and what a link may send per second; left out: as much as usual. */
  readonly sliceFrames?: number;
  readonly framesPerSecondMax?: number;
  readonly questionsPerSecondMax?: number;
}
export type FaultPlan = { readonly atMs: number } & (
  | { readonly kind: "kill"; readonly target: string; readonly downMs: number; readonly silent: boolean }
  | { readonly kind: "leave"; readonly target: string; readonly downMs: number }
  | {
      readonly kind: "freeze";
      readonly target: string;
      readonly forMs: number;
      readonly clockStops: boolean;
      readonly deliveriesFirst: boolean;
    }
  | { readonly kind: "takeOver"; readonly wakesAfterMs: number }
  | { readonly kind: "wallJump"; readonly target: string; readonly byMs: number }
  | { readonly kind: "cut"; readonly target: string }
  | { readonly kind: "halfOpen"; readonly target: string; readonly blind: "dialler" | "listener" | "both" }
  | {
      readonly kind: "partition";
      readonly target: string;
      readonly direction: "in" | "out" | "both";
      readonly forMs: number;
    }
  | { readonly kind: "slowLink"; readonly target: string; readonly factor: number; readonly forMs: number }
  | { readonly kind: "slowStore"; readonly eachMs: number; readonly forMs: number }
  | { readonly kind: "failStore"; readonly rate: number; readonly forMs: number }
  /**
   * The broker's machine loses power: this share of what was flushed and not synced is gone. `onGrant`: in the instant
   * in which it next answers a grant;
   * `onReceiptTo`: in which it next sends this producer a receipt.
   */
  | {
      readonly kind: "powerLoss";
      readonly downMs: number;
      readonly lostShare: number;
      readonly onGrant?: boolean;
      readonly onReceiptTo?: string;
    }
  /** No room for producers for a while; what consumers need comes out of the reserve. */
  | { readonly kind: "fillStore"; readonly forMs: number }
  /**
   * The broker comes back with a shorter longest lease, while a member is cut off that may still hold one of the old
   * length.
   */
  | {
      readonly kind: "restartShorterTtl";
      readonly target: string;
      readonly downMs: number;
      readonly ttlMs: number;
      readonly forMs: number;
    }
  /** The next grant for this member is lost on its way, and its link with it. */
  | { readonly kind: "lostGrantAnswer"; readonly target: string }
  /**
   * What a client sent on a link it has given up arrives after its next link has said hello; with `hello`, from that
   * old link's own hello on.
   */
  | {
      readonly kind: "lateFrames";
      readonly target: string;
      readonly what: "tail" | "hello";
      readonly gatherMs: number;
      readonly lateMs: number;
    }
  /** A process that was taken for dead wakes up beside its successor. */
  | {
      readonly kind: "outlive";
      readonly target: string;
      readonly wakesAfterMs: number;
      /** Its timers fire before it hears what has come for it meanwhile. */
      readonly timersFirst?: boolean;
    }
  | { readonly kind: "pauseConsumer"; readonly target: string; readonly forMs: number }
  /** Whatever this client may send and consume is revoked, and given back. */
  | { readonly kind: "revoke"; readonly target: string; readonly forMs: number }
  /** Tokens that are looked at meanwhile are good for so long. */
  | { readonly kind: "shortTokens"; readonly goodForMs: number; readonly forMs: number }
  /** A bug of the broker's own: the next frame of this type that comes to it throws at the n-th look into it. */
  | { readonly kind: "ownFault"; readonly frame: ClientFrame["type"]; readonly look: number }
  /** A client with a principal of its own shows what is another's: its instance, its epochs, its names. */
  | { readonly kind: "intrude" }
  /** Somebody sends so many packets of so many legal frames each, all at once. */
  | { readonly kind: "bulk"; readonly packets: number; readonly frames: number }
);
export type BulkPlan = Extract<FaultPlan, { readonly kind: "bulk" }>;
