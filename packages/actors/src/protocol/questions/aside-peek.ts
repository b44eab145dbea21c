import type { Offset } from "../../message/brands.ts";
import { list, optional, record, since } from "../checks.ts";
import { anOffset, key, LIMITS, name, positive } from "../field-checks.ts";
import { type AsideMessage, asideMessageFields } from "./aside-messages.ts";
import { question } from "./definition.ts";
import { toList } from "./rights.ts";

/** The messages of a parked key, from its head on. */
export interface AsidePeek {
  readonly kind: "aside.peek";
  readonly topic: string;
  readonly group: string;
  readonly key: string;
  readonly limit: number;
  /** Since version 2: the first offset to answer with. @default the head's */
  readonly from?: Offset;
}

export const asidePeek = question<AsidePeek, readonly AsideMessage[]>({
  kind: "aside.peek",
  fields: { topic: name, group: name, key, limit: positive, from: since(2, optional(anOffset)) },
  answer: list(LIMITS.described, record<AsideMessage>(asideMessageFields)),
  needs: toList,
  effect: "reads",
});
