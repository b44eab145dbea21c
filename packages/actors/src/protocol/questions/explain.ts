import type { Offset } from "../../message/brands.ts";
import { choice, finite, list, nullable, record } from "../checks.ts";
import { anOffset, key, LIMITS, name, natural, queue, text } from "../field-checks.ts";
import { question } from "./definition.ts";
import { type LeaseView, leaseView } from "./lease-view.ts";
import { toObserve } from "./rights.ts";

/** Why a key is where it is, in each group that whoever asks may observe. */
export interface Explain {
  readonly kind: "explain";
  readonly topic: string;
  readonly key: string;
}
/** Why a key is where it is, for one group. */
export interface KeyView {
  readonly group: string;
  /** One sentence for a person. */
  readonly text: string;
  readonly state: "idle" | "waiting" | "handling" | "backingOff" | "parked" | "halted" | "paused" | "unleased";
  /** Messages of this key (as far as they were read) or, when nothing of it is known, of its queue, not yet settled. */
  readonly backlog: number;
  /** Age of the oldest of them, ms. */
  readonly lagMs: number;
  readonly lease: LeaseView | null;
  readonly blockedBy: { readonly offset: Offset; readonly attempt: number; readonly error: string | null } | null;
}
export interface Explanation {
  readonly topic: string;
  readonly key: string;
  readonly queue: number;
  readonly text: string;
  readonly groups: readonly KeyView[];
}
const keyView = record<KeyView>({
  group: name,
  text,
  state: choice("idle", "waiting", "handling", "backingOff", "parked", "halted", "paused", "unleased"),
  backlog: natural,
  lagMs: finite,
  lease: nullable(leaseView),
  blockedBy: nullable(
    record<NonNullable<KeyView["blockedBy"]>>({ offset: anOffset, attempt: natural, error: nullable(text) }),
  ),
});

export const explain = question<Explain, Explanation>({
  kind: "explain",
  fields: { topic: name, key },
  answer: record<Explanation>({ topic: name, key, queue, text, groups: list(LIMITS.groups, keyView) }),
  needs: toObserve,
  effect: "reads",
});
