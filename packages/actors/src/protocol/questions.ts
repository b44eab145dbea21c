import type { Offset } from "../message/brands.ts";
import type { TopicSpec } from "../message/topic.ts";
import type { FailureInfo, OffsetRange } from "./frames.ts";
import type { Description, Explanation, GroupDescription, TopicDescription } from "./views.ts";

/** What a client may ask a broker, by `kind`; `Answers` has the shape of each answer. Which rights each needs: `broker/needed-rights.ts`. */
export type Question =
  | { readonly kind: "describe" }
  | { readonly kind: "describe.topic"; readonly topic: string }
  | { readonly kind: "describe.group"; readonly topic: string; readonly group: string }
  | { readonly kind: "explain"; readonly topic: string; readonly key: string }
  /** The end of every queue of the topic here: what `caughtUp()` waits for, in which group is said from version 2 on. */
  | { readonly kind: "ends"; readonly topic: string; readonly group?: string }
  /** Answered once the group's cursor has reached every end given (or the link ends). */
  | { readonly kind: "reached"; readonly topic: string; readonly group: string; readonly ends: readonly QueueEnd[] }
  | { readonly kind: "account"; readonly topic: string; readonly group: string }
  | { readonly kind: "declare"; readonly spec: TopicSpec }
  | {
      readonly kind: "aside.list";
      readonly topic: string;
      readonly group: string;
      readonly after: string | null;
      readonly limit: number;
    }
  | {
      readonly kind: "aside.peek";
      readonly topic: string;
      readonly group: string;
      readonly key: string;
      readonly limit: number;
      /** Since version 2: the first offset to answer with. @default the head's */
      readonly from?: Offset;
    }
  | ({ readonly kind: "aside.retry" | "aside.skip"; readonly entry: string } & Change)
  | ({ readonly kind: "aside.replace"; readonly entry: string; readonly message: Uint8Array } & Change)
  | ({ readonly kind: "aside.redrive" | "aside.discard"; readonly key: string } & Change)
  /** A producer's name, or a member's of the group, is the first one's that comes from then on; a no-op for one that is nobody's. */
  | {
      readonly kind: "name.release";
      readonly topic: string;
      readonly group: string | null;
      readonly name: string;
      readonly reason: string;
    };
interface Change {
  readonly topic: string;
  readonly group: string;
  readonly reason: string;
}

export interface Answers {
  readonly describe: Description;
  readonly "describe.topic": TopicDescription;
  readonly "describe.group": GroupDescription;
  readonly explain: Explanation;
  readonly ends: readonly QueueEnd[];
  readonly reached: null;
  readonly account: readonly QueueAccount[];
  readonly declare: null;
  readonly "aside.list": { readonly entries: readonly AsideListed[]; readonly next: string | null };
  readonly "aside.peek": readonly AsideMessage[];
  readonly "aside.retry": AsideChanged;
  readonly "aside.skip": AsideChanged;
  readonly "aside.replace": AsideChanged;
  readonly "aside.redrive": AsideChanged;
  readonly "aside.discard": AsideChanged;
  readonly "name.release": null;
}
/** Messages a change touched, and the revision it was committed as. */
export interface AsideChanged {
  readonly queue: number;
  readonly revision: number;
  readonly offsets: readonly Offset[];
  readonly key: string | null;
  /** Of the message that an order about one entry names; null under an order about a whole key. */
  readonly id: string | null;
}
export interface QueueEnd {
  readonly queue: number;
  readonly end: Offset;
}
/** Every offset of one queue, for one group, in exactly one class (P9): `end − start` is the sum of all classes. Read from one state, between two commits. */
export interface QueueAccount {
  readonly queue: number;
  readonly start: Offset;
  readonly end: Offset;
  /** First offset that is in no class but backlog. */
  readonly cursor: Offset;
  /** Settled above the cursor. */
  readonly settledRanges: readonly OffsetRange[];
  readonly settled: number;
  readonly filtered: number;
  readonly skipped: number;
  readonly expired: number;
  readonly deadLettered: readonly Offset[];
  readonly parked: readonly Offset[];
  readonly discarded: readonly Offset[];
  readonly backlog: number;
  readonly halted: boolean;
  readonly revision: number;
  readonly logEpoch: number;
}
export interface AsideMessage {
  readonly queue: number;
  readonly offset: Offset;
  readonly appendedAtMs: number;
  /** Packed. */
  readonly message: Uint8Array;
  /** Whoever asked may not `read`: the message comes without body and headers. On links of version 1 it does so unsaid. */
  readonly withheld?: boolean;
}
/** A parked key (its head), a dead letter, or the message a halted queue stands at. */
export interface AsideListed extends AsideMessage {
  readonly kind: "parked" | "dead-letter" | "halted";
  readonly entry: string;
  readonly key: string | null;
  readonly behind: number;
  readonly sinceMs: number;
  readonly attempts: number;
  readonly error: FailureInfo;
}
