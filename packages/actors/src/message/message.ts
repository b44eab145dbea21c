import type { Durability, Offset } from "./brands.ts";

/** A message as a handler gets it. */
export interface Message<Body> {
  readonly topic: string;
  readonly queue: number;
  readonly offset: Offset;
  readonly key: string | null;
  /** The sender's own id of it, if it gave one. */
  readonly id: string | null;
  readonly headers: Readonly<Record<string, string>>;
  /** When the broker took it, ms since 1970. */
  readonly appendedAtMs: number;
  readonly body: Body;
}
/** What a send returns: where the message stands. */
export interface Receipt {
  readonly topic: string;
  readonly queue: number;
  readonly offset: Offset;
  readonly key: string | null;
  /** How durable it is, at the least, now that the receipt is here. */
  readonly durability: Durability;
  /** An earlier attempt, or an earlier message with the same id, had been appended: this is its place (P2). */
  readonly duplicate: boolean;
  /** `false` when `failover: "available"` sent it to another queue than its key's (gives up P1). */
  readonly orderKept: boolean;
}
