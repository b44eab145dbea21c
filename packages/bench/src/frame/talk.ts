import type { Attack, Attacked } from "../cost/attack-orders.ts";
import type { Latency } from "./latency.ts";
import type { Piece } from "./pieces.ts";
import type { At, Load, Probed } from "./system.ts";

export type RoleName = "serve" | "send" | "receive" | "embedded" | "idle" | "probe" | "attack";
export interface Task {
  readonly system: string;
  readonly role: RoleName;
  readonly load: Load;
  readonly at: At;
  /** A receiver that connects when it is told to go; otherwise it is connected when it is ready. */
  readonly connectsLate?: true;
}
/** When a message was sent, and when that was acknowledged (at the producer) or it was taken (at the consumer). */
export type Passage = readonly [sentAtMs: number, atMs: number];

export type ToRole =
  /** To a consumer: nothing more is expected to arrive. */
  | { readonly type: "judge" }
  /** To one of several consumers: all has been sent; end when the group has handled it. */
  | { readonly type: "sent" }
  /** To a producer: so many have been handled. */
  | { readonly type: "handled"; readonly count: number }
  | { readonly type: "cpu" }
  /** Begin, with what is not measured. */
  | { readonly type: "go" }
  /** To a consumer: the warm-up has been sent; say when it is handled. */
  | { readonly type: "warmed" }
  /** What is measured begins: start your clock. */
  | { readonly type: "time" }
  /** To a broker: let go of what nobody uses. */
  | { readonly type: "collect" }
  | { readonly type: "attack"; readonly attack: Attack }
  /** Close what you have, and exit. */
  | { readonly type: "end" }
  /** To a consumer: write down what you have handled, and kill yourself at once. */
  | { readonly type: "die" };
export type FromRole =
  | { readonly type: "ready"; readonly address?: string }
  | { readonly type: "cpu"; readonly cpuMs: number }
  /** The warm-up is acknowledged, at a producer; it is handled, at a consumer. */
  | { readonly type: "warm" }
  | { readonly type: "started"; readonly atMs: number }
  /** So many messages stand in front of the consumer as should. */
  | { readonly type: "filled" }
  | { readonly type: "handled"; readonly count: number }
  | ({ readonly type: "probed" } & Probed)
  /** What is still in use, bytes: on the heap, and outside of it. */
  | { readonly type: "collected"; readonly usedBytes: number }
  | { readonly type: "attacked"; readonly attacked: Attacked }
  | Done;
export interface Done extends Observed {
  readonly type: "done";
  readonly atMs: number;
  readonly cpuMs: number;
  readonly wrong: readonly string[];
}
/** What a process saw besides, where the row asks for it. */
export interface Observed {
  readonly latency?: Latency;
  /** When the first message was taken. */
  readonly firstAtMs?: number;
  /** When the last of those that are measured was taken, where others stand behind it. */
  readonly measuredAtMs?: number;
  readonly pieces?: readonly Piece[];
  readonly passages?: readonly Passage[];
  /** Messages that were handled again. */
  readonly again?: number;
}
/** What a consumer that kills itself leaves in the folder. */
export interface LastWords {
  readonly pieces: readonly Piece[];
  readonly atMs: number;
}
export const LAST_WORDS_FILE = "last-words.json";
