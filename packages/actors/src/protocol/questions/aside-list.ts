import { choice, finite, list, nullable, record } from "../checks.ts";
import { type FailureInfo, failure, key, LIMITS, name, natural, place, positive } from "../field-checks.ts";
import { type AsideMessage, asideMessageFields } from "./aside-messages.ts";
import { question } from "./definition.ts";
import { toList } from "./rights.ts";

/** Heads of parked keys, dead letters and messages that queues halted at: a page of them, behind `after`. */
export interface AsideList {
  readonly kind: "aside.list";
  readonly topic: string;
  readonly group: string;
  readonly after: string | null;
  readonly limit: number;
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
export interface AsidePage {
  readonly entries: readonly AsideListed[];
  /** What the next page is `after`; null: there is none. */
  readonly next: string | null;
}
const asideListed = record<AsideListed>({
  ...asideMessageFields,
  kind: choice("parked", "dead-letter", "halted"),
  entry: place,
  key: nullable(key),
  behind: natural,
  sinceMs: finite,
  attempts: natural,
  error: failure,
});

export const asideList = question<AsideList, AsidePage>({
  kind: "aside.list",
  fields: { topic: name, group: name, after: nullable(place), limit: positive },
  answer: record<AsidePage>({ entries: list(LIMITS.described, asideListed), next: nullable(place) }),
  needs: toList,
  effect: "reads",
});
